"""The temporal error: how much a picture differs from the previous one warped onto it; and the seam of a loop."""

from __future__ import annotations

import math
from collections.abc import Sequence

from torch import Tensor

from .flow import Motion
from .warp import warp

SURE = 0.9  # flow confidence above which a pixel counts


def temporal_error(current: Tensor, previous: Tensor, motion: Motion) -> float:
    """Return the mean absolute difference between a picture and the previous one warped onto it.

    Only pixels whose flow confidence is above `SURE` count.

    Args:
        current, previous: RGB in [0, 1], (3, H, W).
        motion: from `previous` to `current`.

    Returns:
        The error; NaN where no pixel is confident.

    Source: the temporal loss of Ruder, Dosovitskiy & Brox 2016, per channel and pixel.
    """
    sure = (motion.confidence > SURE).to(current)
    if not sure.any():
        return math.nan
    difference = (current - warp(previous, motion.flow)).abs().mean(0, keepdim=True)
    return float((sure * difference).sum() / sure.sum())


def seam_error(last_to_first: float, others: Sequence[float]) -> float:
    """Return a loop's temporal error from its last frame to its first, relative to the median over its other frames."""
    known = sorted(error for error in others if not math.isnan(error))
    return last_to_first / max(known[len(known) // 2], 1e-9) if known else math.nan


class LoopErrors:
    """Collects the temporal errors of a loop's frames, picture by picture, to measure its seam."""

    def __init__(self) -> None:
        self._first: tuple[Tensor, Motion] | None = None
        self._last: Tensor | None = None
        self._errors: list[float] = []

    def add(self, picture: Tensor, motion: Motion) -> None:
        """Take the next picture, (3, H, W), and the motion from the previous one; for the first, from the last."""
        picture = picture.cpu()
        if self._first is None or self._last is None:
            self._first = picture, motion
        else:
            self._errors.append(temporal_error(picture, self._last, motion))
        self._last = picture

    @property
    def seam(self) -> float:
        """The error from the last frame to the first over the median of the others; NaN before any picture."""
        if self._first is None or self._last is None:
            return math.nan
        return seam_error(temporal_error(self._first[0], self._last, self._first[1]), self._errors)
