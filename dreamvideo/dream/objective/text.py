"""Objectives as they are written: `blocks.9=1,blocks.10:42,77=0.5,class:peacock=2`; `str()` gives that back."""

from __future__ import annotations

import math
import re

import numpy as np

from ...curves import weights
from ...errors import RecipeError, shortened
from ...networks import layer_names
from ...networks.load import categories
from .objective import Objective
from .terms import Channels, Layer, Logit, Strongest, Term, check_term

CLASS = "class:"
MOST = 2**16  # number of a channel
HOW = "write them as blocks.9=1,blocks.10=0.5"
SHAPE = re.compile(
    r"(?P<layer>[^:@~]+)"
    r"(?::(?P<channels>\d{1,9}(?:-\d{1,9})?(?:,\d{1,9}(?:-\d{1,9})?)*)|:(?P<end>top|bottom):(?P<count>\d{1,9}))?"
    r"(?:@(?P<x>[\d.]+)x(?P<y>[\d.]+))?"
    r"(?:~(?P<form>\w+))?",
    re.ASCII,
)


def parse_objective(text: str) -> Objective:
    """Read an objective: terms with a weight each, 1 unless written.

    A term is `blocks.9`, a layer; `blocks.9:42,70-77`, channels of it; `blocks.9:top:10` or `:bottom:10`, those that
    respond most or least; `blocks.9:42@0.5x0.3`, at a place; any of these with `~mean` or `~cosine` behind; or
    `class:peacock`, `class:84`.

    Raises:
        RecipeError: nothing at all, a term named twice, of no known shape, or with a weight that is no finite number.
    """
    terms: dict[str, Term] = {}
    for name, weight in weights.split_weights(text):
        try:
            value = float(weight or 1)
        except ValueError:
            value = math.nan
        if not math.isfinite(value) or not name:
            raise RecipeError(f"cannot read {shortened(f'{name}={weight}')} in layers: {HOW}")
        term = _term(name, value)
        if term.key in terms:
            raise RecipeError(f"{term.key} is named twice in layers: give it one weight")
        terms[term.key] = term
    if not terms:
        raise RecipeError(f"layers names no layer: {HOW}")
    return Objective(tuple(terms.values()))


def _term(name: str, weight: float) -> Term:
    if name.startswith(CLASS):
        return _logit(name.removeprefix(CLASS).strip(), weight)
    match = SHAPE.fullmatch(name)
    if not match:
        raise RecipeError(
            f"cannot read {shortened(name)} in layers: write blocks.9, blocks.9:42, blocks.9:10-19, blocks.9:top:10, "
            "blocks.9@0.5x0.5, blocks.9~mean or class:peacock"
        )
    channels: Channels | Strongest | None = None
    if match["channels"]:
        channels = Channels(_numbers(match["channels"]))
    elif match["end"]:
        channels = Strongest(max(int(match["count"]), 1), match["end"] == "bottom")
    try:
        place = (float(match["x"]), float(match["y"])) if match["x"] else None
    except ValueError:
        raise RecipeError(f"cannot read the place in {shortened(name)}: write @0.5x0.5, from 0 to 1 each") from None
    term = Layer(match["layer"], weight, channels, place, match["form"] or "l2")
    check_term(term)
    return term


def _numbers(text: str) -> tuple[int, ...]:
    """Return the numbers of `42,70-77`, in order, each once."""
    named = np.zeros(MOST + 1, bool)
    for part in text.split(","):
        first, _, last = part.partition("-")
        if last and int(last) < int(first):
            raise RecipeError(f"the channels {part} run backwards: write {last}-{first}")
        if int(last or first) > MOST:
            raise RecipeError(f"no layer has a channel {last or first}")
        named[int(first) : int(last or first) + 1] = True
    return tuple(np.flatnonzero(named).tolist())


def _logit(label: str, weight: float) -> Logit:
    """Return the term of a class, by number or by ImageNet's name of it."""
    names = categories()
    if label.isdecimal() and len(label) < 9:
        if int(label) >= len(names):
            raise RecipeError(f"there is no class {label}: they go from 0 to {len(names) - 1}")
        name = names[int(label)]
        return Logit(int(label), weight, name if names.index(name) == int(label) else label)  # two are called crane
    wanted = label.replace("_", " ")
    plain = names if wanted in names else [name.lower() for name in names]
    wanted = wanted if wanted in names else wanted.lower()
    if wanted not in plain:
        raise RecipeError(f"no class is called {shortened(label)}{layer_names.nearest(wanted, plain)}")
    return Logit(plain.index(wanted), weight, names[plain.index(wanted)])
