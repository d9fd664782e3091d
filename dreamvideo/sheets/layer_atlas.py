"""The layer atlas: a sheet of one picture dreamed with every layer of a network, or every channel of a layer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from ..errors import RecipeError
from ..jobs.events import Event, ignore
from ..media.pixels import to_8bit
from ..recipe import Recipe
from .cells import (
    MAX_CELLS,
    SheetFrame,
    dream_cells,
    flag_text,
    make_sheet,
    network_name,
    probe_engine,
    with_value,
)  # fmt: skip
from .contact_sheet import Cell, Sheet

STRONGEST = "top:48"  # the channels shown by default


def layers(
    source: str | Path,
    recipe: Recipe | None = None,
    *,
    layer: str = "",
    channels: str = "",
    at: str = "",
    on_event: Callable[[Event], None] = ignore,
) -> Sheet:
    """Dream one picture with every layer of a network, or with every channel of one of its layers.

    Args:
        source: film, frames, picture, or `noise:`.
        recipe: everything but the layers; the defaults if None. Its `clip.size` is the size of a cell.
        layer: show the channels of this layer, one by one.
        channels: which ones: `0-31`, `3,7-9`, or `top:48` (default), those that respond most to the picture, in order.
        at: time of the frame in a film, seconds or mm:ss.s; empty for the first frame.
        on_event: called after every cell and for every notice, on this thread.

    Returns:
        A sheet: the source, then a cell for each layer or channel, with the flag that makes it.

    Raises:
        DreamError: a source, time, network, layer or channel that does not exist.
    """
    recipe = recipe or Recipe()
    if channels and not layer:
        raise RecipeError("channels need the name of their layer: give it, like --layer blocks.9")
    from ..networks.load import network_layers

    if layer:
        terms = _channels(source, recipe, at, layer, channels or STRONGEST)
        what = f"channels of {layer}, {network_name(recipe)}"
    else:
        terms = [f"{name}=1" for name in network_layers(recipe.network.model)]
        what = f"every layer of {network_name(recipe)}"
    shown = SheetFrame.read(source, recipe, at, len(terms) + 1)
    pictures = dream_cells(shown, [with_value(recipe, "network", "layers", term) for term in terms], on_event)
    cells = [Cell(flag_text("network", "layers", term), pixels) for term, pixels in zip(terms, pictures, strict=True)]
    return make_sheet(source, at, what, recipe, [Cell("", to_8bit(shown.frame.pixels)), *cells])


def _channels(source: str | Path, recipe: Recipe, at: str, layer: str, written: str) -> list[str]:
    """Return one term for each of a layer's channels, like `blocks.9:3=1`; `written` says which channels."""
    import torch

    from ..dream.objective import terms, text

    (term,) = text.parse_objective(f"{layer}:{written}").terms
    if not isinstance(term, terms.Layer) or term.channels is None:
        raise RecipeError(f"{layer} has no channels: name a layer that has, like --layer blocks.9")
    shown, engine = SheetFrame.read(source, recipe, at, MAX_CELLS), probe_engine(recipe, [term.name])
    with torch.no_grad():
        activation = engine.network(engine.image(shown.frame)[None])[term.name]
    numbers = term.channels.of(activation, term.name).tolist()
    if len(numbers) >= MAX_CELLS:
        raise RecipeError(
            f"{len(numbers)} channels are too many for a sheet: take up to {MAX_CELLS - 1}, like 0-31 or top:48"
        )
    return [str(replace(term, channels=terms.Channels((number,)))) for number in numbers]
