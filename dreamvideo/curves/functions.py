"""The functions and operators of curve expressions: `smooth`, `noise`, `pulse`, `follow` and the others, in NumPy."""

from __future__ import annotations

import ast
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from . import expressions
from .timeline import Timeline, Values

# Every function takes and returns its values at all points of the timeline at once.


def clamp(x: Values, low: Values, high: Values) -> Values:
    """Return x, limited to the range from low to high."""
    return np.minimum(np.maximum(x, low), high)


def mix(a: Values, b: Values, x: Values) -> Values:
    """Interpolate linearly: a where x is 0, b where x is 1."""
    return a + (b - a) * x


def remap(x: Values, a: Values, b: Values, c: Values, d: Values) -> Values:
    """Map the range a … b of x linearly to c … d; beyond it the result stays at c or d."""
    return mix(c, d, clamp((x - a) / (b - a), np.zeros(1), np.ones(1)))


def smoothstep(x: Any) -> Any:
    """Rise from 0 to 1 as x goes from 0 to 1, with slope 0 at both ends: 3x² − 2x³; 0 below, 1 above.

    Takes a number, an array or a tensor; the latter two keep their dtype.
    """
    x = x.clip(0, 1) if hasattr(x, "clip") else np.clip(x, 0, 1)
    return x * x * (3 - 2 * x)


smooth = smoothstep  # its name in expressions and keyframes


def sine(x: Values) -> Values:
    """Return a sine wave from 0 to 1 with one cycle per unit of x: 0 at whole numbers, 1 halfway."""
    return (1 - np.cos(2 * np.pi * x)) / 2


def triangle(x: Values) -> Values:
    """Return a triangle wave from 0 to 1 with one cycle per unit of x: 0 at whole numbers, 1 halfway."""
    return 1 - np.abs(2 * (x % 1) - 1)


def saw(x: Values) -> Values:
    """Return a sawtooth wave: it rises from 0 to 1 in every unit of x."""
    return x % 1


def square(x: Values) -> Values:
    """Return a square wave: 1 in the first half of every unit of x, 0 in the second."""
    return (x % 1 < 0.5).astype(float)


def noise(x: Values) -> Values:
    """Return value noise from 0 to 1: a fixed pseudo-random value at every whole x, smoothly interpolated between."""
    low = np.floor(x)
    return mix(_hash(low), _hash(low + 1), smoothstep(x - low))


def _hash(number: Values) -> Values:
    """Return a pseudo-random value in [0, 1) for each number, always the same one."""
    return np.abs(np.sin(number * 12.9898 + 78.233) * 43758.5453) % 1


def pulse(timeline: Timeline, x: Values, decay: float = 0.3) -> Values:
    """Jump to 1 whenever x passes a whole number, then decay exponentially: to 1/e after `decay` seconds."""
    moments = _passing_times(timeline.t, x)
    if not len(moments):
        return np.zeros_like(timeline.t)
    last = np.searchsorted(moments, timeline.t + 1e-9, side="right") - 1
    since = np.where(last >= 0, timeline.t - moments[np.maximum(last, 0)], np.inf)
    return np.exp(-np.maximum(since, 0) / max(decay, 1e-6))


def _passing_times(t: Values, x: Values) -> Values:
    """Return the times at which x rises past a whole number, linearly interpolated between the points."""
    whole = np.floor(x + 1e-9)
    passed = np.flatnonzero(np.diff(whole) > 0) + 1
    starts = x[0] >= 0 and abs(x[0] - np.rint(x[0])) < 1e-6
    before = (x[passed] - whole[passed]) / np.maximum(x[passed] - x[passed - 1], 1e-12)  # as a share of an interval
    return np.concatenate([t[:1] if starts else [], t[passed] - before * (t[passed] - t[passed - 1])])


def follow(timeline: Timeline, x: Values, attack: float = 0.02, release: float = 0.3) -> Values:
    """Follow x as an envelope follower does: rise towards it within `attack` seconds, fall within `release`.

    Both are the time constants of an exponential.
    """
    step = float(timeline.t[1] - timeline.t[0])
    up, down = (1 - math.exp(-step / max(s, 1e-6)) for s in (attack, release))
    out, level = np.empty_like(x), float(x[0])
    for i, value in enumerate(x.tolist()):
        level += (value - level) * (up if value > level else down)
        out[i] = level
    return out


def minimum(*values: Values) -> Values:
    """Return the smallest of some values, point by point."""
    return np.minimum.reduce(np.broadcast_arrays(*values))


def maximum(*values: Values) -> Values:
    """Return the largest of some values, point by point."""
    return np.maximum.reduce(np.broadcast_arrays(*values))


IMPLEMENTATIONS: dict[str, Callable[..., Values]] = {
    "sin": np.sin, "cos": np.cos, "abs": np.abs, "sqrt": np.sqrt, "exp": np.exp, "floor": np.floor, "ceil": np.ceil,
    "min": minimum, "max": maximum, "clamp": clamp, "mix": mix, "map": remap, "smooth": smooth, "sine": sine,
    "triangle": triangle, "saw": saw, "square": square, "noise": noise, "pulse": pulse, "follow": follow,
}  # fmt: skip
# The functions that also take the timeline, and the names of their optional arguments.
TIMED = {name: named for name, (_, _, named) in expressions.FUNCTIONS.items() if named}
OPERATORS: dict[type, Callable[..., Any]] = {
    ast.Add: np.add, ast.Sub: np.subtract, ast.Mult: np.multiply, ast.Div: np.divide, ast.Mod: np.mod,
    ast.Pow: np.power, ast.FloorDiv: np.floor_divide, ast.USub: np.negative, ast.UAdd: np.positive,
    ast.Lt: np.less, ast.LtE: np.less_equal, ast.Gt: np.greater, ast.GtE: np.greater_equal, ast.Eq: np.equal,
    ast.NotEq: np.not_equal,
}  # fmt: skip
