"""`dreamvideo curves`."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated

import tyro

from ..recipe import Recipe, preset_tables, read_tables
from . import flags

CURVES = """Draw the curves of a recipe over time, with its music's waveform, bars, beats and onsets beneath.

  dreamvideo curves look.toml --out curves.png --music song.mp3
"""


@dataclasses.dataclass(frozen=True)
class Drawing:
    """What to draw, and where."""

    recipe: tyro.conf.Positional[Annotated[str, tyro.conf.arg(metavar="RECIPE", help="a recipe file, or preset")]]
    out: Annotated[str, tyro.conf.arg(metavar="FILE", help="a .png, .svg or .pdf name")]
    source: Annotated[str, tyro.conf.arg(metavar="FILM", help="what is to be dreamed: tells length and rate")] = ""
    music: Annotated[str, tyro.conf.arg(metavar="FILE", help="song, instead of the recipe's")] = ""
    bpm: Annotated[float, tyro.conf.arg(help="beats per minute, instead of the recipe's")] = 0.0
    seconds: Annotated[float, tyro.conf.arg(help="length, where nothing else tells it")] = 0.0
    set: Annotated[
        tyro.conf.UseAppendAction[tuple[str, ...]], tyro.conf.arg(metavar="KEY=VALUE", help="like dream.step=0.02*t")
    ] = ()
    overwrite: Annotated[tyro.conf.FlagCreatePairsOff[bool], tyro.conf.arg(help="replace an existing picture")] = False


def curves(argv: list[str]) -> int:
    """Draw the curves of a recipe; return the exit code."""
    asked = flags.read(Drawing, "dreamvideo curves", CURVES, argv)
    from ..curves import plot
    from ..curves.animate import Animation
    from ..jobs.setup import timeline_of

    is_file = asked.recipe.endswith(".toml")
    recipe = Recipe().merge(read_tables(asked.recipe) if is_file else preset_tables(asked.recipe))
    music = {key: value for key, value in (("music", asked.music), ("bpm", asked.bpm)) if value}
    recipe = recipe.merge({"music": music, "clip": {"seconds": asked.seconds} if asked.seconds else {}})
    for assignment in asked.set:
        recipe = recipe.set(assignment)
    keep = Path(asked.recipe).absolute().parent if is_file else None
    plot.plot_curves(Animation(recipe, timeline_of(recipe, asked.source, keep)), asked.out, asked.overwrite)
    return 0
