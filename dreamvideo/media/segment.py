"""Segments: lossless FFV1 files of a few frames each, kept until the film is assembled; any player can show them."""

from __future__ import annotations

import contextlib
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from torch import Tensor

from ..errors import SinkError, SourceError
from . import ffmpeg
from .background_writer import BackgroundWriter
from .pixels import Pixels
from .tensors import quantise
from .writers.codecs import CODECS

# by depth: the pixel formats that ffmpeg is given, and that it stores
FORMATS = {8: ("rgb24", "bgr0"), 12: ("gbrp12le", "gbrp12le"), 16: ("gbrp16le", "gbrp16le")}
LOSSLESS = ("-c:v", "ffv1", *CODECS["ffv1"].options)


class SegmentError(SourceError):
    """A segment's frames are missing, or differ from what was written.

    Attributes:
        path: the segment's file.
    """

    def __init__(self, path: Path):
        super().__init__(f"{path} is damaged")
        self.path = path


def checksum(pixels: Pixels, every: int = 1) -> int:
    """Return the CRC-32 of a picture (H, W, C), or only of every `every`-th row of it."""
    return zlib.crc32(pixels[::every].tobytes())


class SegmentWriter:
    """Writes a segment frame by frame, on another thread; `close` completes it, `discard` removes it.

    Args:
        path: of the file, ending in .mkv.
        depth: bits per channel to keep: 8, 12 or 16.

    Attributes:
        checksums: of every frame written so far, in the order of ffmpeg's planes.
    """

    def __init__(self, path: Path, depth: int):
        self.path, self.checksums = path, list[int]()
        self._depth = depth
        self._background = BackgroundWriter(self._write)
        self._process: ffmpeg.Process | None = None

    def write(self, image: Tensor) -> None:
        """Write the next picture, float RGB in [0, 1], (3, H, W).

        Raises:
            SinkError: an earlier one could not be written.
        """
        self._background(quantise(image, self._depth))

    def _write(self, pixels: Pixels) -> None:
        data = _to_planes(pixels, self._depth)
        try:
            if self._process is None:
                self._process = ffmpeg.writer(self._command(*pixels.shape[:2]))
            self._process.write(memoryview(data))
        except ffmpeg.FFmpegError as error:
            raise _failed(self.path, error) from error
        self.checksums.append(zlib.crc32(data))

    def _command(self, height: int, width: int) -> list[str]:
        given, stored = FORMATS[self._depth]
        return [
            "-f", "rawvideo", "-pix_fmt", given, "-s", f"{width}x{height}", "-i", "pipe:0", *LOSSLESS,
            "-pix_fmt", stored, "-fps_mode", "passthrough", "-f", "matroska", "-y", f"file:{self.path}",
        ]  # fmt: skip

    def close(self) -> None:
        """Complete the file.

        Raises:
            SinkError: it could not be written.
        """
        self._background.finish()
        self._background.stop()
        try:
            if self._process is not None:
                self._process.wait()
                self._process.__exit__(None, None, None)
        except ffmpeg.FFmpegError as error:
            raise _failed(self.path, error) from error

    def discard(self) -> None:
        """Stop writing and remove the file; does nothing but removing it after `close`."""
        for _ in range(2):  # the thread may be starting the process just now: it exists when the thread has ended
            if self._process is not None:
                self._process.__exit__(None, None, None)
            self._background.stop()
        self.path.unlink(missing_ok=True)


def read_segment(path: Path, width: int, height: int, depth: int, checksums: list[int]) -> Iterator[Pixels]:
    """Yield the frames of a segment, RGB (H, W, 3), uint8 or uint16 over their full range.

    Args:
        path: of the file.
        width, height, depth: of its frames (see `SegmentWriter`).
        checksums: of its frames, as many as are read.

    Raises:
        SegmentError: a frame is missing, or differs from what was written.
        SourceError: reading was interrupted.
    """
    kind, size = FORMATS[depth][0], 3 * width * height * (1 if depth == 8 else 2)
    command = [*ffmpeg.input_args(str(path)), "-f", "rawvideo", "-pix_fmt", kind, "-fps_mode", "passthrough", "pipe:1"]
    with ffmpeg.reader(command) as process:
        for expected in checksums:
            data = process.read(size)
            if len(data) < size:
                _check_whether_killed(process, path)
            if len(data) < size or zlib.crc32(data) != expected:
                raise SegmentError(path)
            yield _from_planes(np.frombuffer(data, np.uint8 if depth == 8 else "<u2"), width, height, depth)


def _check_whether_killed(process: ffmpeg.Process, path: Path) -> None:
    """Raise another error than that of a damaged file if ffmpeg was killed while reading it."""
    with contextlib.suppress(ffmpeg.FFmpegError):
        process.wait()
    if process.was_killed:
        raise SourceError(f"reading {path} was cut off: try again")


def _to_planes(pixels: Pixels, depth: int) -> bytes:
    """Return pixels (H, W, 3) in ffmpeg's order: above 8 bits plane by plane, green, blue, red."""
    return pixels.tobytes() if depth == 8 else pixels[..., [1, 2, 0]].transpose(2, 0, 1).tobytes()


def _from_planes(data: Pixels, width: int, height: int, depth: int) -> Pixels:
    """Return pixels in ffmpeg's order as RGB (H, W, 3) over the full range of their type."""
    if depth == 8:
        return data.reshape(height, width, 3)
    planes = data.reshape(3, height, width)[[2, 0, 1]].transpose(1, 2, 0)
    return (planes if depth == 16 else (planes << 4) | (planes >> 8)).astype(np.uint16)


def count_frames(path: Path) -> int:
    """Return how many frames a segment has, without decoding them; 0 if the file cannot be read."""
    import av

    try:
        with av.open(str(path)) as container:
            return sum(packet.size > 0 for packet in container.demux(video=0))
    except (av.FFmpegError, OSError, IndexError):
        return 0


def _failed(path: Path, error: Exception) -> SinkError:
    return SinkError(f"{path} could not be written ({error}): is the disk full?")
