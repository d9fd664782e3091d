"""Expressions like `0.01 + 0.02 * pulse(beat)`: parsed into a checked syntax tree and never run as code."""

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

Curve = Union[float, str, dict[str, Any]]  # as users write it: a number, an expression or keyframes
MAX_CHARACTERS, MAX_NODES = 2000, 300  # of one expression
MAX_CURVES = 300  # named curves in one recipe
MAX_NUMBER = 1e300
MAX_QUOTED = 60  # characters of a curve or name that an error repeats
COUNTERS = ("beat", "bar", "onset")  # count up from 0
LEVELS = ("rms", "bass", "mid", "treble", "flux")  # of the sound, 0 … 1
CLOCK = ("t", "n", "fps", "length", "still")
NAMES = (*CLOCK, *COUNTERS, *LEVELS)
FUNCTIONS: dict[str, tuple[int, int, tuple[str, ...]]] = {  # fewest and most arguments; names of the optional ones
    **dict.fromkeys(("sin", "cos", "abs", "sqrt", "exp", "floor", "ceil"), (1, 1, ())),
    **dict.fromkeys(("smooth", "sine", "triangle", "saw", "square", "noise"), (1, 1, ())),
    **dict.fromkeys(("min", "max"), (1, 100, ())),
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


def is_number(value: object) -> bool:
    """Tell whether a value is a finite number of a size that can be computed with; True and False are not."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) <= MAX_NUMBER


def check_names(named: Mapping[str, Curve]) -> None:
    """Check the names that a recipe gives its own curves.

    Raises:
        RecipeError: a name is taken already or is not an identifier, or there are too many curves.
    """
    if len(named) > MAX_CURVES:
        raise RecipeError(f"the recipe has {len(named)} named curves: at most {MAX_CURVES} are allowed")
    for name in named:
        if name in NAMES or name in FUNCTIONS or name == "pi" or not _is_identifier(name):
            raise RecipeError(f"a curve cannot be called {shortened(name)}: use another word, like kick")


def _is_identifier(name: object) -> bool:
    """Tell whether an expression can use a name. Python's parser turns ﬁ into fi, so such names are refused."""
    if not isinstance(name, str) or keyword.iskeyword(name):
        return False
    return name.isidentifier() and unicodedata.normalize("NFKC", name) == name


def curve_text(curve: Curve) -> str:
    """Return a curve as one line of text, from which `syntax.read_curve` makes an equal curve."""
    if isinstance(curve, dict):
        keys = [key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else json.dumps(key) for key in curve]
        return "{" + ", ".join(f"{k} = {json.dumps(v)}" for k, v in zip(keys, curve.values(), strict=True)) + "}"
    if isinstance(curve, str):
        return curve
    return f"{curve:g}" if float(f"{curve:g}") == curve else repr(curve)


def quoted_curve(curve: Curve) -> str:
    """Return a curve in quotes, cut to a length that fits into a message."""
    text = curve_text(curve)
    return repr(text if len(text) <= MAX_QUOTED else text[: MAX_QUOTED - 1] + "…")


def parse_tree(text: str) -> ast.Expression:
    """Return the unchecked syntax tree of an expression.

    Raises:
        SyntaxError, ValueError, RecursionError, MemoryError: Python's parser cannot read it.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Python warns about odd code, like `1 is 2`
        return ast.parse(text.strip(), mode="eval")


def parse_expression(text: str, named: Iterable[str] = ()) -> ast.Expression:
    """Parse an expression into a tree that holds only numbers, known names, operators and functions.

    Args:
        text: the expression.
        named: names of the recipe's own curves.

    Raises:
        RecipeError: the text is too long, is not an expression, or contains anything else.
    """
    if len(text) > MAX_CHARACTERS:
        raise RecipeError(f"an expression of {len(text)} characters is too long: split it into [curves]")
    try:
        tree = parse_tree(text)
        nodes = list(ast.walk(tree))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise RecipeError(
            f"cannot read the curve {quoted_curve(text)}: write an expression, like 0.01 + 0.02 * pulse(beat)"
        ) from None
    if len(nodes) > MAX_NODES:
        raise RecipeError(f"an expression of {len(nodes)} parts is too long: split it into [curves]")
    known = [*NAMES, "pi", *named]
    called = {id(node.func) for node in nodes if isinstance(node, ast.Call)}
    for node in nodes:
        if id(node) not in called:  # what is called is checked with its call
            _check_node(node, text, known)
    return tree


def _check_node(node: ast.AST, text: str, known: list[str]) -> None:
    curve = f"the curve {quoted_curve(text)}"
    if isinstance(node, ast.Name):
        if node.id not in known:
            near = difflib.get_close_matches(node.id, known, n=1) or [", ".join(known)]
            raise RecipeError(f"{curve} uses the unknown name {node.id[:MAX_QUOTED]}: did you mean {near[0]}?")
    elif isinstance(node, ast.Call):
        _check_call(node, curve)
    elif isinstance(node, ast.Constant):
        if not is_number(node.value):
            raise RecipeError(f"{curve} contains {shortened(node.value)}, which is not a number: use numbers only")
    elif isinstance(node, ast.Compare) and len(node.ops) > 1:
        raise RecipeError(f"{curve} compares more than two values at once: compare two")
    elif not isinstance(node, ALLOWED):
        raise RecipeError(f"{curve} contains syntax that is not allowed: use numbers, names, operators and functions")


def _check_call(node: ast.Call, curve: str) -> None:
    name = (node.func.id if isinstance(node.func, ast.Name) else "an expression")[:MAX_QUOTED]
    if name not in FUNCTIONS:
        near = difflib.get_close_matches(name, FUNCTIONS, n=1) or [", ".join(FUNCTIONS)]
        raise RecipeError(f"{curve} calls {name}, which is an unknown function: did you mean {near[0]}?")
    least, most, optional = FUNCTIONS[name]
    count, keywords = len(node.args) + len(node.keywords), [k.arg for k in node.keywords]
    starred = any(isinstance(arg, ast.Starred) for arg in node.args)
    positional = optional[: max(len(node.args) - least, 0)]
    misnamed = not set(keywords) <= set(optional) - set(positional)
    if starred or misnamed or not least <= count <= most or len(node.args) < least:
        wanted = f"{least}" if least == most else f"{least} or more"
        also = f", and {', '.join(optional)} by name" if optional else ""
        raise RecipeError(f"{curve} calls {name} with wrong arguments: it takes {wanted} numbers{also}")
