"""Reads picture files as frames: a frame sequence, or a single still."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ...errors import SourceError
from ..info import Info
from ..paths import first_number
from .frame import DEFAULT_RATE, Frame
from .picture_file import read_picture
from .selection import Selection, parse_size, resized, select_times


class PictureReader:
    """Picture files as the frames of a sequence, or one file as a still (see `Source`).

    Args:
        path: the source's name, as the user gave it.
        files: its pictures, in order.
        kind: "sequence" or "still".
        selection: which of them to read, and how.

    Raises:
        SourceError: the selection takes no frame, or the first one cannot be read.
        RecipeError: its size cannot be read.
    """

    def __init__(self, path: str, files: list[Path], kind: str, selection: Selection):
        rate = selection.rate or DEFAULT_RATE
        times = select_times([k / rate for k in range(len(files))], path, selection)
        self._files = [files[int(time * rate)] for time in times]
        first = read_picture(self._files[0])
        self._first_shape = first.shape
        width, height = parse_size(selection.size, first.shape[1], first.shape[0])
        depth = 8 * first.dtype.itemsize
        number = first_number(self._files) if kind == "sequence" else 1
        self.info = Info(path, kind, width, height, rate, len(times), depth, start=times[0], number=number)

    def __iter__(self) -> Iterator[Frame]:
        return self.since(0)

    def since(self, first: int) -> Iterator[Frame]:
        """See `Source`."""
        for index, file in enumerate(self._files[first:], first):
            pixels = read_picture(file)
            if pixels.shape != self._first_shape or 8 * pixels.dtype.itemsize != self.info.depth:
                raise SourceError(
                    f"{file} differs from the first frame in size or depth: make all frames of the sequence alike"
                )
            yield Frame(index, index / self.info.rate, resized(pixels, self.info))
