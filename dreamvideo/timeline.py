"""Time: the moments of a film, what is heard at them, and what curves are worth there."""

from __future__ import annotations

import ast
import itertools
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import schedule
from .errors import RecipeError
from .schedule import CLOCK, COUNTERS, Curve

Values = NDArray[np.float64]

LONGEST_CHAIN = 30  # curves that stand one on another
FINE = 240  # points a second, at least, at which curves are known: a beat is met to 4 ms at any frame rate


@dataclass(frozen=True)
class Sound:
    """What is heard, as plain data.

    Attributes:
        rate: points a second of the levels.
        levels: each of `LEVELS` in [0, 1], all of one length.
        beats, bars, onsets: when they fall, s, rising.
        tempo: beats per minute.
        wave: the loudest sample of every point of the levels, in [0, 1], for drawing.
    """

    rate: float
    levels: Mapping[str, Values]
    beats: Values
    bars: Values
    onsets: Values
    tempo: float
    wave: Values


@dataclass(frozen=True)
class Timeline:
    """The moments of a film, and what curves can ask at them.

    Attributes:
        rate: frames per second.
        count: frames.
        sound: what is heard meanwhile, if anything.
        bpm: a tempo that counts instead of the sound's, 0 for none; beat 0 falls on 0 s, four beats make a bar.
        still: whether the film is made of a still.
        rests: frames for which the camera stands still, at the beginning.
        begins: seconds into the source at which its first frame stands.
    """

    rate: Fraction
    count: int
    sound: Sound | None = None
    bpm: float = 0.0
    still: bool = False
    rests: int = 0
    begins: Fraction = Fraction(0)
    _names: dict[str, Values] = field(default_factory=dict, repr=False, compare=False)

    @cached_property
    def fine(self) -> int:
        """Points per frame."""
        return max(math.ceil(FINE / self.rate), 1)

    @cached_property
    def t(self) -> Values:
        """Seconds at every point: `fine` to a frame, and one more where the last frame ends."""
        return np.arange(self.count * self.fine + 1, dtype=np.float64) / float(self.rate * self.fine)

    @property
    def length(self) -> float:
        """Seconds from the first frame to the end of the last."""
        return float(self.count / self.rate)

    def __getitem__(self, name: str) -> Values:
        """Return what a name means at every point.

        Raises:
            RecipeError: there is no sound to know it from.
        """
        if name not in self._names:
            self._names[name] = np.broadcast_to(self._of(name), self.t.shape)
        return self._names[name]

    def _of(self, name: str) -> Any:
        if name in CLOCK:
            n = np.floor(self.t * float(self.rate) + 1e-6)
            known = {"t": self.t, "n": n, "fps": float(self.rate), "length": self.length, "still": float(self.still)}
            return known[name]
        if name in COUNTERS:
            return _counted(self.moments(name), self.t)
        if self.sound is None:
            raise RecipeError(f"{name} is known from sound: give --music song.mp3, or --music source")
        level = self.sound.levels[name]
        return np.interp(self.t, np.arange(len(level)) / self.sound.rate, level, right=0.0)

    def moments(self, counter: str) -> Values:
        """Return when beats, bars or onsets fall, s.

        Raises:
            RecipeError: there is neither sound nor a tempo to know it from.
        """
        if self.bpm and counter != "onset":
            return np.arange(0, self.length + 60, 60 / self.bpm * (4 if counter == "bar" else 1))
        if self.sound is None:
            hint = "" if counter == "onset" else ", or --bpm 120"
            raise RecipeError(f"{counter} is known from sound: give --music song.mp3, or --music source{hint}")
        return {"beat": self.sound.beats, "bar": self.sound.bars, "onset": self.sound.onsets}[counter]

    def seconds(self, moment: str) -> float:
        """Return the seconds of a written moment: 4s, 1.5s, 1:30, 25%, 8 beats, 2 bars.

        Raises:
            RecipeError: it is none of these, or counts beats where none are known.
        """
        number, unit = schedule.moment(moment)
        if unit in ("beat", "bar"):
            return float(_counted_back(self.moments(unit), number))
        return number * self.length / 100 if unit == "%" else number


def _counted(moments: Values, t: Values) -> Values:
    """Count moments: a whole number at each, straight lines between and beyond; −1, none yet, where there is none."""
    if len(moments) < 2:
        return (t >= moments[0]).astype(float) - 1 if len(moments) else np.full_like(t, -1.0)
    return np.interp(t, *_extended(moments))


def _counted_back(moments: Values, number: float) -> float:
    if len(moments) < 2:
        return float(moments[0]) if len(moments) else 0.0
    times, counts = _extended(moments)
    return float(np.interp(number, counts, times))


def _extended(moments: Values) -> tuple[Values, Values]:
    """Return moments and their counts, carried on at both ends at the pace found there."""
    far = 100_000
    first, last = moments[1] - moments[0], moments[-1] - moments[-2]
    times = np.concatenate([[moments[0] - far * first], moments, [moments[-1] + far * last]])
    counts = np.concatenate([[-far], np.arange(len(moments)), [len(moments) - 1 + far]])
    return times, counts.astype(float)


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


FUNCTIONS: dict[str, Callable[..., Values]] = {
    "sin": np.sin, "cos": np.cos, "abs": np.abs, "sqrt": np.sqrt, "exp": np.exp, "floor": np.floor, "ceil": np.ceil,
    "min": _least, "max": _most, "clamp": clamp, "mix": mix, "map": remap, "smooth": smooth, "sine": sine,
    "triangle": triangle, "saw": saw, "square": square, "noise": noise, "pulse": pulse, "follow": follow,
}  # fmt: skip
TIMED = {name: named for name, (_, _, named) in schedule.FUNCTIONS.items() if named}  # these see the timeline
OPERATORS: dict[type, Callable[..., Any]] = {
    ast.Add: np.add, ast.Sub: np.subtract, ast.Mult: np.multiply, ast.Div: np.divide, ast.Mod: np.mod,
    ast.Pow: np.power, ast.FloorDiv: np.floor_divide, ast.USub: np.negative, ast.UAdd: np.positive,
    ast.Lt: np.less, ast.LtE: np.less_equal, ast.Gt: np.greater, ast.GtE: np.greater_equal, ast.Eq: np.equal,
    ast.NotEq: np.not_equal,
}  # fmt: skip


class Curves:
    """Named curves over one timeline: what a recipe's own `[curves]` are called, they can be used by in others.

    Raises:
        RecipeError: a name that means something already, or curves that lead back to themselves.
    """

    def __init__(self, timeline: Timeline, named: Mapping[str, Curve] | None = None):
        self.timeline, self.named = timeline, dict(named or {})
        self._open: list[str] = []
        self._known: dict[str, Values] = {}
        schedule.check_names(self.named)

    def values(self, curve: Curve) -> Values:
        """Return a curve at every point of the timeline.

        Raises:
            RecipeError: it cannot be read, or is no finite number somewhere.
        """
        try:
            with np.errstate(all="ignore"):
                values = np.asarray(self._values(curve), float)
        except RecursionError:
            raise RecipeError(f"{schedule.short(curve)} stands on too much: let it hold less") from None
        values = np.broadcast_to(values, self.timeline.t.shape)
        if not np.isfinite(values).all():
            at = float(self.timeline.t[np.flatnonzero(~np.isfinite(values))[0]])
            raise RecipeError(f"{schedule.short(curve)} is no number at {at:.3g} s: keep divisions and powers in range")
        return values

    def _values(self, curve: Curve) -> Any:
        if isinstance(curve, dict):
            return self._keyframes(curve)
        return self._value(schedule.parse(curve, self.named)) if isinstance(curve, str) else float(curve)

    def _keyframes(self, keyframes: dict[str, Any]) -> Values:
        points = schedule.read_keyframes(keyframes)
        times = [self.timeline.seconds(moment) for moment, _, _ in points]
        for (moment, _, _), (before, after) in zip(points[1:], itertools.pairwise(times), strict=True):
            if after <= before:
                raise RecipeError(
                    f"the keyframe {moment} of {schedule.short(keyframes)} is out of order: it falls on {after:.3g} s, "
                    f"the one before on {before:.3g} s"
                )
        values = [value for _, value, _ in points]
        t = self.timeline.t
        out = np.full(t.shape, values[0])
        begins = np.searchsorted(t, np.asarray(times) - 1e-9)
        out[begins[-1] :] = values[-1]
        for k, (_, value, ease) in enumerate(points[:-1]):
            here = slice(begins[k], begins[k + 1])
            share = np.clip((t[here] - times[k]) / (times[k + 1] - times[k]), 0, 1)
            out[here] = value + (values[k + 1] - value) * _eased(share, ease)
        return out

    def _value(self, node: ast.AST) -> Any:  # noqa: PLR0911 - a case for every kind of node
        match node:
            case ast.Expression(body):
                return self._value(body)
            case ast.Constant(value):
                return np.float64(value)  # type: ignore[arg-type]
            case ast.Name(name):
                return self._named(name)
            case ast.BinOp(left, operator, right):
                return OPERATORS[type(operator)](self._value(left), self._value(right))
            case ast.UnaryOp(operator, operand):
                return OPERATORS[type(operator)](self._value(operand))
            case ast.Compare(left, [operator], [right]):
                return np.asarray(OPERATORS[type(operator)](self._value(left), self._value(right)), float)
            case ast.IfExp(test, body, other):
                return np.where(np.asarray(self._value(test)) != 0, self._value(body), self._value(other))
            case ast.Call(ast.Name(name), args, keywords):
                return self._call(name, args, keywords)
        raise AssertionError(node)  # parse lets nothing else in

    def _call(self, name: str, args: list[ast.expr], keywords: list[ast.keyword]) -> Values:
        values = [np.asarray(self._value(arg), float) for arg in args]
        if name not in TIMED:
            return FUNCTIONS[name](*values)
        numbers = dict(zip(TIMED[name], values[1:], strict=False))
        numbers |= {str(k.arg): np.asarray(self._value(k.value), float) for k in keywords}
        whole = np.broadcast_to(values[0], self.timeline.t.shape)
        return FUNCTIONS[name](self.timeline, whole, **{k: float(v.flat[0]) for k, v in numbers.items()})

    def _named(self, name: str) -> Any:
        if name == "pi":
            return np.float64(math.pi)
        if name not in self.named:
            return self.timeline[name]
        if len(self._open) > LONGEST_CHAIN:
            raise RecipeError(f"the curve {self._open[0]} stands on more than {LONGEST_CHAIN} others: use fewer")
        if name in self._open:
            raise RecipeError(f"the curve {name} leads back to itself: {' → '.join([*self._open, name])}")
        if name not in self._known:
            self._open.append(name)
            try:
                self._known[name] = self._values(self.named[name])
            finally:
                self._open.pop()
        return self._known[name]


def _eased(share: Values, ease: str) -> Values:
    """Return how far a keyframe's value has gone to the next when so much of the time between has."""
    if ease == "linear":
        return share
    if ease == "smooth":
        return smooth(share)
    if (found := schedule.handles(ease)) is None:
        return np.where(share < 1, 0.0, 1.0)  # held
    s = np.linspace(0, 1, 1001)  # as CSS does: a cubic from (0, 0) to (1, 1) by two handles
    x1, y1, x2, y2 = found
    x, y = (3 * (1 - s) ** 2 * s * a + 3 * (1 - s) * s**2 * b + s**3 for a, b in ((x1, x2), (y1, y2)))
    return np.interp(share, x, y)
