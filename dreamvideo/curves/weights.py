"""Lists with weights, as in `--layers a=1,b=0.5` and `--guide`."""

from __future__ import annotations

import ast
import re

from .expressions import LONGEST, _tree

CHANNELS, NUMBERS = re.compile(r":[\d,-]+$"), re.compile(r"\d+(-\d+)?\s*$|\d+(-\d+)?[@~]")


def split_weights(text: str) -> list[tuple[str, str]]:
    """Split `a=1,b=max(rms, 0.5)` into names and what stands after the equals sign, at commas outside brackets.

    A name may itself be a list of a layer's channels, `a:42,70-77`.
    """
    parts = [part.partition("=") for part in split(text) if part.strip()]
    names: list[list[str]] = []
    weights: list[str] = []
    lists = False  # whether the last name ends in channels, of which more may follow
    for name, weight in ((name.strip(), weight.strip()) for name, _, weight in parts):
        if lists and NUMBERS.match(name):
            names[-1].append(name)
            weights[-1], ending = weight, f":{name}"
        else:
            names.append([name])
            weights.append(weight)
            ending = name
        lists = not weight and bool(CHANNELS.search(ending))
    return list(zip(map(",".join, names), weights, strict=True))


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
    if len(text) > LONGEST:
        return False
    try:
        tree = _tree(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return not any(isinstance(node, ast.Attribute) for node in ast.walk(tree))
