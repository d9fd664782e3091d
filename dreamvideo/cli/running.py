"""How renders are run: `resume`, `--batch`, workers, and what is said when one stops."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from ..errors import DreamError
from . import flags
from .terminal import Progress, interruptible, say

if TYPE_CHECKING:
    from ..job import Executor, Result


@dataclasses.dataclass(frozen=True, kw_only=True)
class Running:
    """How a render is run, whatever comes of it."""

    checkpoint: Annotated[
        int, tyro.conf.arg(metavar="FRAMES", help="how many are dreamed again at most, if it is cut off")
    ] = 25
    keep_work: Annotated[
        tyro.conf.FlagCreatePairsOff[bool], tyro.conf.arg(help="leave the run folder when the output is whole")
    ] = False
    workers: Annotated[
        int, tyro.conf.arg(metavar="N", help="dream so many shots at once, each in a process of its own; 0: one here")
    ] = 0
    cluster: Annotated[
        str, tyro.conf.arg(metavar="ADDRESS", help="dream on a Ray cluster: auto, or ray://host:10001")
    ] = ""


def executor(workers: int, cluster: str) -> Executor:
    """Return what dreams the frames: this process, or workers here or on a cluster."""
    from .. import job

    if workers < 0:
        raise DreamError(f"--workers {workers} is none: give how many shots are to be dreamed at once")
    return job.Cluster(workers, cluster) if workers or cluster else job.Inline()


@contextmanager
def working(folder: Path) -> Iterator[tuple[Progress, Callable[[], bool]]]:
    """Yield a progress bar, and what tells whether the user has asked to stop.

    Args:
        folder: the run folder, which is named where the work ends at once.
    """
    try:
        with interruptible() as stop, Progress() as progress:
            yield progress, stop
    except KeyboardInterrupt:
        kept = f"go on with: dreamvideo resume {quoted(folder)}" if folder.exists() else "nothing was written"
        say(f"dreamvideo: stopped; {kept}")
        raise SystemExit(130) from None


def tell(result: Result) -> int:
    """Say how a render has ended, and return the exit code."""
    if not math.isnan(result.seam):
        say(f"dreamvideo: seam error {result.seam:.3f} (1: as from any frame to the next)")
    if not result.stopped:
        return 0
    kept = f"go on with: dreamvideo resume {quoted(Path(result.folder))}" if result.folder else "nothing was written"
    say(f"dreamvideo: stopped after {result.done} of {result.total} frames; {kept}")
    return 130


def quoted(path: Path) -> str:
    """Return a path as a shell takes it."""
    import shlex

    return shlex.quote(str(path))


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
    from .. import job

    try:
        with interruptible() as stop, Progress() as progress:
            outcomes = job.run_batch(
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
    from .. import job

    folder = Path(asked.folder)
    if asked.assemble_now:
        with Progress() as progress:
            result = job.assemble_now(folder, overwrite=asked.overwrite, on_event=progress)
        say(f"dreamvideo: {result.path} holds the {result.done} of {result.total} frames that are done")
        return 0
    with working(folder) as (progress, stop):
        result = job.resume(
            folder, overwrite=asked.overwrite, keep_work=asked.keep_work, checkpoint=asked.checkpoint,
            executor=executor(asked.workers, asked.cluster), on_event=progress, stop=stop,
        )  # fmt: skip
    return tell(result)
