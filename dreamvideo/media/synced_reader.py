"""Reads a film, frame sequence or still in step with another film: asked for a moment, gives the picture shown then."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Generator
from fractions import Fraction

from ..errors import SourceError
from .pixels import Pixels
from .readers.selection import Selection
from .readers.source import open_source

CACHED_FRAMES = 16  # frames kept, so that reading backwards decodes no frame more than twice
SLACK = Fraction(1, 8)  # of a frame, by which a moment may come early: some files round their times


class SyncedReader:
    """A film, frame sequence or still whose pictures are looked up by time.

    Times that increase are read on in one go; for an earlier one, the file is opened again a few frames before it.

    Args:
        path: film, folder, glob, printf pattern or picture.
        rate: frames per second of a sequence, which carries none itself: the rate of the film it accompanies.

    Attributes:
        lasts: time at which its last picture ends, seconds; infinite for a still.

    Raises:
        SourceError: it cannot be read.
    """

    def __init__(self, path: str, rate: Fraction):
        self._path, self._rate = path, rate
        with open_source(path, Selection(rate=rate)) as source:
            self._info = source.info
        still = self._info.kind == "still"
        self.lasts = math.inf if still else float(self._info.delay + self._info.count / self._info.rate)
        self._cached: deque[tuple[int, Pixels]] = deque(maxlen=CACHED_FRAMES)
        self._frames: Generator[tuple[int, Pixels]] | None = None

    def at(self, time: Fraction) -> Pixels:
        """Return the picture shown at a time, RGB (H, W, 3) of 8 or 16 bits.

        Before the first picture it is the first, after the last the last. The same picture is returned as the same
        object.

        Raises:
            SourceError: it cannot be decoded.
        """
        info = self._info
        index = math.floor((time - info.delay) * info.rate + SLACK)
        index = min(max(index, 0), info.count - 1)
        if not self._cached or index < self._cached[0][0]:
            back = CACHED_FRAMES - 1 if self._cached else 0
            self._open(max(index - back, 0))
        while self._cached[-1][0] < index and self._read_next():
            pass
        return next((pixels for at, pixels in reversed(self._cached) if at <= index), self._cached[0][1])

    def close(self) -> None:
        """Stop reading; `at` opens the file again."""
        if self._frames is not None:
            self._frames.close()
        self._frames = None
        self._cached.clear()

    def _open(self, first: int) -> None:
        self.close()
        self._frames = self._read_from(first)
        if self._read_next():
            return
        if not first:
            raise SourceError(f"no frame of {self._path} can be decoded: is it complete?")
        self._open(0)  # a damaged film: the frames that can be read come before

    def _read_next(self) -> bool:
        """Read a frame into the cache; False at the end."""
        frame = next(self._frames, None) if self._frames is not None else None
        if frame is not None:
            self._cached.append(frame)
        return frame is not None

    def _read_from(self, first: int) -> Generator[tuple[int, Pixels]]:
        """Yield the frames from one on, with their numbers."""
        middle = self._info.delay + (first - Fraction(1, 2)) / self._info.rate  # between that frame and the one before
        microseconds = math.floor(max(middle, Fraction(0)) * 1_000_000) if first else 0
        with open_source(self._path, Selection(start=Fraction(microseconds, 1_000_000), rate=self._rate)) as source:
            for frame in source:
                yield first + frame.index, frame.pixels
