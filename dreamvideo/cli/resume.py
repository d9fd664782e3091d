"""`dreamvideo resume`."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated

import tyro

from . import flags
from .running import Running, executor, tell, working
from .terminal import Progress, say

RESUME = """Go on with a render that was cut off, from its run folder; the same command as before does so, too.

  dreamvideo resume out.mp4.dream                  what was dreamed is kept, and the rest comes out as if unbroken
  dreamvideo resume out.mp4.dream --assemble-now   only write what there is so far into out.partial.mp4
"""


@dataclasses.dataclass(frozen=True)
class Resuming(Running):
    """What to go on with."""

    folder: tyro.conf.Positional[Annotated[str, tyro.conf.arg(metavar="FOLDER", help="the run folder")]]
    assemble_now: Annotated[
        tyro.conf.FlagCreatePairsOff[bool],
        tyro.conf.arg(help="write what is done into a playable file beside the output; while it is rendered, too"),
    ] = False
    overwrite: Annotated[tyro.conf.FlagCreatePairsOff[bool], tyro.conf.arg(help="replace an existing output")] = False


def resume(argv: list[str]) -> int:
    """Go on with a render; return the exit code."""
    asked = flags.read(Resuming, "dreamvideo resume", RESUME, argv)
    from ..jobs import api

    folder = Path(asked.folder)
    if asked.assemble_now:
        with Progress() as progress:
            result = api.assemble_now(folder, overwrite=asked.overwrite, on_event=progress)
        say(f"dreamvideo: {result.path} holds the {result.done} of {result.total} frames that are done")
        return 0
    with working(folder) as (progress, stop):
        result = api.resume(
            folder, overwrite=asked.overwrite, keep_work=asked.keep_work, checkpoint=asked.checkpoint,
            executor=executor(asked.workers, asked.cluster), on_event=progress, stop=stop,
        )  # fmt: skip
    return tell(result)
