"""Counts flashes of the whole picture (photosensitive epilepsy), and limits them to three in any second.

A flash is a pair of opposing changes of the picture's relative luminance by 0.1 or more (white is 1), where the darker
side is below 0.8. No more than three flashes may fall into any second.

Source: ITU-R BT.1702 and WCAG 2.3.1, applied to the picture as a whole.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from fractions import Fraction

import torch
from torch import Tensor

from .tone import LUMA_WEIGHTS

SWING, DARK = 0.1, 0.8  # the smallest change of luminance that counts, and the level its darker side must be below
MOST = 3  # flashes in any second
ALLOWED_SWING = 0.9  # share of SWING by which a limited picture may still differ
BISECTIONS = 12  # steps of the search for the exposure that gives a luminance


def luminance(picture: Tensor) -> float:
    """Return the mean relative luminance of a picture, sRGB in [0, 1], (3, H, W): 0 is black, 1 white.

    It is measured on every fourth pixel.
    """
    picture = picture[:, ::2, ::2].float()
    linear = torch.where(picture <= 0.04045, picture / 12.92, ((picture + 0.055) / 1.055) ** 2.4)
    red, green, blue = linear.mean((1, 2)).tolist()
    return LUMA_WEIGHTS[0] * red + LUMA_WEIGHTS[1] * green + LUMA_WEIGHTS[2] * blue


class FlashCounter:
    """Counts opposing changes of luminance over the frames of a film; two of them make a flash.

    Attributes:
        worst: most flashes in any second so far; half a flash is a single change.
    """

    def __init__(self, rate: Fraction):
        self._second = round(rate)  # frames
        self._low = self._high = 0.0  # extremes of the luminance since the last change
        self._rising: bool | None = None  # the direction of the last change; None before the first
        self._changes: deque[int] = deque()  # frame numbers of the changes within the last second
        self._index = -1
        self.worst = 0.0

    def would_change(self, level: float) -> bool:
        """Tell whether a next picture of this luminance would complete a change opposite to the last one."""
        if self._index < 0:
            return False
        up = self._rising is not True and level - self._low >= SWING and self._low < DARK
        down = self._rising is not False and self._high - level >= SWING and level < DARK
        return up or down

    def may_change(self) -> bool:
        """Tell whether the next picture may complete a change without making a fourth flash within a second."""
        recent = [k for k in self._changes if k > self._index + 1 - self._second]
        return len(recent) < 2 * MOST

    def steady_range(self) -> tuple[float, float]:
        """Return the lowest and highest luminance of a next picture that completes no change."""
        return self._high - ALLOWED_SWING * SWING, self._low + ALLOWED_SWING * SWING

    def add(self, level: float) -> None:
        """Count the next picture, of this luminance."""
        changes = self.would_change(level)
        self._index += 1
        if changes:
            self._rising = level - self._low >= SWING and self._rising is not True
            self._changes.append(self._index)
        self._update_extremes(level, restart=changes or self._index == 0)
        while self._changes and self._changes[0] <= self._index - self._second:
            self._changes.popleft()
        self.worst = max(self.worst, len(self._changes) / 2)

    def _update_extremes(self, level: float, restart: bool) -> None:
        if restart:
            self._low = self._high = level
        elif self._rising is None:
            self._low, self._high = min(self._low, level), max(self._high, level)
        elif self._rising:  # the next change falls from the highest level
            self._low = self._high = max(self._high, level)
        else:
            self._low = self._high = min(self._low, level)


def worst_second(levels: Sequence[float], rate: Fraction) -> float:
    """Return how many flashes fall into the worst second of a film, from the luminance of each of its pictures."""
    counter = FlashCounter(rate)
    for level in levels:
        counter.add(level)
    return counter.worst


class FlashLimiter:
    """Darkens or brightens each picture that would make a fourth flash within a second, until it makes none.

    Attributes:
        held: number of pictures that were changed.
    """

    def __init__(self, rate: Fraction):
        self._counter = FlashCounter(rate)
        self.held = 0

    def __call__(self, picture: Tensor) -> Tensor:
        """Return the next picture, RGB in [0, 1], (3, H, W), with its exposure changed where that is needed."""
        level = luminance(picture)
        if self._counter.would_change(level) and not self._counter.may_change():
            low, high = self._counter.steady_range()
            picture = _expose_to(picture, high if level > high else low)
            level = luminance(picture)
            self.held += 1
        self._counter.add(level)
        return picture


def _expose_to(picture: Tensor, level: float) -> Tensor:
    """Return a picture darkened towards black, or brightened towards white, until it has a luminance (bisection)."""
    darken = luminance(picture) > level
    low, high = 0.0, 1.0
    for _ in range(BISECTIONS):
        amount = (low + high) / 2
        found = luminance(_expose(picture, amount, darken))
        if (found > level) == darken:
            low = amount
        else:
            high = amount
    return _expose(picture, high, darken)


def _expose(picture: Tensor, amount: float, darken: bool) -> Tensor:
    """Mix a picture with black or white: 0 leaves it as it is, 1 leaves nothing of it."""
    return picture * (1 - amount) if darken else 1 - (1 - picture) * (1 - amount)
