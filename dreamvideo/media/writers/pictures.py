"""Writes pictures with OpenCV: frame sequences and stills."""

from __future__ import annotations

from pathlib import Path

import cv2
from torch import Tensor

from ...errors import SinkError
from ..atomic import write_file
from ..background_writer import BackgroundWriter
from ..info import Info
from ..metadata import with_comment
from ..paths import frame_path, frame_pattern
from ..pixels import Pixels, quiet_opencv
from ..tensors import quantise

JPEG = [cv2.IMWRITE_JPEG_QUALITY, 95]
QUALITY = {".jpg": JPEG, ".jpeg": JPEG, ".webp": [cv2.IMWRITE_WEBP_QUALITY, 95]}  # others would make OpenCV warn
DEEP = (".png", ".tif", ".tiff")  # formats that hold 16 bits per channel


class FrameWriter:
    """A frame sequence: each frame is a file of its own, complete as soon as it has its name (see `Sink`)."""

    def __init__(self, path: str, info: Info, comment: str):
        self.path, self.notices, self.count = path, [], 0
        self._pattern, self._comment = Path(frame_pattern(path)), comment
        self._info, self._saved = info, 0
        self.useful_depth = _depth(self._pattern, info)
        self._background = BackgroundWriter(self._save)
        if info.sound:
            self.notices.append("frames hold no sound: the film's sound is left out")

    def write(self, image: Tensor) -> None:
        """See `Sink`."""
        self._background(quantise(image, self.useful_depth))
        self.count += 1

    def commit(self, whole: bool) -> None:
        """Wait for the last frames; they have their names already."""
        self._background.finish()

    def discard(self) -> None:
        """Stop writing; frames that are written are complete, and stay."""
        self._background.stop()

    def _save(self, pixels: Pixels) -> None:
        """Write a frame's file; runs on the background thread."""
        file = frame_path(self._pattern, self._info.frame_number(self._saved))
        save_picture(file, pixels, self._comment)
        self._saved += 1


class StillWriter:
    """A single picture (see `Sink`)."""

    def __init__(self, path: str, info: Info, comment: str):
        self.path, self.count = path, 0
        self.notices: list[str] = []
        self.useful_depth, self._comment = _depth(Path(path), info), comment
        self._pixels: Pixels | None = None

    def write(self, image: Tensor) -> None:
        """See `Sink`; the last picture counts."""
        self._pixels = quantise(image, self.useful_depth)
        self.count += 1

    def commit(self, whole: bool) -> None:
        """See `Sink`."""
        if self._pixels is not None:
            save_picture(Path(self.path), self._pixels, self._comment)

    def discard(self) -> None:
        """See `Sink`."""
        self._pixels = None


def save_picture(file: Path, pixels: Pixels, comment: str = "") -> None:
    """Write a picture in the format that the file's suffix names, completely or not at all.

    Args:
        file: an existing one is replaced.
        pixels: RGB (H, W, 3) or RGBA (H, W, 4), 8 or 16 bits.
        comment: text for the file's metadata.

    Raises:
        SinkError: it cannot be written, or the format cannot hold such a picture.
    """
    suffix, (height, width) = file.suffix.lower(), pixels.shape[:2]
    try:
        swapped = cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR if pixels.shape[2] == 3 else cv2.COLOR_RGBA2BGRA)
        with quiet_opencv():
            done, encoded = cv2.imencode(suffix, swapped, QUALITY.get(suffix, []))
    except cv2.error as error:
        raise SinkError(f"{file} could not be encoded ({error}): try .png") from error
    if not done:
        raise SinkError(f"{file} could not be written: {suffix} holds no {width}x{height}, but .png does")
    data = encoded.tobytes()
    write_file(file, with_comment(data, comment) if comment else data)


def _depth(file: Path, info: Info) -> int:
    return info.depth if file.suffix.lower() in DEEP else 8
