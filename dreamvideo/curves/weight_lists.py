"""Lists of names with weights, as in `--layers a=1,b=0.5` and `--guide a.jpg=1,b.mp4=0.5`."""

from __future__ import annotations

import ast
import re

from .expressions import MAX_CHARACTERS, parse_tree

CHANNELS = re.compile(r":[\d,-]+$")  # at the end of a layer's name: blocks.9:42 or blocks.9:70-77
MORE_CHANNELS = re.compile(r"\d+(-\d+)?\s*$|\d+(-\d+)?[@~]")  # another item of such a list: 70-77


def split_weights(text: str) -> list[tuple[str, str]]:
    """Split `a=1,b=max(rms, 0.5)` at the commas outside brackets into (name, weight), as they are written.

    A weight may be missing, and a name may itself contain a list of channels: `a:42,70-77`.
    """
    names: list[list[str]] = []
    weights: list[str] = []
    in_channels = False  # whether the last name ends in channels, so that more of them may follow
    for part in split_at_commas(text):
        if not part.strip():
            continue
        name, _, weight = part.partition("=")
        name, weight = name.strip(), weight.strip()
        if in_channels and MORE_CHANNELS.match(name):
            names[-1].append(name)
            weights[-1], ending = weight, f":{name}"
        else:
            names.append([name])
            weights.append(weight)
            ending = name
        in_channels = not weight and bool(CHANNELS.search(ending))
    return list(zip(map(",".join, names), weights, strict=True))


def split_guides(text: str) -> list[tuple[str, str]]:
    """Split `a.jpg=1,b.mp4=pulse(beat, decay=0.2)` into (path, weight); a weight may be missing.

    A path may contain equals signs but no commas: what follows an equals sign is a weight if it looks like a curve.
    """
    found = []
    for part in map(str.strip, split_at_commas(text)):
        signs = [i for i, c in enumerate(part) if c == "=" and part[i - 1] not in "<>!=" and part[i + 1 : i + 2] != "="]
        sign = next((i for i in signs if looks_like_curve(part[i + 1 :])), len(part))
        found.append((part[:sign].strip(), part[sign + 1 :].strip()))
    return [(path, weight) for path, weight in found if path]


def split_at_commas(text: str) -> list[str]:
    """Split a text at the commas outside brackets."""
    parts, depth = [""], 0
    for c in text:
        depth += (c in "([{") - (c in ")]}")
        if c == "," and depth <= 0:
            parts.append("")
        else:
            parts[-1] += c
    return parts


def looks_like_curve(text: str) -> bool:
    """Tell whether a text has the form of a number, an expression or keyframes; file names do not, with their dot."""
    if text.strip().startswith("{"):
        return True
    if len(text) > MAX_CHARACTERS:
        return False
    try:
        tree = parse_tree(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return not any(isinstance(node, ast.Attribute) for node in ast.walk(tree))
