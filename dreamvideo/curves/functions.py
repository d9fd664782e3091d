"""The functions that an expression may call."""

from __future__ import annotations

import ast
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from . import expressions
from .timeline import Timeline, Values

# What an expression may call, all over every point of the timeline at once: Values in, Values out.


def clamp(x: Values, low: Values, high: Values) -> Values:
    """X, held between low and high."""
    return np.minimum(np.maximum(x, low), high)


def mix(a: Values, b: Values, x: Values) -> Values:
    """From a to b as x goes from 0 to 1."""
    return a + (b - a) * x


def remap(x: Values, a: Values, b: Values, c: Values, d: Values) -> Values:
    """C to d as x goes from a to b, held there beyond."""
    return mix(c, d, clamp((x - a) / (b - a), np.zeros(1), np.ones(1)))


def smooth(x: Values) -> Values:
    """0 to 1 as x goes from 0 to 1, starting and ending gently."""
    x = np.clip(x, 0, 1)
    return x * x * (3 - 2 * x)


def sine(x: Values) -> Values:
    """A wave between 0 and 1 as x counts its cycles: 0 at whole numbers."""
    return (1 - np.cos(2 * np.pi * x)) / 2


def triangle(x: Values) -> Values:
    """The same in straight lines."""
    return 1 - np.abs(2 * (x % 1) - 1)


def saw(x: Values) -> Values:
    """From 0 to 1 in every cycle of x."""
    return x % 1


def square(x: Values) -> Values:
    """1 in the first half of every cycle of x, 0 in the second."""
    return (x % 1 < 0.5).astype(float)


def noise(x: Values) -> Values:
    """Wander between 0 and 1, to a new place with every whole number that x passes, always the same way."""
    low = np.floor(x)
    return mix(_hashed(low), _hashed(low + 1), smooth(x - low))


def _hashed(number: Values) -> Values:
    return np.abs(np.sin(number * 12.9898 + 78.233) * 43758.5453) % 1


def pulse(timeline: Timeline, x: Values, decay: float = 0.3) -> Values:
    """Jump to 1 whenever x passes a whole number, and fall off again: to a third in `decay` seconds."""
    t = timeline.t
    whole = np.floor(x + 1e-9)
    passed = np.flatnonzero(np.diff(whole) > 0) + 1
    starts = x[0] >= 0 and abs(x[0] - np.rint(x[0])) < 1e-6
    before = (x[passed] - whole[passed]) / np.maximum(x[passed] - x[passed - 1], 1e-12)  # share of a point's time
    moments = np.concatenate([t[:1] if starts else [], t[passed] - before * (t[passed] - t[passed - 1])])
    if not len(moments):
        return np.zeros_like(t)
    last = np.searchsorted(moments, t + 1e-9, side="right") - 1
    since = np.where(last >= 0, t - moments[np.maximum(last, 0)], np.inf)
    return np.exp(-np.maximum(since, 0) / max(decay, 1e-6))


def follow(timeline: Timeline, x: Values, attack: float = 0.02, release: float = 0.3) -> Values:
    """X, smoothed: rising within about `attack` seconds, falling within `release`."""
    step = float(timeline.t[1] - timeline.t[0])
    up, down = (1 - math.exp(-step / max(s, 1e-6)) for s in (attack, release))
    out, level = np.empty_like(x), float(x[0])
    for i, value in enumerate(x.tolist()):
        level += (value - level) * (up if value > level else down)
        out[i] = level
    return out


def _least(*values: Values) -> Values:
    return np.minimum.reduce(np.broadcast_arrays(*values))


def _most(*values: Values) -> Values:
    return np.maximum.reduce(np.broadcast_arrays(*values))


IMPLEMENTATIONS: dict[str, Callable[..., Values]] = {
    "sin": np.sin, "cos": np.cos, "abs": np.abs, "sqrt": np.sqrt, "exp": np.exp, "floor": np.floor, "ceil": np.ceil,
    "min": _least, "max": _most, "clamp": clamp, "mix": mix, "map": remap, "smooth": smooth, "sine": sine,
    "triangle": triangle, "saw": saw, "square": square, "noise": noise, "pulse": pulse, "follow": follow,
}  # fmt: skip
TIMED = {name: named for name, (_, _, named) in expressions.FUNCTIONS.items() if named}  # these see the timeline
OPERATORS: dict[type, Callable[..., Any]] = {
    ast.Add: np.add, ast.Sub: np.subtract, ast.Mult: np.multiply, ast.Div: np.divide, ast.Mod: np.mod,
    ast.Pow: np.power, ast.FloorDiv: np.floor_divide, ast.USub: np.negative, ast.UAdd: np.positive,
    ast.Lt: np.less, ast.LtE: np.less_equal, ast.Gt: np.greater, ast.GtE: np.greater_equal, ast.Eq: np.equal,
    ast.NotEq: np.not_equal,
}  # fmt: skip
