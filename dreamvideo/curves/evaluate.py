"""Evaluates expressions and keyframes at every point of a timeline."""

from __future__ import annotations

import ast
import itertools
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from ..errors import RecipeError
from . import expressions, keyframes
from .expressions import Curve
from .functions import IMPLEMENTATIONS, OPERATORS, TIMED, smooth
from .keyframes import read_keyframes
from .timeline import Timeline, Values

LONGEST_CHAIN = 30  # curves that stand one on another


class CurveEvaluator:
    """Named curves over one timeline: what a recipe's own `[curves]` are called, they can be used by in others.

    Raises:
        RecipeError: a name that means something already, or curves that lead back to themselves.
    """

    def __init__(self, timeline: Timeline, named: Mapping[str, Curve] | None = None):
        self.timeline, self.named = timeline, dict(named or {})
        self._open: list[str] = []
        self._known: dict[str, Values] = {}
        expressions.check_names(self.named)

    def values(self, curve: Curve) -> Values:
        """Return a curve at every point of the timeline.

        Raises:
            RecipeError: it cannot be read, or is no finite number somewhere.
        """
        try:
            with np.errstate(all="ignore"):
                values = np.asarray(self._values(curve), float)
        except RecursionError:
            raise RecipeError(f"{expressions.quoted_curve(curve)} stands on too much: let it hold less") from None
        values = np.broadcast_to(values, self.timeline.t.shape)
        if not np.isfinite(values).all():
            at = float(self.timeline.t[np.flatnonzero(~np.isfinite(values))[0]])
            raise RecipeError(
                f"{expressions.quoted_curve(curve)} is no number at {at:.3g} s: keep divisions and powers in range"
            )
        return values

    def _values(self, curve: Curve) -> Any:
        if isinstance(curve, dict):
            return self._keyframes(curve)
        return self._value(expressions.parse_expression(curve, self.named)) if isinstance(curve, str) else float(curve)

    def _keyframes(self, keyframes: dict[str, Any]) -> Values:
        points = read_keyframes(keyframes)
        times = [self.timeline.seconds(moment) for moment, _, _ in points]
        for (moment, _, _), (before, after) in zip(points[1:], itertools.pairwise(times), strict=True):
            if after <= before:
                raise RecipeError(
                    f"the keyframe {moment} of {expressions.quoted_curve(keyframes)} is out of order: it falls on "
                    f"{after:.3g} s, the one before on {before:.3g} s"
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
            return IMPLEMENTATIONS[name](*values)
        numbers = dict(zip(TIMED[name], values[1:], strict=False))
        numbers |= {str(k.arg): np.asarray(self._value(k.value), float) for k in keywords}
        whole = np.broadcast_to(values[0], self.timeline.t.shape)
        return IMPLEMENTATIONS[name](self.timeline, whole, **{k: float(v.flat[0]) for k, v in numbers.items()})

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
    if (found := keyframes.bezier_handles(ease)) is None:
        return np.where(share < 1, 0.0, 1.0)  # held
    s = np.linspace(0, 1, 1001)  # as CSS does: a cubic from (0, 0) to (1, 1) by two handles
    x1, y1, x2, y2 = found
    x, y = (3 * (1 - s) ** 2 * s * a + 3 * (1 - s) * s**2 * b + s**3 for a, b in ((x1, x2), (y1, y2)))
    return np.interp(share, x, y)
