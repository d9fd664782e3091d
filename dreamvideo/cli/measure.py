"""`dreamvideo measure`."""

from __future__ import annotations

import dataclasses
import sys
from typing import Annotated

import tyro

from ..errors import escaped, one_line
from ..recipe import Recipe
from . import flags
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
    from ..analysis import measure as analysis_measure
    from ..media.atomic import check_new_file

    for path, kinds in ((asked.json, (".json",)), (asked.report, (".html", ".png"))):
        if path:
            check_new_file(path, asked.overwrite, kinds)
    recipe = Recipe.load(asked.recipe) if asked.recipe else None
    with Progress() as progress:
        measured = analysis_measure.measure(
            asked.source, asked.dream, recipe,
            truth=asked.flow_truth or None, alone=asked.alone, loop=asked.loop, on_event=progress,
        )  # fmt: skip
    for notice in measured.notices:
        print(f"dreamvideo: {one_line(notice)}", file=sys.stderr)
    print(escaped(measured.text()))
    for path in filter(None, (asked.json, asked.report)):
        measured.save(path, asked.overwrite)
    return 0
