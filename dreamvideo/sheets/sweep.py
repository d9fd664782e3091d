"""The sweep: a sheet of one picture dreamed with several values of one parameter, or of two."""

from __future__ import annotations

import difflib
import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..errors import RecipeError
from ..jobs.events import Event, ignore
from ..recipe import Recipe, parameters
from .cells import (
    MAX_CELLS,
    SheetFrame,
    dream_cells,
    dream_cells_over_time,
    flag_text,
    make_sheet,
    network_name,
    with_value,
)  # fmt: skip
from .contact_sheet import Cell, Sheet

ROW = 6  # cells of a single parameter that fit in one row
OVER_TIME = ("temporal", "camera", "music")  # sections with an effect only over several frames
NO_EFFECT = ("clip", "encoding")  # sections without effect on how a frame is dreamed


def sweep(
    source: str | Path,
    axes: Mapping[str, Sequence[Any]],
    recipe: Recipe | None = None,
    *,
    at: str = "",
    on_event: Callable[[Event], None] = ignore,
) -> Sheet:
    """Dream one picture with several values of one parameter, or of two.

    For a parameter with an effect only over time (how the dream follows motion, the camera, the music, a mask made
    from motion), every cell is rendered like a preview of the frame at the time `at`.

    Args:
        source, at, on_event: as for `layers`.
        axes: {parameter: values}, one or two, like {"step": [0.01, 0.02], "network.layers": ["blocks.5", "blocks.9"]};
            the first varies across, the second down.
        recipe: everything else; the defaults if None. Its `clip.size` is the size of a cell.

    Returns:
        A sheet, row by row, with the flags that make each cell.

    Raises:
        DreamError: a parameter, value, source or time that does not exist, or too many values.
    """
    recipe = recipe or Recipe()
    found = _axes(axes)
    recipes = [recipe]
    for axis in found:
        recipes = [with_value(of, axis.section, axis.key, value) for value in axis.values for of in recipes]
    if key := _key_over_time(found, recipes):
        pictures = dream_cells_over_time(source, at, recipes, key, on_event)
    else:
        pictures = dream_cells(SheetFrame.read(source, recipe, at, len(recipes)), recipes, on_event)
    flags = [" ".join(reversed(row)) for row in itertools.product(*(axis.flags for axis in reversed(found)))]
    cells = [Cell(text, pixels) for text, pixels in zip(flags, pictures, strict=True)]
    what = f"{' by '.join(axis.key for axis in found)}, {network_name(recipe)}"
    sheet = make_sheet(source, at, what, recipe, cells)
    if len(found) == 1:
        return replace(sheet, columns=len(cells) if len(cells) <= ROW else 0)
    across, down = found
    return replace(sheet, columns=len(across.values), across=across.flags, down=down.flags)


def _key_over_time(axes: Sequence[_Axis], recipes: Sequence[Recipe]) -> str:
    """Return the first parameter with an effect only over time; empty if there is none."""
    keys = [axis.key for axis in axes if axis.section in OVER_TIME]
    return keys[0] if keys else "mask_from" if any(of.finish.mask_from == "motion" for of in recipes) else ""


@dataclass(frozen=True)
class _Axis:
    """A parameter and its values as text."""

    section: str
    key: str
    values: tuple[str, ...]

    @property
    def flags(self) -> tuple[str, ...]:
        return tuple(flag_text(self.section, self.key, value) for value in self.values)


def _axes(axes: Mapping[str, Sequence[Any]]) -> list[_Axis]:
    """Return the one or two axes of a sweep.

    Raises:
        RecipeError: no axis or more than two, an unknown parameter, or too many cells.
    """
    if not 1 <= len(axes) <= 2:
        many = f"{', '.join(axes)} have several values: " if axes else ""
        raise RecipeError(f"{many}give several values to one parameter or two, like --step 0.005,0.01,0.02")
    found = [_Axis(*_parameter(name), tuple(map(str, values))) for name, values in axes.items()]
    count = math.prod(len(axis.values) for axis in found)
    if not 1 <= count <= MAX_CELLS:
        many = " times ".join(str(len(axis.values)) for axis in found)
        raise RecipeError(f"{many} values: take 1 to {MAX_CELLS} in all")
    return found


def _parameter(name: str) -> tuple[str, str]:
    """Return the section and key of a parameter, from its key or `section.key`."""
    known = [(section, key) for section, key, _, _ in parameters()]
    for section, key in known:
        if name.replace("-", "_") in (key, f"{section}.{key}"):
            if section in NO_EFFECT:
                raise RecipeError(f"{section}.{key} does not change how a picture is dreamed: sweep another parameter")
            return section, key
    seen = [key for section, key in known if section not in NO_EFFECT]
    near = difflib.get_close_matches(name.rpartition(".")[2], seen, n=3, cutoff=0.5) or seen
    raise RecipeError(f"the recipe has no parameter called {name!r}: did you mean {' or '.join(near)}?")
