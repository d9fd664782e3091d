"""`dreamvideo measure`: measure how steady and how strong a dream is."""

from __future__ import annotations

import dataclasses
from typing import Annotated

from ..errors import escaped
from ..recipe import Recipe
from . import flags
from .command import Command, Flag
from .terminal import Progress, say


@dataclasses.dataclass(frozen=True)
class MeasureArguments:
    """What to measure, and where to write it."""

    source: Annotated[str, Flag("the film that was dreamed", "SOURCE", positional=True)]
    dream: Annotated[str, Flag("the dream made from it", "DREAM", positional=True)]
    report: Annotated[str, Flag("write plots and the worst frames: a .html or .png name", "FILE")] = ""
    json: Annotated[str, Flag("write every number, per frame and in summary", "FILE")] = ""
    recipe: Annotated[str, Flag("recipe the dream was made with (empty: the one in its metadata)", "FILE")] = ""
    alone: Annotated[int, Flag("frames to dream independently, to compare the objective with", "N")] = 4
    flow_truth: Annotated[
        str, Flag("exact flow to the frame before: 00001.flo, and 00001.png, white where it is valid", "FOLDER")
    ] = ""
    loop: Annotated[bool, Flag("measure the seam of a loop, too")] = False
    overwrite: Annotated[bool, Flag("replace existing reports")] = False


COMMAND = Command(
    "dreamvideo measure",
    MeasureArguments,
    ("dreamvideo measure SOURCE DREAM [FLAGS]",),
    """Measure how steady and how strong a dream is, against the source it was made from.

  dreamvideo measure in.mp4 out.mp4 --report report.html

The flicker index is the temporal error that dreaming added, along the motion of the source, as a
share of the dream's strength: 0 is perfectly steady. Read it together with the objective: without
a dream there is no flicker either.
""",
)


def measure(argv: list[str]) -> int:
    """Measure a dream and print the summary; return the exit code."""
    arguments = flags.parse(COMMAND, argv)
    from ..analysis import measure as analysis_measure
    from ..media.atomic import check_new_file

    for path, kinds in ((arguments.json, (".json",)), (arguments.report, (".html", ".png"))):
        if path:
            check_new_file(path, arguments.overwrite, kinds)
    recipe = Recipe.load(arguments.recipe) if arguments.recipe else None
    with Progress() as progress:
        report = analysis_measure.measure(
            arguments.source, arguments.dream, recipe,
            truth=arguments.flow_truth or None, alone=arguments.alone, loop=arguments.loop, on_event=progress,
        )  # fmt: skip
    for notice in report.notices:
        say(f"dreamvideo: {notice}")
    print(escaped(report.text()))
    for path in filter(None, (arguments.json, arguments.report)):
        report.save(path, arguments.overwrite)
    return 0
