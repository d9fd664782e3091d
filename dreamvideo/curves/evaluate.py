"""Curves evaluated at every point of a timeline: expressions by walking their syntax tree."""

from __future__ import annotations

import ast
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from ..errors import RecipeError
from .expressions import Curve, check_names, parse_expression, quoted_curve
from .functions import IMPLEMENTATIONS, OPERATORS, TIMED
from .interpolate import interpolate
from .timeline import Timeline, Values

MAX_DEPTH = 30  # named curves that may depend on one another in a chain


class CurveEvaluator:
    """Evaluates curves on one timeline; each named curve is evaluated once, when it is first used.

    Args:
        timeline: the points in time at which curves are evaluated.
        named: the recipe's own curves, which other curves may use.

    Raises:
        RecipeError: a name is not allowed.
    """

    def __init__(self, timeline: Timeline, named: Mapping[str, Curve] | None = None):
        self.timeline, self.named = timeline, dict(named or {})
        self._in_progress: list[str] = []  # named curves that are being evaluated, outermost first
        self._results: dict[str, Values] = {}
        check_names(self.named)

    def values(self, curve: Curve) -> Values:
        """Return a curve at every point of the timeline.

        Raises:
            RecipeError: the curve cannot be read, depends on itself, or is not a finite number somewhere.
        """
        try:
            with np.errstate(all="ignore"):
                values = np.asarray(self._curve(curve), float)
        except RecursionError:
            raise RecipeError(f"the curve {quoted_curve(curve)} is nested too deeply: simplify it") from None
        values = np.broadcast_to(values, self.timeline.t.shape)
        if not np.isfinite(values).all():
            at = float(self.timeline.t[np.flatnonzero(~np.isfinite(values))[0]])
            raise RecipeError(
                f"the curve {quoted_curve(curve)} is not a finite number at {at:.3g} s: "
                "avoid division by zero, roots of negative numbers and huge powers"
            )
        return values

    def _curve(self, curve: Curve) -> Any:
        if isinstance(curve, dict):
            return interpolate(curve, self.timeline)
        return self._node(parse_expression(curve, self.named)) if isinstance(curve, str) else float(curve)

    def _node(self, node: ast.AST) -> Any:  # noqa: PLR0911 - one case for each kind of node
        match node:
            case ast.Expression(body):
                return self._node(body)
            case ast.Constant(value):
                return np.float64(value)  # type: ignore[arg-type]
            case ast.Name(name):
                return self._name(name)
            case ast.BinOp(left, operator, right):
                return OPERATORS[type(operator)](self._node(left), self._node(right))
            case ast.UnaryOp(operator, operand):
                return OPERATORS[type(operator)](self._node(operand))
            case ast.Compare(left, [operator], [right]):
                return np.asarray(OPERATORS[type(operator)](self._node(left), self._node(right)), float)
            case ast.IfExp(test, body, other):
                return np.where(np.asarray(self._node(test)) != 0, self._node(body), self._node(other))
            case ast.Call(ast.Name(name), args, keywords):
                return self._call(name, args, keywords)
        raise AssertionError(node)  # parse_expression refuses everything else

    def _call(self, name: str, args: list[ast.expr], keywords: list[ast.keyword]) -> Values:
        values = [np.asarray(self._node(arg), float) for arg in args]
        if name not in TIMED:
            return IMPLEMENTATIONS[name](*values)
        options = dict(zip(TIMED[name], values[1:], strict=False))
        options |= {str(k.arg): np.asarray(self._node(k.value), float) for k in keywords}
        x = np.broadcast_to(values[0], self.timeline.t.shape)
        return IMPLEMENTATIONS[name](self.timeline, x, **{k: float(v.flat[0]) for k, v in options.items()})

    def _name(self, name: str) -> Any:
        if name == "pi":
            return np.float64(math.pi)
        if name not in self.named:
            return self.timeline[name]
        if len(self._in_progress) > MAX_DEPTH:
            raise RecipeError(f"the curve {self._in_progress[0]} depends on more than {MAX_DEPTH} others: use fewer")
        if name in self._in_progress:
            cycle = " → ".join([*self._in_progress, name])
            raise RecipeError(f"the curve {name} depends on itself: {cycle}; remove one of these references")
        if name not in self._results:
            self._in_progress.append(name)
            try:
                self._results[name] = self._curve(self.named[name])
            finally:
                self._in_progress.pop()
        return self._results[name]
