"""Writes finished pictures into an output, holding back flashes that come too fast where the recipe asks for it."""

from __future__ import annotations

from torch import Tensor

from ..curves.animate import follows_sound
from ..finish.flash import FlashLimiter
from ..media.writers.sink import Sink
from ..recipe import Recipe
from .events import Event, Listener
from .setup import Setup

WRITING = "writing"  # the phase in which the output is written


def limits_flashes(recipe: Recipe) -> bool:
    """Tell whether flashes are held back: always, or where a curve follows sound."""
    wanted = recipe.finish.flash_limit
    return wanted == "on" or (wanted == "auto" and follows_sound(recipe))


class FlashLimitedWriter:
    """Writes pictures into a sink, one after the other.

    Args:
        sink: takes the pictures.
        setup: what is rendered.
        total: how many pictures are expected.
        on_event: called after every picture.
    """

    def __init__(self, sink: Sink, setup: Setup, total: int, on_event: Listener):
        self._sink, self._total, self._on_event = sink, total, on_event
        self._limit = FlashLimiter(setup.info.rate) if limits_flashes(setup.recipe) else None

    def write(self, picture: Tensor) -> Tensor:
        """Write the next picture, RGB in [0, 1], (3, H, W); return it as it was written."""
        if self._limit is not None:
            picture = self._limit(picture)
        self._sink.write(picture)
        self._on_event(Event(self._sink.count, self._total, phase=WRITING))
        return picture

    def finish(self) -> None:
        """Report how many pictures were changed."""
        if self._limit is not None and self._limit.held:
            notice = f"{self._limit.held} frames would have flashed too fast, and were held back"
            self._on_event(Event(self._sink.count, self._total, notice))
