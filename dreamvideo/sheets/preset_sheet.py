"""The preset sheet: one picture dreamed with every preset."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from ..curves.animate import follows_sound
from ..jobs.events import Event, ignore
from ..media.pixels import to_8bit
from ..networks.embedded import VARIANTS
from ..recipe import Recipe, files, preset_tables
from .cells import SheetFrame, dream_cells, make_sheet
from .contact_sheet import Cell, Sheet


def preset_sheet(
    source: str | Path, recipe: Recipe | None = None, *, at: str = "", on_event: Callable[[Event], None] = ignore
) -> Sheet:
    """Dream one picture with every preset that uses an embedded network and no music.

    Args:
        source, at, on_event: as for `layers`.
        recipe: its values that differ from the defaults win over the presets'. Its `clip.size` is the size of a cell.

    Returns:
        A sheet: the source, then a cell for each preset, with the flag that makes it.

    Raises:
        DreamError: a source or time that does not exist.
    """
    recipe = recipe or Recipe()
    changes = recipe.differences()
    every = {name: Recipe().merge(preset_tables(name)).merge(changes) for name in files.presets()}
    recipes = {name: of for name, of in every.items() if of.network.model in VARIANTS and not follows_sound(of)}
    shown = SheetFrame.read(source, recipe, at, len(recipes) + 1)
    pictures = dream_cells(shown, list(recipes.values()), on_event)
    cells = [Cell(f"--preset {name}", pixels) for name, pixels in zip(recipes, pictures, strict=True)]
    return make_sheet(source, at, "every preset", recipe, [Cell("", to_8bit(shown.frame.pixels)), *cells])
