"""Keyframes evaluated at every point of a timeline."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

from ..errors import RecipeError
from .expressions import quoted_curve
from .functions import smooth
from .keyframes import bezier_handles, read_keyframes
from .timeline import Timeline, Values


def interpolate(keyframes: dict[str, Any], timeline: Timeline) -> Values:
    """Return the values of keyframes at every point of a timeline; before the first and after the last they are held.

    Raises:
        RecipeError: the keyframes cannot be read, or are not in order on this timeline.
    """
    points = read_keyframes(keyframes)
    times = [timeline.seconds(moment) for moment, _, _ in points]
    for (moment, _, _), (before, after) in zip(points[1:], itertools.pairwise(times), strict=True):
        if after <= before:
            raise RecipeError(
                f"the keyframe {moment} of {quoted_curve(keyframes)} is out of order: it is at {after:.3g} s, "
                f"the one before it at {before:.3g} s"
            )
    values = [value for _, value, _ in points]
    t = timeline.t
    out = np.full(t.shape, values[0])
    begins = np.searchsorted(t, np.asarray(times) - 1e-9)
    out[begins[-1] :] = values[-1]
    for k, (_, value, ease) in enumerate(points[:-1]):
        here = slice(begins[k], begins[k + 1])
        progress = np.clip((t[here] - times[k]) / (times[k + 1] - times[k]), 0, 1)
        out[here] = value + (values[k + 1] - value) * _eased(progress, ease)
    return out


def _eased(progress: Values, ease: str) -> Values:
    """Return the progress in value, 0 … 1, for the progress in time between two keyframes."""
    if ease == "linear":
        return progress
    if ease == "smooth":
        return smooth(progress)
    if (handles := bezier_handles(ease)) is None:
        return np.where(progress < 1, 0.0, 1.0)  # hold
    s = np.linspace(0, 1, 1001)  # as in CSS: a cubic Bézier curve from (0, 0) to (1, 1) with two handles
    x1, y1, x2, y2 = handles
    x, y = (3 * (1 - s) ** 2 * s * a + 3 * (1 - s) * s**2 * b + s**3 for a, b in ((x1, x2), (y1, y2)))
    return np.interp(progress, x, y)
