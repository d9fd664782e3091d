"""Expressions: what a curve such as `0.01 + 0.02 * pulse(beat)` may hold, parsed into a checked tree and never run."""

from __future__ import annotations

import ast
import difflib
import json
import keyword
import re
import unicodedata
import warnings
from collections.abc import Iterable, Mapping
from typing import Any, Union

from ..errors import RecipeError, shortened

Curve = Union[float, str, dict[str, Any]]  # as it is written: a number, an expression, keyframes
LONGEST, DEEPEST = 2000, 300  # characters and nodes of an expression
MOST_CURVES = 300  # of one recipe
LARGEST = 1e300  # number
SHOWN = 60  # characters of it that an error repeats
COUNTERS = ("beat", "bar", "onset")
LEVELS = ("rms", "bass", "mid", "treble", "flux")
CLOCK = ("t", "n", "fps", "length", "still")
NAMES = (*CLOCK, *COUNTERS, *LEVELS)
MANY = 100
FUNCTIONS: dict[str, tuple[int, int, tuple[str, ...]]] = {  # least and most arguments; the names of those that have one
    **dict.fromkeys(("sin", "cos", "abs", "sqrt", "exp", "floor", "ceil"), (1, 1, ())),
    **dict.fromkeys(("smooth", "sine", "triangle", "saw", "square", "noise"), (1, 1, ())),
    **dict.fromkeys(("min", "max"), (1, MANY, ())),
    **dict.fromkeys(("clamp", "mix"), (3, 3, ())),
    "map": (5, 5, ()),
    "pulse": (1, 2, ("decay",)),
    "follow": (1, 3, ("attack", "release")),
}
OPERATORS = (
    ast.Add, ast.Sub, ast.Mult, ast.Div, ast.Mod, ast.Pow, ast.FloorDiv, ast.USub, ast.UAdd,
    ast.Lt, ast.LtE, ast.Gt, ast.GtE, ast.Eq, ast.NotEq,
)  # fmt: skip
ALLOWED = (ast.Expression, ast.Name, ast.BinOp, ast.UnaryOp, ast.Compare, ast.IfExp, ast.keyword, ast.Load, *OPERATORS)


def check_names(named: Mapping[str, Curve]) -> None:
    """Refuse names of curves that mean something already, or that no expression could hold, and too many of them.

    Raises:
        RecipeError: a name that will not do.
    """
    if len(named) > MOST_CURVES:
        raise RecipeError(f"{len(named)} curves are too many: {MOST_CURVES} may have names")
    for name in named:
        if name in NAMES or name in FUNCTIONS or name == "pi" or not _can_be_named(name):
            raise RecipeError(f"a curve cannot be called {shortened(name)}: take another word, like kick")


def _can_be_named(name: object) -> bool:
    """Tell whether an expression can hold a name: Python's parser takes ﬁ for fi."""
    if not isinstance(name, str) or keyword.iskeyword(name):
        return False
    return name.isidentifier() and unicodedata.normalize("NFKC", name) == name


def is_number(value: object) -> bool:
    """Tell whether a value is a number that can be computed with: finite, and not beyond all bounds."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) <= LARGEST


def curve_text(curve: Curve) -> str:
    """Return a curve as one line of text, which `read` makes the same curve of."""
    if isinstance(curve, dict):
        keys = [key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else json.dumps(key) for key in curve]
        return "{" + ", ".join(f"{k} = {json.dumps(v)}" for k, v in zip(keys, curve.values(), strict=True)) + "}"
    if isinstance(curve, str):
        return curve
    return f"{curve:g}" if float(f"{curve:g}") == curve else repr(curve)


def _tree(text: str) -> ast.Expression:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Python's, of what looks odd in code
        return ast.parse(text.strip(), mode="eval")


def parse_expression(text: str, named: Iterable[str] = ()) -> ast.Expression:
    """Read an expression into a tree that holds nothing but numbers, known names, operators and functions.

    Raises:
        RecipeError: it is too long, no expression, or holds anything else.
    """
    if len(text) > LONGEST:
        raise RecipeError(f"an expression of {len(text)} characters is too long: split it into [curves]")
    try:
        tree = _tree(text)
        nodes = list(ast.walk(tree))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise RecipeError(
            f"cannot read the curve {quoted_curve(text)}: write an expression, like 0.01 + 0.02 * pulse(beat)"
        ) from None
    if len(nodes) > DEEPEST:
        raise RecipeError("an expression of so many parts is too long: split it into [curves]")
    known = {*NAMES, "pi", *named}
    called = {id(node.func) for node in nodes if isinstance(node, ast.Call)}
    for node in nodes:
        if isinstance(node, ast.Name) and id(node) not in called:
            if node.id not in known:
                near = difflib.get_close_matches(node.id, known, n=1) or [", ".join([*NAMES, "pi", *named])]
                what = f"{quoted_curve(text)} asks for {node.id[:SHOWN]}"
                raise RecipeError(f"the curve {what}, which is unknown: did you mean {near[0]}?")
        elif isinstance(node, ast.Call):
            _check_call(node, text)
        elif isinstance(node, ast.Constant):
            if not is_number(node.value):
                raise RecipeError(f"the curve {quoted_curve(text)} holds {shortened(node.value)}, which is no number")
        elif isinstance(node, ast.Compare) and len(node.ops) > 1:
            raise RecipeError(f"the curve {quoted_curve(text)} compares more than two things at once: compare two")
        elif not isinstance(node, ALLOWED):
            raise RecipeError(f"the curve {quoted_curve(text)} holds what no curve may: take numbers, names, functions")
    return tree


def _check_call(node: ast.Call, text: str) -> None:
    name = (node.func.id if isinstance(node.func, ast.Name) else "what has no name")[:SHOWN]
    if name not in FUNCTIONS:
        near = difflib.get_close_matches(name, FUNCTIONS, n=1) or [", ".join(FUNCTIONS)]
        raise RecipeError(f"the curve {quoted_curve(text)} calls {name}, which is unknown: did you mean {near[0]}?")
    least, most, named = FUNCTIONS[name]
    count, given = len(node.args) + len(node.keywords), [k.arg for k in node.keywords]
    starred = any(isinstance(arg, ast.Starred) for arg in node.args)
    positional = named[: max(len(node.args) - least, 0)]
    misnamed = not set(given) <= set(named) - set(positional)
    if starred or misnamed or not least <= count <= most or len(node.args) < least:
        wanted = f"{least}" if least == most else f"{least} or more"
        also = f", and {', '.join(named)} by name" if named else ""
        raise RecipeError(f"the curve {quoted_curve(text)} calls {name} wrongly: it takes {wanted} numbers{also}")


def quoted_curve(curve: Curve) -> str:
    """Return a curve in quotes, cut where it grows too long for a message."""
    text = curve_text(curve)
    return repr(text if len(text) <= SHOWN else text[: SHOWN - 1] + "…")
