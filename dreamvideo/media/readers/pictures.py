"""Picture files as frames: a sequence, or a single still."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ...errors import SourceError
from ..info import Info
from ..paths import first_number
from .frame import DEFAULT_RATE, Frame
from .picture_file import read_picture
from .selection import Selection, resized, sized, within


class PictureReader:
    """Picture files as frames: a sequence, or a still as a sequence of one."""

    def __init__(self, path: str, files: list[Path], kind: str, selection: Selection):
        self.rate = selection.rate or DEFAULT_RATE
        times = within([k / self.rate for k in range(len(files))], path, selection)
        self.files = [files[int(time * self.rate)] for time in times]
        first = read_picture(self.files[0])
        self.original = first.shape
        width, height = sized(selection.size, first.shape[1], first.shape[0])
        depth = 8 * first.dtype.itemsize
        number = first_number(self.files) if kind == "sequence" else 1
        self.info = Info(path, kind, width, height, self.rate, len(times), depth, start=times[0], number=number)

    def __iter__(self) -> Iterator[Frame]:
        return self.since(0)

    def since(self, first: int) -> Iterator[Frame]:
        """See `Source`."""
        for index, file in enumerate(self.files[first:], first):
            pixels = read_picture(file)
            if pixels.shape != self.original or 8 * pixels.dtype.itemsize != self.info.depth:
                raise SourceError(
                    f"{file} differs from the first frame in size or depth: make all frames of the sequence alike"
                )
            yield Frame(index, index / self.rate, resized(pixels, self.info))
