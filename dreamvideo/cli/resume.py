"""`dreamvideo resume`: continue an interrupted render."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated

from . import flags
from .command import Command, Flag
from .running import RunArguments, executor, report_result, working
from .terminal import Progress, say


@dataclasses.dataclass(frozen=True)
class ResumeArguments(RunArguments):
    """Which render."""

    folder: Annotated[str, Flag("the run folder of the interrupted render", "FOLDER", positional=True)]
    assemble_now: Annotated[
        bool, Flag("only write the frames so far into a playable file; even while it is rendered")
    ] = False
    overwrite: Annotated[bool, Flag("replace an existing output")] = False


COMMAND = Command(
    "dreamvideo resume",
    ResumeArguments,
    ("dreamvideo resume FOLDER [FLAGS]",),
    """Continue an interrupted render from its run folder; repeating the original command does the same.

  dreamvideo resume out.mp4.dream                  keep the frames so far and render the rest
  dreamvideo resume out.mp4.dream --assemble-now   write the frames so far into out.partial.mp4
""",
)


def resume(argv: list[str]) -> int:
    """Continue a render; return the exit code."""
    arguments = flags.parse(COMMAND, argv)
    from ..jobs import api

    folder = Path(arguments.folder)
    if arguments.assemble_now:
        with Progress() as progress:
            result = api.assemble_now(folder, overwrite=arguments.overwrite, on_event=progress)
        say(f"dreamvideo: {result.path} holds the {result.done} of {result.total} frames that are done")
        return 0
    with working(folder) as (progress, stop):
        result = api.resume(
            folder, overwrite=arguments.overwrite, keep_work=arguments.keep_work, checkpoint=arguments.checkpoint,
            executor=executor(arguments.workers, arguments.cluster), on_event=progress, stop=stop,
        )  # fmt: skip
    return report_result(result)
