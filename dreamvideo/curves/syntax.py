"""Curves as users write them: a number, an expression, or keyframes.

0.01 + 0.02 * pulse(beat)                       an expression
{0s = 0.005, "1:30" = 0.02, "100%" = 0.005}     keyframes
"""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterable
from typing import Any

from ..errors import RecipeError, shortened
from .expressions import COUNTERS, Curve, is_number, parse_expression
from .keyframes import moment, read_keyframes

MOST_TOML = 2**20  # characters
# a key of so many dotted parts takes tomllib time that grows with their square
DEEP = re.compile(r"""(?<![\w-])(?:(?:[\w-]++|"[^"\n]*+"|'[^'\n]*+')[ \t]*+\.[ \t]*+){16}""")


def check(curve: Curve, named: Iterable[str] = ()) -> None:
    """Refuse a curve that can never be read, whatever the timeline.

    Raises:
        RecipeError: no expression, an unknown name or function, bad keyframes.
    """
    if isinstance(curve, dict):
        read_keyframes(curve)
    elif isinstance(curve, str):
        parse_expression(curve, named)
    elif not is_number(curve):
        raise RecipeError(f"{shortened(curve)} is no finite number")


def names_used(curve: Curve, named: Iterable[str] = ()) -> set[str]:
    """Return the names that a curve asks for: those in its expression, or the counters its keyframes stand at."""
    if isinstance(curve, dict):
        return {unit for when, _, _ in read_keyframes(curve) if (unit := moment(when)[1]) in COUNTERS}
    nodes = ast.walk(parse_expression(curve, named)) if isinstance(curve, str) else ()
    return {node.id for node in nodes if isinstance(node, ast.Name)}


def fixed_values(curve: Curve) -> list[float]:
    """Return the numbers a curve surely takes on: itself, or its keyframes'; none of an expression."""
    if isinstance(curve, dict):
        return [value for _, value, _ in read_keyframes(curve)]
    return [] if isinstance(curve, str) else [curve]


def read_curve(text: str) -> Curve:
    """Return a curve from a flag's text: a number, keyframes in braces, or an expression.

    Raises:
        RecipeError: braces that hold no TOML.
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


def read_toml(text: str) -> dict[str, Any]:
    """Read TOML.

    Raises:
        ValueError: it is none, or larger or deeper than any recipe.
    """
    if len(text) > MOST_TOML:
        raise ValueError(f"it has more than {MOST_TOML} characters")
    if DEEP.search(text):
        raise ValueError("a name in it has too many parts")
    try:
        return tomllib.loads(text)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
