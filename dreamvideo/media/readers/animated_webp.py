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

DEFAULT_DURATION = 100  # ms of a picture that declares 0, as in browsers


class AnimatedWebPReader:
    """The frames of an animated WebP at a constant rate, each the picture shown at its middle (see `Source`)."""

    def __init__(self, path: str, selection: Selection):
        self._path = path
        size, durations = _read_durations(path)
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
        self.info = Info(path, "film", *parse_size(selection.size, *size), rate, len(times), notices=notices)

    def __iter__(self) -> Iterator[Frame]:
        return self.since(0)

    def since(self, first: int) -> Iterator[Frame]:
        """See `Source`."""
        with as_source_error(Path(self._path)), open_picture(Path(self._path)) as image:
            for index, number in enumerate(self._numbers[first:], first):
                image.seek(number)
                pixels = np.array(image.convert("RGB"))
                yield Frame(index, index / self.info.rate, resized(pixels, self.info))


def _read_durations(path: str) -> tuple[tuple[int, int], list[int]]:
    """Return an animation's (width, height), and how long each picture is shown, ms."""
    with as_source_error(Path(path)), open_picture(Path(path)) as image:
        durations = []
        for number in range(image.n_frames):
            image.seek(number)
            image.load()
            durations.append(int(image.info.get("duration", 0)) or DEFAULT_DURATION)
        return image.size, durations
