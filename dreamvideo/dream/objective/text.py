"""Reads written objectives, like `blocks.9=1,blocks.10:42,77=0.5,class:peacock=2`; `str()` writes them again."""

from __future__ import annotations

import math
import re

import numpy as np

from ...curves import weight_lists
from ...errors import RecipeError, shortened
from ...networks import layer_names
from ...networks.load import categories
from .objective import Objective
from .terms import Channels, Layer, Logit, Strongest, Term, check_term

CLASS = "class:"
MAX_CHANNEL = 2**16  # number of a channel
USAGE = "write them as blocks.9=1,blocks.10=0.5"
TERM = re.compile(
    r"(?P<layer>[^:@~]+)"
    r"(?::(?P<channels>\d{1,9}(?:-\d{1,9})?(?:,\d{1,9}(?:-\d{1,9})?)*)|:(?P<end>top|bottom):(?P<count>\d{1,9}))?"
    r"(?:@(?P<x>[\d.]+)x(?P<y>[\d.]+))?"
    r"(?:~(?P<form>\w+))?",
    re.ASCII,
)


def parse_objective(text: str) -> Objective:
    """Read an objective: terms with a weight each, 1 unless written.

    A term is a layer, `blocks.9`; some of its channels, `blocks.9:42,70-77`, or those that respond most or least,
    `blocks.9:top:10` and `:bottom:10`; either at one place, `blocks.9:42@0.5x0.3`, or in another form, `~mean` or
    `~cosine` at the end; or a class, `class:peacock` or `class:84`.

    Raises:
        RecipeError: the text is empty, or a term is unreadable, repeated, or has a weight that is no finite number.
    """
    terms: dict[str, Term] = {}
    for name, weight in weight_lists.split_weights(text):
        try:
            value = float(weight or 1)
        except ValueError:
            value = math.nan
        if not math.isfinite(value) or not name:
            raise RecipeError(f"cannot read {shortened(f'{name}={weight}')} in layers: {USAGE}")
        term = _term(name, value)
        if term.key in terms:
            raise RecipeError(f"{term.key} is named twice in layers: name it once")
        terms[term.key] = term
    if not terms:
        raise RecipeError(f"layers is empty: {USAGE}")
    return Objective(tuple(terms.values()))


def _term(name: str, weight: float) -> Term:
    if name.startswith(CLASS):
        return _logit(name.removeprefix(CLASS).strip(), weight)
    match = TERM.fullmatch(name)
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
    """Return the numbers of `42,70-77`, in ascending order, each once."""
    chosen = np.zeros(MAX_CHANNEL + 1, bool)
    for part in text.split(","):
        first, _, last = part.partition("-")
        if last and int(last) < int(first):
            raise RecipeError(f"the channels {part} are in descending order: write {last}-{first}")
        if int(last or first) > MAX_CHANNEL:
            raise RecipeError(f"there is no channel {last or first}: no layer has that many")
        chosen[int(first) : int(last or first) + 1] = True
    return tuple(np.flatnonzero(chosen).tolist())


def _logit(label: str, weight: float) -> Logit:
    """Return the term of a class, by its number or its name in ImageNet."""
    names = categories()
    if label.isdecimal() and len(label) < 9:
        if int(label) >= len(names):
            raise RecipeError(f"there is no class {label}: their numbers are 0 to {len(names) - 1}")
        name = names[int(label)]
        unique = names.index(name) == int(label)  # two classes are called crane
        return Logit(int(label), weight, name if unique else label)
    wanted = label.replace("_", " ")
    plain = names if wanted in names else [name.lower() for name in names]
    wanted = wanted if wanted in names else wanted.lower()
    if wanted not in plain:
        raise RecipeError(f"no class is called {shortened(label)}{layer_names.nearest(wanted, plain)}")
    return Logit(plain.index(wanted), weight, names[plain.index(wanted)])
