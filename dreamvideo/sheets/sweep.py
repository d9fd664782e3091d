"""The sweep: one picture, dreamed by several values of a parameter, or of two."""

from __future__ import annotations

import difflib
import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..errors import RecipeError
from ..jobs.events import Event
from ..recipe import Recipe, parameters
from .cells import MOST, Shown, changed, dreamed, filmed, flag, ignore, network, titled
from .contact_sheet import Cell, Sheet

ROW = 6  # cells of a single parameter that stand in one row
IN_TIME = ("temporal", "camera", "music")  # sections that show only in what came before a frame
UNSEEN = ("clip", "encoding")  # sections that say nothing of how a frame is dreamed


def sweep(
    source: str | Path,
    axes: Mapping[str, Sequence[Any]],
    recipe: Recipe | None = None,
    *,
    at: str = "",
    on_event: Callable[[Event], None] = ignore,
) -> Sheet:
    """Dream one picture by several values of a parameter, or of two.

    Where a parameter shows only in time (how the dream travels, the camera, the music, a mask of what moves), every
    cell is the frame at the moment `at`, dreamed up to as in a preview.

    Args:
        source, at, on_event: as for `layers`.
        axes: {parameter: values}, one or two, like {"step": [0.01, 0.02], "network.layers": ["blocks.5", "blocks.9"]};
            the first goes across, the second down.
        recipe: everything else; the defaults if None. Its `clip.size` is a cell's.

    Returns:
        A sheet, row by row, with the flags that make each cell.

    Raises:
        DreamError: no such parameter or value, too many of them, or a source that cannot be had.
    """
    recipe = recipe or Recipe()
    found = _axes(axes)
    recipes = [recipe]
    for axis in found:
        recipes = [changed(of, axis.section, axis.key, value) for value in axis.values for of in recipes]
    in_time = [axis.key for axis in found if axis.section in IN_TIME]
    if any(of.finish.mask_from == "motion" for of in recipes):
        in_time.append("mask_from")
    if in_time:
        pictures = filmed(source, at, recipes, in_time[0], on_event)
    else:
        pictures = dreamed(Shown.of(source, recipe, at, len(recipes)), recipes, on_event)
    flags = [" ".join(reversed(row)) for row in itertools.product(*(axis.flags for axis in reversed(found)))]
    cells = [Cell(paste, pixels) for paste, pixels in zip(flags, pictures, strict=True)]
    what = f"{' by '.join(axis.key for axis in found)}, {network(recipe)}"
    drawn = titled(source, at, what, recipe, cells)
    if len(found) == 1:
        return replace(drawn, columns=len(cells) if len(cells) <= ROW else 0)
    across, down = found
    return replace(drawn, columns=len(across.values), across=across.flags, down=down.flags)


@dataclass(frozen=True)
class _Axis:
    """A parameter and its values, as they are written."""

    section: str
    key: str
    values: tuple[str, ...]

    @property
    def flags(self) -> tuple[str, ...]:
        return tuple(flag(self.section, self.key, value) for value in self.values)


def _axes(axes: Mapping[str, Sequence[Any]]) -> list[_Axis]:
    """Return the axes of a grid.

    Raises:
        RecipeError: none or more than two, unknown ones, or too many cells.
    """
    if not 1 <= len(axes) <= 2:
        many = f"{', '.join(axes)} have several values: " if axes else ""
        raise RecipeError(f"{many}give one parameter several values, or two, like --step 0.005,0.01,0.02")
    found = [_Axis(*_parameter(name), tuple(map(str, values))) for name, values in axes.items()]
    count = math.prod(len(axis.values) for axis in found)
    if not 1 <= count <= MOST:
        raise RecipeError(f"{' times '.join(str(len(axis.values)) for axis in found)} values: take 1 to {MOST} in all")
    return found


def _parameter(name: str) -> tuple[str, str]:
    """Return the section and key of a parameter, named by its key or both."""
    known = [(section, key) for section, key, _, _ in parameters()]
    for section, key in known:
        if name.replace("-", "_") in (key, f"{section}.{key}"):
            if section in UNSEEN:
                raise RecipeError(f"{section}.{key} does not change how a picture is dreamed: sweep another parameter")
            return section, key
    seen = [key for section, key in known if section not in UNSEEN]
    near = difflib.get_close_matches(name.rpartition(".")[2], seen, n=3, cutoff=0.5) or seen
    raise RecipeError(f"the recipe has no parameter called {name!r}: did you mean {' or '.join(near)}?")
