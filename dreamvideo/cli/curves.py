"""`dreamvideo curves`: plot the curves of a recipe over time."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated

from ..recipe import Recipe, preset_tables, read_tables
from . import flags
from .command import Command, Flag


@dataclasses.dataclass(frozen=True)
class CurvesArguments:
    """What to plot, and where to write it."""

    recipe: Annotated[str, Flag("a recipe file, or the name of a preset", "RECIPE", positional=True)]
    out: Annotated[str, Flag("the plot: a .png, .svg or .pdf name (required)", "FILE")]
    source: Annotated[str, Flag("the film to be dreamed; gives the length and frame rate", "FILE")] = ""
    music: Annotated[str, Flag("a song, instead of the recipe's", "FILE")] = ""
    bpm: Annotated[float, Flag("beats per minute; 0: the recipe's", "NUMBER")] = 0.0
    seconds: Annotated[float, Flag("length; 0: that of the film or the song", "NUMBER")] = 0.0
    set: Annotated[tuple[str, ...], Flag("set one parameter, like dream.step=0.02*t; repeatable", "KEY=VALUE")] = ()
    overwrite: Annotated[bool, Flag("replace an existing plot")] = False


COMMAND = Command(
    "dreamvideo curves",
    CurvesArguments,
    ("dreamvideo curves RECIPE --out FILE [FLAGS]",),
    """Plot the curves of a recipe over time, above the waveform, bars, beats and onsets of its music.

  dreamvideo curves look.toml --out curves.png --music song.mp3
  dreamvideo curves pulse --out curves.svg --music song.mp3
""",
)


def curves(argv: list[str]) -> int:
    """Plot the curves of a recipe; return the exit code."""
    arguments = flags.parse(COMMAND, argv)
    from ..curves import plot
    from ..curves.animate import Animation
    from ..jobs.setup import timeline_of

    recipe, audio_cache = _recipe(arguments)
    timeline = timeline_of(recipe, arguments.source, audio_cache)
    plot.plot_curves(Animation(recipe, timeline), arguments.out, arguments.overwrite)
    return 0


def _recipe(arguments: CurvesArguments) -> tuple[Recipe, Path | None]:
    """Return the recipe to plot, and the folder to keep its analysed music in: that of the recipe file."""
    is_file = arguments.recipe.endswith(".toml")
    recipe = Recipe().merge(read_tables(arguments.recipe) if is_file else preset_tables(arguments.recipe))
    music = {key: value for key, value in (("music", arguments.music), ("bpm", arguments.bpm)) if value}
    recipe = recipe.merge({"music": music, "clip": {"seconds": arguments.seconds} if arguments.seconds else {}})
    for assignment in arguments.set:
        recipe = recipe.set(assignment)
    return recipe, Path(arguments.recipe).absolute().parent if is_file else None
