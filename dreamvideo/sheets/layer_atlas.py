"""The layer atlas: one picture, dreamed with every layer of a network or every channel of a layer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from ..errors import RecipeError
from ..jobs.events import Event
from ..media.pixels import to_8bit
from ..recipe import Recipe
from .cells import MOST, Shown, changed, dreamed, flag, ignore, looking, network, titled
from .contact_sheet import Cell, Sheet

STRONGEST = "top:48"  # the channels shown unless told


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
        source: film, frames, picture, or `noise:`; of several frames the first is dreamed.
        recipe: everything but the layers; the defaults if None. Its `clip.size` is a cell's.
        layer: show this layer's channels, one by one.
        channels: which: `0-31`, `3,7-9`, or `top:48` (default), those that respond most to the picture, in order.
        at: the moment of a film to take its frame from, seconds or mm:ss.s.
        on_event: called after every cell and for every notice, on this thread.

    Returns:
        A sheet: the source, then a cell for each, with the flag that makes it.

    Raises:
        DreamError: the source, moment, network, layer or channels cannot be had.
    """
    recipe = recipe or Recipe()
    if channels and not layer:
        raise RecipeError("channels are one layer's: name it, like --layer blocks.9")
    from ..networks.load import network_layers

    if layer:
        terms = _channels(source, recipe, at, layer, channels or STRONGEST)
        what = f"channels of {layer}, {network(recipe)}"
    else:
        terms = [f"{name}=1" for name in network_layers(recipe.network.model)]
        what = f"every layer of {network(recipe)}"
    shown = Shown.of(source, recipe, at, len(terms) + 1)
    pictures = dreamed(shown, [changed(recipe, "network", "layers", term) for term in terms], on_event)
    cells = [Cell(flag("network", "layers", term), pixels) for term, pixels in zip(terms, pictures, strict=True)]
    return titled(source, at, what, recipe, [Cell("", to_8bit(shown.frame.pixels)), *cells])


def _channels(source: str | Path, recipe: Recipe, at: str, layer: str, written: str) -> list[str]:
    """Return the terms of a layer's channels, one by one, as they are written."""
    import torch

    from ..dream.objective import terms, text

    (term,) = text.parse_objective(f"{layer}:{written}").terms
    if not isinstance(term, terms.Layer) or term.channels is None:
        raise RecipeError(f"{layer} is no layer that has channels: name one, like --layer blocks.9")
    shown, engine = Shown.of(source, recipe, at, MOST), looking(recipe, [term.name])
    with torch.no_grad():
        activation = engine.network(engine.image(shown.frame)[None])[term.name]
    numbers = term.channels.of(activation, term.name).tolist()
    if len(numbers) >= MOST:
        raise RecipeError(
            f"{len(numbers)} channels are too many for a sheet: take up to {MOST - 1}, like 0-31 or top:48"
        )
    return [str(replace(term, channels=terms.Channels((number,)))) for number in numbers]
