"""Pictures out: frame sequences and stills, written by OpenCV."""

from __future__ import annotations

import collections
import os
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..errors import SinkError
from .names import frame_pattern, numbered
from .probe import Info
from .tags import tagged

Pixels = NDArray[np.uint8] | NDArray[np.uint16]

JPEG = [cv2.IMWRITE_JPEG_QUALITY, 95]
QUALITY = {".jpg": JPEG, ".jpeg": JPEG, ".webp": [cv2.IMWRITE_WEBP_QUALITY, 95]}  # OpenCV warns of what does not apply


class Behind:
    """Does work on another thread, in order, while the caller goes on; at most two pieces wait."""

    def __init__(self, work: Callable[[Pixels], None]):
        self._work, self._waiting = work, collections.deque[Future[None]]()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="write-behind")

    def __call__(self, pixels: Pixels) -> None:
        """Hand over the next piece; raises what an earlier one raised."""
        while len(self._waiting) >= 2:
            self._waiting.popleft().result()
        self._waiting.append(self._thread.submit(self._work, pixels))

    def finish(self) -> None:
        """Wait until all is done; raises what any of it raised."""
        while self._waiting:
            self._waiting.popleft().result()

    def stop(self) -> None:
        """End the thread; what has not begun is dropped."""
        self._thread.shutdown(wait=True, cancel_futures=True)


class FrameSink:
    """A frame sequence: every picture is a file of its own, whole from the moment it has its name."""

    def __init__(self, path: str, info: Info, comment: str):
        self.path, self.notices, self.count = path, [], 0
        self._pattern, self._info, self._comment = Path(frame_pattern(path)), info, comment
        self.worth = _depth(self._pattern, info)
        self._behind, self._saved = Behind(self._save), 0
        if info.sound:
            self.notices.append("frames hold no sound: the film's sound is left out")

    def write(self, image: Tensor) -> None:
        self._behind(quantise(image, self.worth))
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
        self.worth, self._comment = _depth(Path(path), info), comment
        self._pixels: Pixels | None = None

    def write(self, image: Tensor) -> None:
        self._pixels = quantise(image, self.worth)
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
    unfinished, suffix = hidden(file, file.suffix), file.suffix.lower()
    height, width = pixels.shape[:2]
    try:
        swapped = cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR if pixels.shape[2] == 3 else cv2.COLOR_RGBA2BGRA)
        with silenced():
            done, data = cv2.imencode(suffix, swapped, QUALITY.get(suffix, []))
        if not done:
            raise SinkError(f"{file} could not be written: {suffix} holds no {width}x{height}, but .png does")
        unfinished.write_bytes(tagged(data.tobytes(), comment) if comment else data.tobytes())
        os.replace(unfinished, file)
    except (OSError, cv2.error) as error:
        raise SinkError(f"{file} could not be written ({error}): is the disk full?") from error
    finally:
        unfinished.unlink(missing_ok=True)


@contextmanager
def silenced() -> Iterator[None]:
    """Keep OpenCV from writing to the terminal: what it cannot do is told in a line of ours."""
    usual = cv2.utils.logging.setLogLevel(0)
    try:
        yield
    finally:
        cv2.utils.logging.setLogLevel(usual)


def quantise(image: Tensor, depth: int) -> Pixels:
    """Return a picture, float RGB(A) (C, H, W), as pixels (H, W, C), 8 or 16 bits: clamped and rounded, here alone."""
    top = 2**depth - 1
    levels = (image.clamp(0, 1) * top).round().permute(1, 2, 0)
    if depth == 8:  # made small where it is, before it travels
        return levels.to(torch.uint8).cpu().numpy()
    return levels.cpu().numpy().astype(np.uint16)


def _depth(file: Path, info: Info) -> int:
    return info.depth if file.suffix.lower() in (".png", ".tif", ".tiff") else 8


def hidden(final: Path, suffix: str, aside: Path | None = None) -> Path:
    """Return a free name in another folder on the same disk, if there is one, or else beside the final one."""
    there = final.parent if aside is None or not _reaches(aside, final.parent) else aside
    handle, name = tempfile.mkstemp(prefix=f".{final.stem[:40]}-", suffix=suffix, dir=there)
    os.close(handle)
    os.chmod(name, 0o666 & ~_umask())
    return Path(name)


def _reaches(folder: Path, other: Path) -> bool:
    """Tell whether a file can be renamed from one folder into another: the same disk may be mounted twice."""
    handle, name = tempfile.mkstemp(dir=folder)
    os.close(handle)
    there = other / Path(name).name
    try:
        os.rename(name, there)
    except OSError:
        os.unlink(name)
        return False
    there.unlink()
    return True


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
