"""`dreamvideo --batch FILE`: render a list of films, one after the other."""

from __future__ import annotations

import dataclasses
from typing import Annotated

from . import flags
from .command import Command, Flag
from .running import RunArguments, executor
from .terminal import Progress, interruptible, say


@dataclasses.dataclass(frozen=True)
class BatchArguments(RunArguments):
    """Which films."""

    batch: Annotated[str, Flag("the list of jobs, a TOML file", "FILE")]
    overwrite: Annotated[bool, Flag("replace existing outputs")] = False
    work: Annotated[str, Flag("folder for unfinished renders (empty: next to each output)", "FOLDER")] = ""


COMMAND = Command(
    "dreamvideo",
    BatchArguments,
    ("dreamvideo --batch FILE [FLAGS]",),
    """Render many films from a list, one after the other. Called again, it skips those that are done
and continues with the one that was interrupted.

  dreamvideo --batch jobs.toml

The list is a TOML file with a [[job]] for each film: an input and an output, and optionally a
preset, a recipe file, or recipe sections of its own, like [job.dream]. Recipe sections outside of
the jobs, like [dream], apply to all.
""",
)


def batch(argv: list[str]) -> int:
    """Render a list of jobs; return the exit code."""
    arguments = flags.parse(COMMAND, argv)
    from ..jobs.batch import run_batch

    try:
        with interruptible() as stop, Progress() as progress:
            outcomes = run_batch(
                arguments.batch, overwrite=arguments.overwrite, work=arguments.work or None,
                keep_work=arguments.keep_work, checkpoint=arguments.checkpoint,
                executor=lambda: executor(arguments.workers, arguments.cluster), on_event=progress, stop=stop,
            )  # fmt: skip
    except KeyboardInterrupt:
        say("dreamvideo: stopped; the same command goes on")
        return 130
    failed = [outcome for outcome in outcomes if outcome.error]
    stopped = any(outcome.result is not None and outcome.result.stopped for outcome in outcomes)
    done = len(outcomes) - len(failed) - stopped
    say(f"dreamvideo: {done} jobs are done, {len(failed)} failed" + ("; the same command goes on" if stopped else ""))
    return 130 if stopped else 1 if failed else 0
