"""Reads an animated WebP with Pillow: neither PyAV nor OpenCV can read it frame by frame."""

from __future__ import annotations

import bisect
import itertools
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np

from ..frame_rates import VARYING_RATE, even_rate, nominal_rate
from ..info import Info
from .frame import Frame
from .picture_file import as_source_error, open_picture
from .selection import Selection, parse_size, resized, select_times
from .transparency import kept_or_over, laid_over

DEFAULT_DURATION = 100  # ms of a picture that declares 0, as in browsers


class AnimatedWebPReader:
    """The frames of an animated WebP at a constant rate, each the picture shown at its middle (see `Source`)."""

    notices = ()

    def __init__(self, path: str, selection: Selection):
        self._path, self._background = path, selection.background
        size, durations, clear = _read_durations(path)
        ends = list(itertools.accumulate(durations))
        rate = nominal_rate(Fraction(len(durations) * 1000, ends[-1]))
        notices: tuple[str, ...] = ()
        if max(durations) > min(durations) + 2:
            begins = [Fraction(end - duration, 1000) for end, duration in zip(ends, durations, strict=True)]
            rate = even_rate(begins)
            notices = (VARYING_RATE.format(float(rate)),)
        count = max(round(ends[-1] * rate / 1000), 1)
        times = select_times([k / rate for k in range(count)], path, selection)
        half = Fraction(1, 2) / rate
        self._numbers = [min(bisect.bisect(ends, (time + half) * 1000), len(ends) - 1) for time in times]
        if clear and selection.background is not None:
            notices += (laid_over(selection.background),)
        self._clear, keeps = clear, clear and selection.background is None
        size = parse_size(selection.size, *size)
        self.info = Info(path, "film", *size, rate, len(times), alpha=keeps, notices=notices)

    def __iter__(self) -> Iterator[Frame]:
        return self.since(0)

    def since(self, first: int) -> Iterator[Frame]:
        """See `Source`."""
        with as_source_error(Path(self._path)), open_picture(Path(self._path)) as image:
            for index, number in enumerate(self._numbers[first:], first):
                image.seek(number)
                time = index / self.info.rate
                if not self._clear:
                    yield Frame(index, time, resized(np.array(image.convert("RGB")), self.info))
                    continue
                whole = np.array(image.convert("RGBA"))
                pixels, alpha = np.ascontiguousarray(whole[..., :3]), np.ascontiguousarray(whole[..., 3])
                shown, kept = kept_or_over(pixels, alpha, self._background)
                kept = None if kept is None else resized(kept, self.info)
                yield Frame(index, time, resized(shown, self.info), alpha=kept)


def _read_durations(path: str) -> tuple[tuple[int, int], list[int], bool]:
    """Return an animation's (width, height), how long each picture lasts, ms, and whether any pixel is transparent."""
    with as_source_error(Path(path)), open_picture(Path(path)) as image:
        durations, clear = [], False
        for number in range(image.n_frames):
            image.seek(number)
            image.load()
            clear = clear or (image.mode == "RGBA" and image.getextrema()[3][0] < 255)
            durations.append(int(image.info.get("duration", 0)) or DEFAULT_DURATION)
        return image.size, durations, clear
