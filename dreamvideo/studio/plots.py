"""A recipe's curves over time, as the timeline draws them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ..curves.animate import Animation
from ..jobs.extent import extent_of, song_of
from ..jobs.timelines import selection_of, timeline_for
from ..media.readers.source import open_source
from ..recipe import Recipe

POINTS = 1200  # of a curve that is drawn


def film_of(source: str, recipe: Recipe, audio_cache: Path) -> tuple[dict[str, Any], list[str]]:
    """Return the film that a recipe makes of a source: its length, rate, size, and curves.

    Args:
        source: path of the film, frames or picture.
        recipe: all parameters.
        audio_cache: a folder in which the analysis of music is kept.

    Returns:
        Plain data, and sentences for the user.

    Raises:
        DreamError: the recipe asks for something impossible, or a curve cannot be evaluated.
    """
    with open_source(source, selection_of(recipe.clip)) as opened:
        info = opened.info
    is_film = info.kind != "still" or bool(
        recipe.clip.seconds or recipe.music.music or recipe.camera.then_zoom or recipe.camera.loop
    )
    extent = extent_of(info, recipe, "film.mp4" if is_film else "still.png", song_of(info, recipe))
    timeline = timeline_for(info, extent, audio_cache)
    animation = Animation(extent.recipe, timeline)
    points = np.unique(np.linspace(0, len(timeline.t) - 1, POINTS).astype(int))
    times = timeline.t[points]
    curves = {f"{section}.{key}": values for (section, key), values in animation.tracks.items()}
    return {
        "count": extent.info.count, "rate": [info.rate.numerator, info.rate.denominator], "is_film": is_film,
        "width": extent.info.width, "height": extent.info.height, "sourceFrames": extent.source_frames,
        "begins": float(info.start + info.delay), "times": [round(float(t), 4) for t in times],
        "curves": {name: [float(f"{v:.5g}") for v in values[points]] for name, values in curves.items()},
    }, list(extent.notices)  # fmt: skip
