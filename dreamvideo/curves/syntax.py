"""Curves as users write them: a number, an expression, or keyframes.

0.01 + 0.02 * pulse(beat)                       an expression
{0s = 0.005, "1:30" = 0.02, "100%" = 0.005}     keyframes
"""

from __future__ import annotations

import ast
from collections.abc import Iterable

from ..errors import RecipeError, shortened
from .expressions import COUNTERS, Curve, is_number, parse_expression
from .keyframes import parse_moment, read_keyframes
from .toml import read_toml


def check(curve: Curve, named: Iterable[str] = ()) -> None:
    """Check the syntax of a curve, whatever timeline it will be read against.

    Args:
        curve: a number, an expression or keyframes.
        named: names of the recipe's own curves.

    Raises:
        RecipeError: it is not an expression, uses an unknown name or function, or has bad keyframes.
    """
    if isinstance(curve, dict):
        read_keyframes(curve)
    elif isinstance(curve, str):
        parse_expression(curve, named)
    elif not is_number(curve):
        raise RecipeError(f"{shortened(curve)} is not a finite number: give one from -1e300 to 1e300")


def names_used(curve: Curve, named: Iterable[str] = ()) -> set[str]:
    """Return the names in an expression, or the counters (beat, bar) in the moments of keyframes."""
    if isinstance(curve, dict):
        return {unit for moment, _, _ in read_keyframes(curve) if (unit := parse_moment(moment)[1]) in COUNTERS}
    nodes = ast.walk(parse_expression(curve, named)) if isinstance(curve, str) else ()
    return {node.id for node in nodes if isinstance(node, ast.Name)}


def fixed_values(curve: Curve) -> list[float]:
    """Return the values of a curve that are known without a timeline: the number, or those of the keyframes."""
    if isinstance(curve, dict):
        return [value for _, value, _ in read_keyframes(curve)]
    return [] if isinstance(curve, str) else [curve]


def read_curve(text: str) -> Curve:
    """Return the curve that a flag's text means: a number, keyframes in braces, or else an expression, unchecked.

    Raises:
        RecipeError: the text in braces is not valid TOML.
    """
    try:
        return float(text)
    except ValueError:
        pass
    if not text.strip().startswith("{"):
        return text
    try:
        return dict(read_toml(f"v = {text}")["v"])
    except ValueError as error:
        raise RecipeError(
            f"cannot read the keyframes {shortened(text)}: write {{0s = 1, 4s = 2, ease = 'smooth'}}"
        ) from error
