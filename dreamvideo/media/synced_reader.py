"""Pictures that run along a film: another film, frames or a still, asked for the picture it shows at a moment."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Generator
from fractions import Fraction

from ..errors import SourceError
from .pixels import Pixels
from .readers.selection import Selection
from .readers.source import open_source

CACHED_FRAMES = 16  # frames that are held, so that reading backwards decodes nothing more than twice
SLACK = Fraction(1, 8)  # of a frame, by which a moment may come early: some files round their times


class SyncedReader:
    """A film, frame sequence or still that runs along another.

    It is read on in order; a moment that has passed is opened anew, a few frames before it.

    Args:
        path: film, folder, glob, printf pattern or picture.
        rate: frames per second of a sequence, which carries none: those of what it runs along.

    Attributes:
        lasts: seconds until its last picture ends; infinite for a still.

    Raises:
        SourceError: there is nothing there that can be read.
    """

    def __init__(self, path: str, rate: Fraction):
        self._path, self._rate = path, rate
        with open_source(path, Selection(rate=rate)) as source:
            self._info = source.info
        still = self._info.kind == "still"
        self.lasts = math.inf if still else float(self._info.delay + self._info.count / self._info.rate)
        self._kept: deque[tuple[int, Pixels]] = deque(maxlen=CACHED_FRAMES)
        self._frames: Generator[tuple[int, Pixels]] | None = None

    def at(self, time: Fraction) -> Pixels:
        """Return the picture shown at a moment, RGB (H, W, 3), 8 or 16 bits; before the first that, after the last
        that.

        It is the same object as long as it is the same picture.

        Raises:
            SourceError: it cannot be decoded.
        """
        info = self._info
        index = math.floor((time - info.delay) * info.rate + SLACK)
        index = min(max(index, 0), info.count - 1)
        if not self._kept or index < self._kept[0][0]:
            back = CACHED_FRAMES - 1 if self._kept else 0
            self._open(max(index - back, 0))
        while self._kept[-1][0] < index and self._next():
            pass
        return next((pixels for at, pixels in reversed(self._kept) if at <= index), self._kept[0][1])

    def close(self) -> None:
        """Stop reading; the next moment that is asked for opens it again."""
        if self._frames is not None:
            self._frames.close()
        self._frames = None
        self._kept.clear()

    def _open(self, first: int) -> None:
        self.close()
        self._frames = self._read(first)
        if self._next():
            return
        if not first:
            raise SourceError(f"no frame of {self._path} can be decoded: is it complete?")
        self._open(0)  # a damaged film: what can be read of it comes before

    def _next(self) -> bool:
        frame = next(self._frames, None) if self._frames is not None else None
        if frame is not None:
            self._kept.append(frame)
        return frame is not None

    def _read(self, first: int) -> Generator[tuple[int, Pixels]]:
        """Yield the frames from one on, with their numbers."""
        start = max(self._info.delay + (first - Fraction(1, 2)) / self._info.rate, Fraction(0))
        moment = Fraction(math.floor(start * 1_000_000), 1_000_000) if first else Fraction(0)
        with open_source(self._path, Selection(start=moment, rate=self._rate)) as source:
            for frame in source:
                yield first + frame.index, frame.pixels
