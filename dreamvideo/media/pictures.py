"""Pictures out: frame sequences and stills, written by OpenCV."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from ..errors import SinkError
from .names import frame_pattern, numbered
from .probe import Info
from .tags import tagged

Pixels = NDArray[np.uint8] | NDArray[np.uint16]

QUALITY = [cv2.IMWRITE_JPEG_QUALITY, 95, cv2.IMWRITE_WEBP_QUALITY, 95]


class FrameSink:
    """A frame sequence: every picture is a file of its own, whole from the moment it has its name."""

    def __init__(self, path: str, info: Info, comment: str):
        self.path, self.notices, self.count = path, [], 0
        self._pattern, self._info, self._comment = Path(frame_pattern(path)), info, comment
        if info.sound:
            self.notices.append("frames hold no sound: the film's sound is left out")

    def write(self, image: Tensor) -> None:
        file = self._pattern.parent / numbered(self._pattern, self._info.number + self.count)
        save_picture(file, quantise(image, _depth(file, self._info)), self._comment)
        self.count += 1

    def commit(self, whole: bool) -> None:
        """Nothing is left to do: the frames stand."""

    def discard(self) -> None:
        """Frames that are written are whole, and stay."""


class StillSink:
    """One picture."""

    def __init__(self, path: str, info: Info, comment: str):
        self.path, self.count = path, 0
        self.notices: list[str] = []
        self._info, self._comment = info, comment
        self._pixels: Pixels | None = None

    def write(self, image: Tensor) -> None:
        self._pixels = quantise(image, _depth(Path(self.path), self._info))
        self.count += 1

    def commit(self, whole: bool) -> None:
        if self._pixels is not None:
            save_picture(Path(self.path), self._pixels, self._comment)

    def discard(self) -> None:
        self._pixels = None


def save_picture(file: Path, pixels: Pixels, comment: str = "") -> None:
    """Write RGB pixels (H, W, 3) as the picture format the name asks for, whole or not at all.

    Raises:
        SinkError: it cannot be written.
    """
    unfinished = hidden(file, file.suffix)
    try:
        _, data = cv2.imencode(file.suffix.lower(), cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR), QUALITY)
        unfinished.write_bytes(tagged(data.tobytes(), comment) if comment else data.tobytes())
        os.replace(unfinished, file)
    except (OSError, cv2.error) as error:
        raise SinkError(f"{file} could not be written ({error}): is the disk full?") from error
    finally:
        unfinished.unlink(missing_ok=True)


def quantise(image: Tensor, depth: int) -> Pixels:
    """Return a picture, float RGB (3, H, W), as 8- or 16-bit pixels (H, W, 3): clamped and rounded, here alone."""
    top = 2**depth - 1
    levels = (image.clamp(0, 1) * top).round().permute(1, 2, 0).cpu().numpy()
    return levels.astype(np.uint8 if depth == 8 else np.uint16)


def _depth(file: Path, info: Info) -> int:
    return info.depth if file.suffix.lower() in (".png", ".tif", ".tiff") else 8


def hidden(final: Path, suffix: str) -> Path:
    """Return a free name beside the final one."""
    handle, name = tempfile.mkstemp(prefix=f".{final.stem[:40]}-", suffix=suffix, dir=final.parent)
    os.close(handle)
    os.chmod(name, 0o666 & ~_umask())
    return Path(name)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
