"""Pictures out: frame sequences and stills, written by OpenCV."""

from __future__ import annotations

import os
from pathlib import Path

import cv2
from torch import Tensor

from ...errors import SinkError
from ..atomic import hidden_name
from ..info import Info
from ..metadata import with_comment
from ..paths import frame_pattern, numbered
from ..pixels import Pixels, quantise, quiet_opencv
from ..write_behind import WriteBehind

JPEG = [cv2.IMWRITE_JPEG_QUALITY, 95]
QUALITY = {".jpg": JPEG, ".jpeg": JPEG, ".webp": [cv2.IMWRITE_WEBP_QUALITY, 95]}  # OpenCV warns of what does not apply


class FrameSink:
    """A frame sequence: every picture is a file of its own, whole from the moment it has its name."""

    def __init__(self, path: str, info: Info, comment: str):
        self.path, self.notices, self.count = path, [], 0
        self._pattern, self._info, self._comment = Path(frame_pattern(path)), info, comment
        self.useful_depth = _depth(self._pattern, info)
        self._behind, self._saved = WriteBehind(self._save), 0
        if info.sound:
            self.notices.append("frames hold no sound: the film's sound is left out")

    def write(self, image: Tensor) -> None:
        self._behind(quantise(image, self.useful_depth))
        self.count += 1

    def _save(self, pixels: Pixels) -> None:
        file = self._pattern.parent / numbered(self._pattern, self._info.number + self._saved)
        save_picture(file, pixels, self._comment)
        self._saved += 1

    def commit(self, whole: bool) -> None:
        """Wait for the last frames; they stand under their names already."""
        self._behind.finish()

    def discard(self) -> None:
        """Frames that are written are whole, and stay."""
        self._behind.stop()


class StillSink:
    """One picture."""

    def __init__(self, path: str, info: Info, comment: str):
        self.path, self.count = path, 0
        self.notices: list[str] = []
        self.useful_depth, self._comment = _depth(Path(path), info), comment
        self._pixels: Pixels | None = None

    def write(self, image: Tensor) -> None:
        self._pixels = quantise(image, self.useful_depth)
        self.count += 1

    def commit(self, whole: bool) -> None:
        if self._pixels is not None:
            save_picture(Path(self.path), self._pixels, self._comment)

    def discard(self) -> None:
        self._pixels = None


def save_picture(file: Path, pixels: Pixels, comment: str = "") -> None:
    """Write RGB pixels (H, W, 3), or RGBA (H, W, 4), as the picture format the name asks for, whole or not at all.

    Raises:
        SinkError: it cannot be written.
    """
    unfinished, suffix = hidden_name(file, file.suffix), file.suffix.lower()
    height, width = pixels.shape[:2]
    try:
        swapped = cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR if pixels.shape[2] == 3 else cv2.COLOR_RGBA2BGRA)
        with quiet_opencv():
            done, data = cv2.imencode(suffix, swapped, QUALITY.get(suffix, []))
        if not done:
            raise SinkError(f"{file} could not be written: {suffix} holds no {width}x{height}, but .png does")
        unfinished.write_bytes(with_comment(data.tobytes(), comment) if comment else data.tobytes())
        os.replace(unfinished, file)
    except (OSError, cv2.error) as error:
        raise SinkError(f"{file} could not be written ({error}): is the disk full?") from error
    finally:
        unfinished.unlink(missing_ok=True)


def _depth(file: Path, info: Info) -> int:
    return info.depth if file.suffix.lower() in (".png", ".tif", ".tiff") else 8
