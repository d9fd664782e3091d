"""Curves: numbers that change over time, written as an expression or as keyframes.

    0.01 + 0.02 * pulse(beat)                       an expression
    {0s = 0.005, "1:30" = 0.02, "100%" = 0.005}     keyframes

An expression knows arithmetic, comparisons, `a if b else c`, the functions of `FUNCTIONS`, and these names: `t` (s),
`n` (frames), `fps`, `length` (s), `still` (1 in a film made of a still, else 0); `beat`, `bar`, `onset`, which count up
and pass a whole number at each; and, between 0 and 1, `rms`, `bass`, `mid`, `treble`, `flux` of the sound. It is read
into a tree of which nothing else is let in, and never run as code. `timeline` turns it into numbers.
"""

from __future__ import annotations

import ast
import difflib
import math
import re
import tomllib
from collections.abc import Iterable, Mapping
from typing import Any, Union

from .errors import RecipeError

Curve = Union[float, str, dict[str, Any]]  # as it is written: a number, an expression, keyframes

LONGEST, DEEPEST = 2000, 300  # characters and nodes of an expression
SHOWN = 60  # characters of it that an error repeats
EASES = ("linear", "smooth", "hold")
COUNTERS = ("beat", "bar", "onset")
LEVELS = ("rms", "bass", "mid", "treble", "flux")
CLOCK = ("t", "n", "fps", "length", "still")
NAMES = (*CLOCK, *COUNTERS, *LEVELS)
MANY = 100
CHANNELS, NUMBERS = re.compile(r":[\d,-]+$"), re.compile(r"\d+(-\d+)?\s*$|\d+(-\d+)?[@~]")
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


def moment(text: str) -> tuple[float, str]:
    """Return the number and the unit, `s`, `%`, `beat` or `bar`, of a written moment: 4s, 1:30, 25%, 8 beats, 2 bars.

    Raises:
        RecipeError: it is none of these.
    """
    found = re.fullmatch(r"\s*(?:(\d+):)?(?:(\d+):)?(\d+(?:\.\d+)?)\s*(s|%|beats?|bars?)?\s*", text)
    if not found or (":" in text) == bool(found[4]):
        raise RecipeError(f"cannot read the moment {text!r}: write 4s, 1:30, 25%, 8 beats or 2 bars")
    hours, minutes, seconds, unit = found.groups()
    if hours and not minutes:
        hours, minutes = "0", hours
    number = int(hours or 0) * 3600 + int(minutes or 0) * 60 + float(seconds)
    return number, (unit or "s").rstrip("s") or "s"


def check_names(named: Mapping[str, Curve]) -> None:
    """Refuse names of curves that mean something already, or that no expression could hold.

    Raises:
        RecipeError: a name that will not do.
    """
    for name in named:
        if name in NAMES or name in FUNCTIONS or name == "pi" or not name.isidentifier():
            raise RecipeError(f"a curve cannot be called {name!r}: take another word, like kick")


def check(curve: Curve, named: Iterable[str] = ()) -> None:
    """Refuse a curve that can never be read, whatever the timeline.

    Raises:
        RecipeError: no expression, an unknown name or function, bad keyframes.
    """
    if isinstance(curve, dict):
        read_keyframes(curve)
    elif isinstance(curve, str):
        parse(curve, named)
    elif not math.isfinite(curve):
        raise RecipeError(f"{curve} is no finite number")


def asked(curve: Curve, named: Iterable[str] = ()) -> set[str]:
    """Return the names that a curve asks for: those in its expression, or the counters its keyframes stand at."""
    if isinstance(curve, dict):
        return {unit for when, _, _ in read_keyframes(curve) if (unit := moment(when)[1]) in COUNTERS}
    nodes = ast.walk(parse(curve, named)) if isinstance(curve, str) else ()
    return {node.id for node in nodes if isinstance(node, ast.Name)}


def numbers(curve: Curve) -> list[float]:
    """Return the numbers a curve surely takes on: itself, or its keyframes'; none of an expression."""
    if isinstance(curve, dict):
        return [value for _, value, _ in read_keyframes(curve)]
    return [] if isinstance(curve, str) else [curve]


def read(text: str) -> Curve:
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
        return dict(tomllib.loads(f"v = {text}")["v"])
    except (ValueError, RecursionError) as error:
        raise RecipeError(f"cannot read the keyframes {text}: write {{0s = 1, 4s = 2, ease = 'smooth'}}") from error


def written(curve: Curve) -> str:
    """Return a curve as one line of text."""
    if isinstance(curve, dict):
        keys = [key if re.fullmatch(r"[\w-]+", key) else f'"{key}"' for key in curve]
        return "{" + ", ".join(f"{k} = {v!r}" for k, v in zip(keys, curve.values(), strict=True)) + "}"
    return curve if isinstance(curve, str) else f"{curve:g}"


def terms(text: str) -> list[tuple[str, str]]:
    """Split `a=1,b=max(rms, 0.5)` into names and what stands after the equals sign, at commas outside brackets.

    A name may itself be a list of a layer's channels, `a:42,70-77`.
    """
    parts = [part.partition("=") for part in split(text) if part.strip()]
    found: list[tuple[str, str]] = []
    for name, weight in ((name.strip(), weight.strip()) for name, _, weight in parts):
        if found and not found[-1][1] and CHANNELS.search(found[-1][0]) and NUMBERS.match(name):
            found[-1] = (f"{found[-1][0]},{name}", weight)
        else:
            found.append((name, weight))
    return found


def split(text: str) -> list[str]:
    """Split a text at the commas outside brackets."""
    parts, depth = [""], 0
    for c in text:
        depth += (c in "([{") - (c in ")]}")
        if c == "," and depth <= 0:
            parts.append("")
        else:
            parts[-1] += c
    return parts


def is_curve(text: str) -> bool:
    """Tell whether a text has the form of a number, an expression or keyframes; a file's name has not, by its dot."""
    if text.strip().startswith("{"):
        return True
    try:
        tree = ast.parse(text.strip(), mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return not any(isinstance(node, ast.Attribute) for node in ast.walk(tree))


def parse(text: str, named: Iterable[str] = ()) -> ast.Expression:
    """Read an expression into a tree that holds nothing but numbers, known names, operators and functions.

    Raises:
        RecipeError: it is too long, no expression, or holds anything else.
    """
    if len(text) > LONGEST:
        raise RecipeError(f"an expression of {len(text)} characters is too long: split it into [curves]")
    try:
        tree = ast.parse(text.strip(), mode="eval")
        nodes = list(ast.walk(tree))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise RecipeError(
            f"cannot read the curve {short(text)}: write an expression, like 0.01 + 0.02 * pulse(beat)"
        ) from None
    if len(nodes) > DEEPEST:
        raise RecipeError("an expression of so many parts is too long: split it into [curves]")
    called = {id(node.func) for node in nodes if isinstance(node, ast.Call)}
    for node in nodes:
        if isinstance(node, ast.Name) and id(node) not in called:
            known = [*NAMES, "pi", *named]
            if node.id not in known:
                near = difflib.get_close_matches(node.id, known, n=1) or [", ".join(known)]
                what = f"{short(text)} asks for {node.id}"
                raise RecipeError(f"the curve {what}, which is unknown: did you mean {near[0]}?")
        elif isinstance(node, ast.Call):
            _check_call(node, text)
        elif isinstance(node, ast.Constant):
            if isinstance(node.value, bool) or not isinstance(node.value, (int, float)) or abs(node.value) > 1e300:
                raise RecipeError(f"the curve {short(text)} holds {str(node.value)[:40]!r}, which is no number")
        elif isinstance(node, ast.Compare) and len(node.ops) > 1:
            raise RecipeError(f"the curve {short(text)} compares more than two things at once: compare two")
        elif not isinstance(node, ALLOWED):
            raise RecipeError(f"the curve {short(text)} holds what no curve may: take numbers, names, functions")
    return tree


def _check_call(node: ast.Call, text: str) -> None:
    name = ast.unparse(node.func)[:SHOWN]
    if not isinstance(node.func, ast.Name) or name not in FUNCTIONS:
        near = difflib.get_close_matches(name, FUNCTIONS, n=1) or [", ".join(FUNCTIONS)]
        raise RecipeError(f"the curve {short(text)} calls {name}, which is unknown: did you mean {near[0]}?")
    least, most, named = FUNCTIONS[name]
    count, given = len(node.args) + len(node.keywords), [k.arg for k in node.keywords]
    starred = any(isinstance(arg, ast.Starred) for arg in node.args)
    positional = named[: max(len(node.args) - least, 0)]
    misnamed = not set(given) <= set(named) - set(positional)
    if starred or misnamed or not least <= count <= most or len(node.args) < least:
        wanted = f"{least}" if least == most else f"{least} or more"
        also = f", and {', '.join(named)} by name" if named else ""
        raise RecipeError(f"the curve {short(text)} calls {name} wrongly: it takes {wanted} numbers{also}")


def short(curve: Curve) -> str:
    """Return a curve in quotes, cut where it grows too long for a message."""
    text = written(curve)
    return repr(text if len(text) <= SHOWN else text[: SHOWN - 1] + "…")


def read_keyframes(keyframes: Mapping[str, Any]) -> list[tuple[str, float, str]]:
    """Return keyframes as (moment, value, ease towards the next), in the order they are written.

    Raises:
        RecipeError: a moment, value or ease that cannot be read, or moments of one unit that do not rise.
    """
    flat = flattened(keyframes)
    usual = flat.pop("ease", "linear")
    if not flat:
        raise RecipeError("keyframes without a moment: write them as {0s = 0.005, 4s = 0.02}")
    points: list[tuple[str, float, str]] = []
    last: dict[str, float] = {}
    for when, value in flat.items():
        number, ease = value if isinstance(value, list) and len(value) == 2 else (value, usual)
        if isinstance(number, bool) or not isinstance(number, (int, float)) or not math.isfinite(number):
            raise RecipeError(f"the keyframe {when} is {number!r}: give a number, or [number, 'hold']")
        handles(ease)
        at, unit = moment(when)
        if at <= last.get(unit, -1):
            raise RecipeError(f"the keyframe {when} of {short(flat)} is out of order: let times rise")
        last[unit] = at
        points.append((when, float(number), str(ease)))
    return points


def flattened(keyframes: Mapping[str, Any]) -> dict[str, Any]:
    """Return keyframes by their moments: undo what TOML makes of the bare key 1.5s: a table `1` with `5s` in it."""
    flat: dict[str, Any] = {}
    for key, value in keyframes.items():
        if isinstance(value, dict) and key.isdigit():
            flat |= {f"{key}.{rest}": inner for rest, inner in value.items()}
        else:
            flat[key] = value
    return flat


def handles(ease: object) -> tuple[float, float, float, float] | None:
    """Return the two handles (x, y, x, y) of a Bézier ease; None for one that has a name.

    Raises:
        RecipeError: it is neither.
    """
    if ease in EASES:
        return None
    found = re.fullmatch(r"bezier\s*\(?\s*([\d.]+)[\s,]+(-?[\d.]+)[\s,]+([\d.]+)[\s,]+(-?[\d.]+)\s*\)?", str(ease))
    try:
        x1, y1, x2, y2 = map(float, found.groups() if found else ())
    except ValueError:
        x1 = x2 = math.inf
    if not (0 <= x1 <= 1 and 0 <= x2 <= 1):
        names = ", ".join(EASES)
        raise RecipeError(f"no ease is called {ease!r}: there is {names}, and bezier(0.4, 0, 0.2, 1) with x in 0 … 1")
    return x1, y1, x2, y2
