"""What the subcommands that render films share: their flags, the executor, and how the end is reported."""

from __future__ import annotations

import dataclasses
import math
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from ..errors import DreamError
from .command import Flag
from .terminal import Progress, interruptible, say

if TYPE_CHECKING:
    from ..jobs.events import Result
    from ..jobs.executor import Executor


@dataclasses.dataclass(frozen=True, kw_only=True)
class RunArguments:
    """How the render runs."""

    checkpoint: Annotated[int, Flag("save progress every N frames, and at least every 30 s", "N")] = 25
    keep_work: Annotated[bool, Flag("keep the run folder after the output is complete")] = False
    workers: Annotated[int, Flag("worker processes, each rendering a shot; 0 renders in this process", "N")] = 0
    cluster: Annotated[str, Flag("render on a Ray cluster: auto, or ray://host:10001", "ADDRESS")] = ""


def executor(workers: int, cluster: str) -> Executor:
    """Return the executor: this process, or worker processes here or on a cluster.

    Raises:
        DreamError: a negative number of workers.
    """
    from ..jobs.cluster.cluster_executor import Cluster
    from ..jobs.executor import Inline

    if workers < 0:
        raise DreamError(f"--workers {workers} is negative: give the number of worker processes, or 0")
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
    except KeyboardInterrupt as error:
        _remove_if_empty(folder, error)
        kept = f"go on with: dreamvideo resume {quoted(folder)}" if folder.exists() else "nothing was written"
        say(f"dreamvideo: stopped; {kept}")
        raise SystemExit(130) from None


def _remove_if_empty(folder: Path, error: KeyboardInterrupt) -> None:
    """Remove a run folder without any work: the interrupt may have come while it was created, or removed."""
    from ..jobs.run_folder import remove_if_empty

    traceback.clear_frames(error.__traceback__)  # else what was interrupted would go on holding the folder's lock
    remove_if_empty(folder)


def report_result(result: Result) -> int:
    """Print how a render ended; return the exit code."""
    if not math.isnan(result.seam):
        say(f"dreamvideo: seam error {result.seam:.3f} (1: no more than from any frame to the next)")
    if not result.stopped:
        return 0
    kept = f"go on with: dreamvideo resume {quoted(Path(result.folder))}" if result.folder else "nothing was written"
    say(f"dreamvideo: stopped after {result.done} of {result.total} frames; {kept}")
    return 130


def quoted(path: Path) -> str:
    """Return a path quoted for a shell."""
    import shlex

    return shlex.quote(str(path))
