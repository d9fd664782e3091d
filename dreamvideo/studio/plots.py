"""A recipe's curves over time, as the timeline draws them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ..curves.animate import Animation
from ..curves.timeline import Timeline
from ..jobs.extent import Extent, extent_of, makes_film, song_of
from ..jobs.timelines import selection_of, timeline_for
from ..media.info import Info
from ..media.readers.source import open_source
from ..recipe import Recipe
from .caches import STILL, Cache, extent_key

POINTS = 1200  # of a curve that is drawn
KEPT = 8  # films whose length and timeline are kept


class Plots:
    """Tells what film a recipe makes of a source.

    Args:
        audio_cache: a folder in which the analysis of music is kept.
    """

    def __init__(self, audio_cache: Path):
        self._audio_cache = audio_cache
        self._films = Cache[tuple[Info, Extent, Timeline]](KEPT)

    def film(self, source: str, recipe: Recipe) -> tuple[dict[str, Any], list[str]]:
        """Return the film that a recipe makes of a source: its length, rate, size, and curves.

        Args:
            source: path of the film, frames or picture.
            recipe: all parameters.

        Returns:
            Plain data, and sentences for the user.

        Raises:
            DreamError: the recipe asks for something impossible, or a curve cannot be evaluated.
        """
        info, extent, timeline = self._films.get(extent_key(source, recipe), lambda: self._extent(source, recipe))
        animation = Animation(recipe, timeline)
        points = np.unique(np.linspace(0, len(timeline.t) - 1, POINTS).astype(int))
        curves = {f"{section}.{key}": values for (section, key), values in animation.tracks.items()}
        film = extent.info
        return {
            "count": film.count, "rate": [film.rate.numerator, film.rate.denominator], "width": film.width,
            "height": film.height, "is_film": info.kind != "still" or makes_film(recipe, STILL),
            "begins": float(info.start + info.delay), "times": [round(float(t), 4) for t in timeline.t[points]],
            "curves": {name: [float(f"{v:.5g}") for v in values[points]] for name, values in curves.items()},
        }, list(extent.notices)  # fmt: skip

    def _extent(self, source: str, recipe: Recipe) -> tuple[Info, Extent, Timeline]:
        with open_source(source, selection_of(recipe.clip)) as opened:
            info = opened.info
        extent = extent_of(info, recipe, STILL, song_of(info, recipe))
        return info, extent, timeline_for(info, extent, self._audio_cache)
