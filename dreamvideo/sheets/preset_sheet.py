"""A sheet of the presets."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from ..curves.animate import follows_sound
from ..jobs.events import Event
from ..media.pixels import to_8bit
from ..recipe import Recipe, files, preset_tables
from .cells import Shown, dreamed, ignore, titled
from .contact_sheet import Cell, Sheet


def preset_sheet(
    source: str | Path, recipe: Recipe | None = None, *, at: str = "", on_event: Callable[[Event], None] = ignore
) -> Sheet:
    """Dream one picture by every preset of the embedded network that needs no music.

    Args:
        source, at, on_event: as for `layers`.
        recipe: what is laid over the presets, where it is no default. Its `clip.size` is a cell's.

    Returns:
        A sheet: the source, then a cell for each, with the flag that makes it.

    Raises:
        DreamError: the source or moment cannot be had.
    """
    recipe = recipe or Recipe()
    default, asked = Recipe().network.model, recipe.differences()
    named = {name: Recipe().merge(preset_tables(name)).merge(asked) for name in files.presets()}
    seen = {name: of for name, of in named.items() if of.network.model == default and not follows_sound(of)}
    shown = Shown.of(source, recipe, at, len(seen) + 1)
    pictures = dreamed(shown, list(seen.values()), on_event)
    cells = [Cell(f"--preset {name}", pixels) for name, pixels in zip(seen, pictures, strict=True)]
    return titled(source, at, "every look", recipe, [Cell("", to_8bit(shown.frame.pixels)), *cells])
