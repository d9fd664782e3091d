"""Reads picture files as frames: a frame sequence, or a single still."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from ...errors import SourceError
from ..info import Info
from ..paths import frame_numbers
from .frame import DEFAULT_RATE, Frame
from .picture_file import Picture, read_picture
from .selection import Selection, parse_size, resized, select_times
from .transparency import kept_or_over, laid_over


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

    notices = ()

    def __init__(self, path: str, files: list[Path], kind: str, selection: Selection):
        rate = selection.rate or DEFAULT_RATE
        times = select_times([k / rate for k in range(len(files))], path, selection)
        chosen = [int(time * rate) for time in times]
        self._files, self._background = [files[k] for k in chosen], selection.background
        first = read_picture(self._files[0])
        self._first_shape = first.pixels.shape
        width, height = parse_size(selection.size, first.pixels.shape[1], first.pixels.shape[0])
        depth = 8 * first.pixels.dtype.itemsize
        notices = first.notices
        clear = first.alpha is not None and (kind == "sequence" or first.alpha.min() < np.iinfo(first.alpha.dtype).max)
        if clear and selection.background is not None:
            notices += (laid_over(selection.background),)
        self.info = Info(
            path, kind, width, height, rate, len(times), depth, start=times[0],
            alpha=clear and selection.background is None, notices=notices,
        )  # fmt: skip
        if kind == "sequence":
            self._number(path, files, chosen)

    def _number(self, path: str, files: list[Path], chosen: list[int]) -> None:
        """Take over the numbers in the files' names."""
        numbers = frame_numbers(path, files)
        numbers = tuple(numbers[k] if len(numbers) > 1 else numbers[0] + k for k in chosen)
        missing = numbers[-1] - numbers[0] + 1 - len(numbers)
        notices = self.info.notices
        if missing:
            notices += (
                f"{missing} numbers are missing between {numbers[0]} and {numbers[-1]}: frames keep their numbers",
            )
        self.info = replace(self.info, numbers=numbers if missing else numbers[:1], notices=notices)

    def __iter__(self) -> Iterator[Frame]:
        return self.since(0)

    def since(self, first: int) -> Iterator[Frame]:
        """See `Source`."""
        for index, file in enumerate(self._files[first:], first):
            picture = read_picture(file)
            pixels = picture.pixels
            if pixels.shape != self._first_shape or 8 * pixels.dtype.itemsize != self.info.depth:
                raise SourceError(
                    f"{file} differs from the first frame in size or depth: make all frames of the sequence alike"
                )
            yield self._frame(index, picture)

    def _frame(self, index: int, picture: Picture) -> Frame:
        info, pixels, alpha = self.info, picture.pixels, picture.alpha
        if alpha is not None:
            pixels, alpha = kept_or_over(pixels, alpha, self._background)
        elif info.alpha:  # a frame without alpha among others that have it
            alpha = np.full(pixels.shape[:2], np.iinfo(pixels.dtype).max, pixels.dtype)
        kept = resized(alpha, info) if info.alpha and alpha is not None else None
        return Frame(index, index / info.rate, resized(pixels, info), alpha=kept)
