"""Pieces: a few frames, kept as they are in a file of their own, until all is assembled; any player shows them."""

from __future__ import annotations

import contextlib
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from torch import Tensor

from ..errors import SinkError, SourceError
from . import ffmpeg
from .pixels import Pixels, quantise
from .write_behind import WriteBehind

FORMATS = {8: ("rgb24", "bgr0"), 12: ("gbrp12le", "gbrp12le"), 16: ("gbrp16le", "gbrp16le")}
LOSSLESS = ("-c:v", "ffv1", "-level", "3", "-g", "1", "-slicecrc", "1", "-slices", "4")


class SegmentError(SourceError):
    """A segment that is not what was written.

    Attributes:
        path: of its file.
    """

    def __init__(self, path: Path):
        super().__init__(f"{path} is damaged")
        self.path = path


def checksum(pixels: Pixels, every: int = 1) -> int:
    """Return the CRC-32 of a picture (H, W, C), of every so many rows."""
    return zlib.crc32(pixels[::every].tobytes())


class SegmentWriter:
    """Writes a segment, frame by frame, on a thread of its own; killed on leaving without `close`.

    Args:
        path: of the file, ending in .mkv.
        depth: bits per channel that are kept: 8, 12 or 16.

    Attributes:
        checksums: the checksum of every frame so far.
    """

    def __init__(self, path: Path, depth: int):
        self.path, self.checksums = path, list[int]()
        self._depth = depth
        self._behind = WriteBehind(self._put)
        self._process: ffmpeg.Process | None = None

    def write(self, image: Tensor) -> None:
        """Take the next picture, float RGB in [0, 1], (3, H, W).

        Raises:
            SinkError: an earlier one could not be written.
        """
        self._behind(quantise(image, self._depth))

    def _put(self, pixels: Pixels) -> None:
        data = _to_planes(pixels, self._depth)
        try:
            if self._process is None:
                self._process = ffmpeg.writer(self._command(*pixels.shape[:2]))
            self._process.write(memoryview(data))
        except ffmpeg.FFmpegError as error:
            raise _failed(self.path, error) from error
        self.checksums.append(zlib.crc32(data))

    def _command(self, height: int, width: int) -> list[str]:
        given, kept = FORMATS[self._depth]
        return [
            "-f", "rawvideo", "-pix_fmt", given, "-s", f"{width}x{height}", "-i", "pipe:0", *LOSSLESS,
            "-pix_fmt", kept, "-fps_mode", "passthrough", "-f", "matroska", "-y", f"file:{self.path}",
        ]  # fmt: skip

    def close(self) -> None:
        """Finish the file.

        Raises:
            SinkError: it could not be written.
        """
        self._behind.finish()
        self._behind.stop()
        try:
            if self._process is not None:
                self._process.wait()
                self._process.__exit__(None, None, None)
        except ffmpeg.FFmpegError as error:
            raise _failed(self.path, error) from error

    def discard(self) -> None:
        """Stop writing, if it still goes on, and remove what was written."""
        for _ in range(2):  # one that is just being started is there when the thread has ended
            if self._process is not None:
                self._process.__exit__(None, None, None)
            self._behind.stop()
        self.path.unlink(missing_ok=True)


def read_segment(path: Path, width: int, height: int, depth: int, checksums: list[int]) -> Iterator[Pixels]:
    """Yield the frames of a segment, RGB (H, W, 3), 8 or 16 bits over their full range.

    Args:
        path: of the file.
        width, height, depth: of its frames (see `PieceWriter`).
        checksums: the checksum of each.

    Raises:
        PieceError: a frame is missing, or is not what was written.
    """
    kind, size = FORMATS[depth][0], 3 * width * height * (1 if depth == 8 else 2)
    command = [*ffmpeg.input_args(str(path)), "-f", "rawvideo", "-pix_fmt", kind, "-fps_mode", "passthrough", "pipe:1"]
    with ffmpeg.reader(command) as process:
        for wanted in checksums:
            data = process.read(size)
            if len(data) < size:
                _check_whether_killed(process, path)
            if len(data) < size or zlib.crc32(data) != wanted:
                raise SegmentError(path)
            yield _from_planes(np.frombuffer(data, np.uint8 if depth == 8 else "<u2"), width, height, depth)


def _check_whether_killed(process: ffmpeg.Process, path: Path) -> None:
    """Refuse to take what was not read for what was not written."""
    with contextlib.suppress(ffmpeg.FFmpegError):
        process.wait()
    if process.was_killed:
        raise SourceError(f"reading {path} was cut off: try again")


def _to_planes(pixels: Pixels, depth: int) -> bytes:
    """Return pixels (H, W, 3) as ffmpeg is given them: above 8 bits plane by plane, green, blue, red."""
    return pixels.tobytes() if depth == 8 else pixels[..., [1, 2, 0]].transpose(2, 0, 1).tobytes()


def _from_planes(data: Pixels, width: int, height: int, depth: int) -> Pixels:
    """Return what ffmpeg gives as RGB pixels (H, W, 3) over the full range of their type."""
    if depth == 8:
        return data.reshape(height, width, 3)
    planes = data.reshape(3, height, width)[[2, 0, 1]].transpose(1, 2, 0)
    return (planes if depth == 16 else (planes << 4) | (planes >> 8)).astype(np.uint16)


def count_frames(path: Path) -> int:
    """Return how many frames a segment's file holds, without decoding them; 0 if it is none."""
    import av

    try:
        with av.open(str(path)) as container:
            return sum(packet.size > 0 for packet in container.demux(video=0))
    except (av.FFmpegError, OSError, IndexError):
        return 0


def _failed(path: Path, error: Exception) -> SinkError:
    return SinkError(f"{path} could not be written ({error}): is the disk full?")
