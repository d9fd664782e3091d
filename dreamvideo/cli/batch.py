"""`dreamvideo --batch`."""

from __future__ import annotations

import dataclasses
from typing import Annotated

import tyro

from . import flags
from .running import Running, executor
from .terminal import Progress, interruptible, say

BATCH = """Render many films, one after the other, from a list; called again, it goes on where it was cut off.

  dreamvideo --batch jobs.toml

The list is TOML: a [[job]] for each with its input and output, and a preset, a recipe file or sections of its own, like
[job.dream], where it has any; sections outside of them, like [dream], are shared by all.
"""


@dataclasses.dataclass(frozen=True)
class Batch(Running):
    """Which list, and how."""

    batch: Annotated[str, tyro.conf.arg(metavar="FILE", help="the list")]
    overwrite: Annotated[tyro.conf.FlagCreatePairsOff[bool], tyro.conf.arg(help="replace existing outputs")] = False
    work: Annotated[str, tyro.conf.arg(metavar="DIR", help="keep what is done in here (empty: beside outputs)")] = ""


def batch(argv: list[str]) -> int:
    """Render a list of jobs; return the exit code."""
    asked = flags.read(Batch, "dreamvideo", BATCH, argv)
    from ..jobs.batch import run_batch

    try:
        with interruptible() as stop, Progress() as progress:
            outcomes = run_batch(
                asked.batch, overwrite=asked.overwrite, work=asked.work or None, keep_work=asked.keep_work,
                checkpoint=asked.checkpoint, executor=lambda: executor(asked.workers, asked.cluster),
                on_event=progress, stop=stop,
            )  # fmt: skip
    except KeyboardInterrupt:
        say("dreamvideo: stopped; the same command goes on")
        return 130
    failed = [outcome for outcome in outcomes if outcome.error]
    stopped = any(outcome.result is not None and outcome.result.stopped for outcome in outcomes)
    done = len(outcomes) - len(failed) - stopped
    say(f"dreamvideo: {done} jobs are done, {len(failed)} failed" + ("; the same command goes on" if stopped else ""))
    return 130 if stopped else 1 if failed else 0
