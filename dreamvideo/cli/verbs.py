"""The verbs that measure, draw and tell: `measure`, `curves`, `show`, `presets`."""

from __future__ import annotations

import dataclasses
import itertools
import sys
from pathlib import Path
from typing import Annotated

import tyro

from ..errors import harmless, plain
from ..recipe import Recipe, preset_tables, preset_text, presets, read_tables
from . import flags, looking
from .terminal import Progress

MEASURING = """Measure how steady and how strong a dream is, against the source it was made from.

  dreamvideo measure in.mp4 out.mp4 --report report.html

The flicker index is the temporal error that dreaming added, along the motion of the source, as a share of the dream's
strength: 0 is rock-steady. Read it beside the objective: no dream has no flicker.
"""


@dataclasses.dataclass(frozen=True)
class Measuring:
    """What to measure, and where to write it."""

    source: tyro.conf.Positional[Annotated[str, tyro.conf.arg(metavar="SOURCE", help="what was dreamed")]]
    dream: tyro.conf.Positional[Annotated[str, tyro.conf.arg(metavar="DREAM", help="what came of it")]]
    json: Annotated[str, tyro.conf.arg(metavar="FILE", help="write every number here, per frame and in all")] = ""
    report: Annotated[str, tyro.conf.arg(metavar="FILE", help="plots and worst frames: a .html or .png name")] = ""
    recipe: Annotated[
        str, tyro.conf.arg(metavar="FILE", help="what it was dreamed with (empty: the recipe inside the dream)")
    ] = ""
    alone: Annotated[
        int, tyro.conf.arg(metavar="FRAMES", help="dream so many frames alone, to compare the objective with")
    ] = 4
    flow_truth: Annotated[
        str,
        tyro.conf.arg(
            metavar="FOLDER", help="exact flow to the frame before: 00001.flo, and 00001.png: where it holds"
        ),
    ] = ""
    loop: Annotated[tyro.conf.FlagCreatePairsOff[bool], tyro.conf.arg(help="measure the seam of a loop, too")] = False
    overwrite: Annotated[tyro.conf.FlagCreatePairsOff[bool], tyro.conf.arg(help="replace existing reports")] = False


def measure(argv: list[str]) -> int:
    """Measure a dream; return the exit code."""
    asked = flags.read(Measuring, "dreamvideo measure", MEASURING, argv)
    from .. import report

    for path, kinds in ((asked.json, (".json",)), (asked.report, (".html", ".png"))):
        if path:
            report.check_report(path, asked.overwrite, kinds)
    recipe = Recipe.load(asked.recipe) if asked.recipe else None
    with Progress() as progress:
        measured = report.measure(
            asked.source, asked.dream, recipe,
            truth=asked.flow_truth or None, alone=asked.alone, loop=asked.loop, on_event=progress,
        )  # fmt: skip
    for notice in measured.notices:
        print(f"dreamvideo: {plain(notice)}", file=sys.stderr)
    print(harmless(measured.text()))
    for path in filter(None, (asked.json, asked.report)):
        measured.save(path, asked.overwrite)
    return 0


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
    from .. import drawing

    is_file = asked.recipe.endswith(".toml")
    recipe = Recipe().merge(read_tables(asked.recipe) if is_file else preset_tables(asked.recipe))
    music = {key: value for key, value in (("music", asked.music), ("bpm", asked.bpm)) if value}
    recipe = recipe.merge({"music": music, "clip": {"seconds": asked.seconds} if asked.seconds else {}})
    for assignment in asked.set:
        recipe = recipe.set(assignment)
    keep = Path(asked.recipe).absolute().parent if is_file else None
    drawing.curves(recipe, asked.out, asked.source, asked.overwrite, keep)
    return 0


PRESETS = """List the recipes that come with dreamvideo, print one of them, or dream a picture by each.

  dreamvideo presets                       a line each: its name, and what it is for
  dreamvideo presets pulse                 the recipe itself, to look at or to start from
  dreamvideo presets photo.jpg looks.png   a sheet; more with presets photo.jpg looks.png --help
"""


@dataclasses.dataclass(frozen=True)
class Listing:
    """Which preset."""

    name: tyro.conf.Positional[Annotated[str, tyro.conf.arg(metavar="[NAME]", help="print this one")]] = ""


def list_presets(argv: list[str]) -> int:
    """List the presets, print one, or draw a sheet of them; return the exit code."""
    if len(argv) > 1:
        return looking.presets(argv)
    asked = flags.read(Listing, "dreamvideo presets", PRESETS, argv)
    if asked.name:
        print(preset_text(asked.name), end="")
        return 0
    names = presets()
    for name in names:
        print(f"{name:<{max(map(len, names))}}  {_purpose(preset_text(name))}")
    return 0


def _purpose(text: str) -> str:
    """Return the first sentence of the comment that a recipe begins with."""
    comment = itertools.takewhile(lambda line: line.startswith("#"), text.splitlines())
    return " ".join(line.lstrip("# ") for line in comment).partition(". ")[0].rstrip(".")


def show(path: str) -> int:
    """Print the recipe inside a file; return the exit code."""
    from ..media import read_recipe

    print(harmless(read_recipe(path)), end="")
    return 0
