"""Flashes of the whole picture: counted, and held back where they come faster than eyes should be shown.

A flash is a pair of opposing changes of the picture's relative luminance by a tenth of full white or more, where the
darker side is below 0.8; no more than three of them may fall into any second.

Source: ITU-R BT.1702 and WCAG 2.3.1, for the picture as a whole.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from fractions import Fraction

import torch
from torch import Tensor

from .composite import LUMA

SWING, DARK = 0.1, 0.8  # change of luminance that counts, and the level one side of it must lie below
MOST = 3  # flashes in any second
HELD = 0.9  # part of a swing that a held-back picture may still make
STEPS = 12  # halvings by which the right exposure is found


def luminance(picture: Tensor) -> float:
    """Return the relative luminance of a picture, sRGB in [0, 1], (3, H, W): its mean, 0 black to 1 white."""
    picture = picture[:, ::2, ::2].float()
    linear = torch.where(picture <= 0.04045, picture / 12.92, ((picture + 0.055) / 1.055) ** 2.4)
    red, green, blue = linear.mean((1, 2)).tolist()
    return LUMA[0] * red + LUMA[1] * green + LUMA[2] * blue


class FlashCounter:
    """Follows the luminance of a film's pictures and knows its opposing changes."""

    def __init__(self, rate: Fraction):
        self._second = round(rate)  # frames
        self._low = self._high = 0.0
        self._rising: bool | None = None
        self._changes: deque[int] = deque()
        self._index = -1
        self.worst = 0.0

    def would_change(self, level: float) -> bool:
        """Tell whether a picture of this luminance would complete a change opposite to the last one."""
        if self._index < 0:
            return False
        up = self._rising is not True and level - self._low >= SWING and self._low < DARK
        down = self._rising is not False and self._high - level >= SWING and level < DARK
        return up or down

    def room(self) -> bool:
        """Tell whether another change may come now without more than three flashes in a second."""
        recent = [k for k in self._changes if k > self._index + 1 - self._second]
        return len(recent) < 2 * MOST

    def bounds(self) -> tuple[float, float]:
        """Return the luminances between which the next picture makes no further change."""
        return self._high - HELD * SWING, self._low + HELD * SWING

    def add(self, level: float) -> None:
        """Take the luminance of the next picture."""
        changes = self.would_change(level)
        self._index += 1
        if self._index == 0:
            self._low = self._high = level
        elif changes:
            self._rising = level - self._low >= SWING and self._rising is not True
            self._low = self._high = level
            self._changes.append(self._index)
        elif self._rising is None:
            self._low, self._high = min(self._low, level), max(self._high, level)
        elif self._rising:
            self._high = max(self._high, level)
            self._low = self._high
        else:
            self._low = min(self._low, level)
            self._high = self._low
        while self._changes and self._changes[0] <= self._index - self._second:
            self._changes.popleft()
        self.worst = max(self.worst, len(self._changes) / 2)


def worst_second(levels: Sequence[float], rate: Fraction) -> float:
    """Return how many flashes fall into the worst second of a film, from the luminance of its pictures."""
    counter = FlashCounter(rate)
    for level in levels:
        counter.add(level)
    return counter.worst


class FlashLimiter:
    """Holds back what would be a fourth flash within a second: such a picture is darkened, or brightened, until it is
    none.

    Attributes:
        held: pictures that were changed.
    """

    def __init__(self, rate: Fraction):
        self._counter = FlashCounter(rate)
        self.held = 0

    def __call__(self, picture: Tensor) -> Tensor:
        """Return the next picture, RGB in [0, 1], (3, H, W), as it may be shown."""
        level = luminance(picture)
        if self._counter.would_change(level) and not self._counter.room():
            low, high = self._counter.bounds()
            picture = _exposed(picture, high if level > high else low)
            level = luminance(picture)
            self.held += 1
        self._counter.add(level)
        return picture


def _exposed(picture: Tensor, level: float) -> Tensor:
    """Return a picture brought to a luminance: darkened towards black, or lightened towards white."""
    darker = luminance(picture) > level
    low, high = 0.0, 1.0
    for _ in range(STEPS):
        share = (low + high) / 2
        found = luminance(_mixed(picture, share, darker))
        if (found > level) == darker:
            low = share
        else:
            high = share
    return _mixed(picture, high, darker)


def _mixed(picture: Tensor, share: float, darker: bool) -> Tensor:
    return picture * (1 - share) if darker else 1 - (1 - picture) * (1 - share)
