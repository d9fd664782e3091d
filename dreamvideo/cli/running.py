"""What the subcommands that render have in common."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from ..errors import DreamError
from .terminal import Progress, interruptible, say

if TYPE_CHECKING:
    from ..jobs.events import Result
    from ..jobs.executor import Executor


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
    from ..jobs.cluster.executor import Cluster
    from ..jobs.executor import Inline

    if workers < 0:
        raise DreamError(f"--workers {workers} is none: give how many shots are to be dreamed at once")
    return Cluster(workers, cluster) if workers or cluster else Inline()


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
