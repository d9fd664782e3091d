"""Animated WebP, read by Pillow."""

from __future__ import annotations

import bisect
import itertools
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np

from ..info import Info
from ..rates import VARIES, even_rate, nominal_rate
from .frame import Frame
from .picture_file import one_error, open_picture
from .selection import Selection, resized, sized, within


class AnimatedWebPReader:
    """The frames of an animated WebP, which neither PyAV nor OpenCV streams; its rate is its mean rate."""

    def __init__(self, path: str, selection: Selection):
        self.path = path
        with one_error(Path(path)), open_picture(Path(path)) as image:
            size, lasts = image.size, []
            for k in range(image.n_frames):
                image.seek(k)
                image.load()
                lasts.append(int(image.info.get("duration", 0)) or 100)  # ms, as browsers read 0
        total = sum(lasts)
        notices: tuple[str, ...] = ()
        rate = nominal_rate(Fraction(len(lasts) * 1000, total))
        if max(lasts) > min(lasts) + 2:
            rate = even_rate(
                [Fraction(end - last, 1000) for end, last in zip(itertools.accumulate(lasts), lasts, strict=True)]
            )
            notices = (VARIES.format(float(rate)),)
        ends = list(itertools.accumulate(lasts))
        moments = within([k / rate for k in range(max(round(total * rate / 1000), 1))], path, selection)
        middle = Fraction(1, 2) / rate
        self.taken = [min(bisect.bisect(ends, (m + middle) * 1000), len(ends) - 1) for m in moments]
        self.info = Info(path, "film", *sized(selection.size, *size), rate, len(moments), notices=notices)

    def __iter__(self) -> Iterator[Frame]:
        return self.since(0)

    def since(self, first: int) -> Iterator[Frame]:
        """See `Source`."""
        with one_error(Path(self.path)), open_picture(Path(self.path)) as image:
            for index, k in enumerate(self.taken[first:], first):
                image.seek(k)
                pixels = np.array(image.convert("RGB"))
                yield Frame(index, index / self.info.rate, resized(pixels, self.info))
