"""The workers of a render, from the side of who sends them out: who dreams what, what comes of it, who is lost.

A worker is a Ray actor and not a Ray task: Ray ends a process after a task that used a GPU, and the network would be
built anew for every shot. What comes of a shot is asked for segment by segment, which works through Ray's client, too.
"""

from __future__ import annotations

import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...errors import DreamError, SinkError
from ...media.segment import count_frames
from ..events import Event, Listener, Stop
from ..plan import Plan
from ..run_folder import UNFINISHED, RunFolder, Segment
from ..tasks import Task
from . import transfer
from .remote import Ready, RemoteWorker, SegmentMessage, WorkerReport, kind_of

TRIES = 3  # that a task, or a machine, is given in a row
AHEAD = 2  # times that a worker is asked what there is before it has answered, so that it never waits for us
WAIT = 0.2  # s between looking at `stop`
HIRE = 5.0  # s between looking for machines that have joined


@dataclass(eq=False)
class _Worker:
    """A worker, as it is seen from here.

    Attributes:
        actor: Ray's handle.
        name: host and process id; empty until it is ready.
        task: what is left of its task; None if it has none.
        first, index: where the task began, and the frame dreamed last.
    """

    actor: Any
    name: str = ""
    task: Task | None = None
    first: int = 0
    index: int = -1

    @property
    def ahead(self) -> int:
        """Frames that are dreamed and have not come yet."""
        return 0 if self.task is None else max(self.index + 1 - self.task.first, 0)


class Scheduler:
    """All workers of a render.

    Args:
        ray: joined to a cluster.
        plan, folder, checkpoint, on_event: see `Executor.run`.
        workers: how many at most; as many as there is room for if 0.
        in_place: whether inputs are used where workers see them.
    """

    def __init__(
        self, ray: Any, plan: Plan, folder: RunFolder, checkpoint: int, on_event: Listener, workers: int, in_place: bool
    ):
        self._ray, self._plan, self._folder = ray, plan, folder
        self._checkpoint, self._on_event = checkpoint, on_event
        self._most, self._in_place = workers, in_place
        self._gpus = kind_of(plan) == "cuda"
        self._needed = transfer.needed(plan)
        self._brought: dict[str, tuple[str, list[Any]]] = {}
        self._shared = ray.put(plan)
        self._waiting: list[Task] = []
        self._kept = sum(len(segment.checksums) for segment in folder.segments())
        self._workers: list[_Worker] = []
        self._asked: dict[Any, _Worker] = {}  # what workers were asked, and have not answered
        self._failed = Counter[int]()  # times in a row, by the end of the task
        self._unready = 0  # workers in a row that were lost before they had a task
        self._error: DreamError | None = None
        self._stopping, self._hired = False, 0.0

    def take(self, tasks: Sequence[Task]) -> None:
        """Take tasks; the longest is begun first, so that none is left to be waited for at the end."""
        self._waiting = sorted([*self._waiting, *tasks], key=lambda task: task.stop - task.begin)

    def work(self, stop: Stop) -> int:
        """Have all tasks done; return the frames that are kept."""
        while self._workers or (self._waiting and not self._stopping):
            if not self._stopping and (self._error or stop()):
                self._stop()
            self._hire()
            for ref in self._answered():
                worker = self._asked.pop(ref, None)  # that of a worker that was lost meanwhile is none
                if worker is not None:
                    self._hear(worker, ref)
        if self._error:
            raise self._error
        return self._kept

    def _answered(self) -> list[Any]:
        """Return what has been answered, of all that was asked."""
        asked = list(self._asked)
        if not asked:
            time.sleep(WAIT)
            return []
        if not self._ray.wait(asked, timeout=WAIT)[0]:
            return []
        answered: list[Any] = self._ray.wait(asked, num_returns=len(asked), timeout=0)[0]
        return answered

    def _hire(self) -> None:
        """Ask for workers as long as there is more to do than they can take."""
        if self._stopping or not self._waiting or time.monotonic() < self._hired + HIRE * bool(self._workers):
            return
        self._hired = time.monotonic()
        idle = sum(worker.task is None for worker in self._workers)
        places = self._most or self._places()
        for _ in range(min(places - len(self._workers), len(self._waiting) - idle)):
            need = {"num_gpus": 1, "num_cpus": 0} if self._gpus else {"num_cpus": self._plan.threads}
            remote = self._ray.remote(concurrency_groups={"control": 1})(RemoteWorker)
            worker = _Worker(remote.options(**need).remote(self._ray.get))
            self._workers.append(worker)
            self._prepare(worker)

    def _places(self) -> int:
        """Return how many workers there is room for."""
        kind, each = ("GPU", 1) if self._gpus else ("CPU", self._plan.threads)
        places = int(self._ray.cluster_resources().get(kind, 0) // each)
        if not places and not self._workers:
            have = "a GPU" if self._gpus else f"{each} cores"
            raise DreamError(f"no machine has {have} to offer: add one, or take another --device")
        return places

    def _prepare(self, worker: _Worker) -> None:
        ref = worker.actor.prepare.remote(self._shared, self._needed, self._brought, self._in_place)
        self._asked[ref] = worker

    def _hear(self, worker: _Worker, ref: Any) -> None:
        """Take what a worker has to say."""
        try:
            said = self._ray.get(ref)
        except (self._ray.exceptions.RayError, ConnectionError) as error:
            return self._lost(worker, reason(error))
        if isinstance(said, Ready):
            self._ready(worker, said)
        elif worker.task is not None:
            self._told(worker, worker.task, said)
        return None

    def _ready(self, worker: _Worker, said: Ready) -> None:
        worker.name = said.name
        if said.error:
            self._end(worker, said.error)
        elif said.lacks:
            self._bring(worker, said.lacks)
        else:
            self._unready = 0
            self._next(worker)

    def _bring(self, worker: _Worker, lacks: Sequence[str]) -> None:
        """Put what a worker does not see where it can fetch it, once for all workers."""
        for path in lacks:
            if not transfer.seen(path, self._needed[path]):
                return self._end(worker, DreamError(f"{path} has changed since the render began: --restart it"))
            if path not in self._brought:
                self._brought[path] = transfer.called(path), [self._ray.put(block) for block in transfer.blocks(path)]
        return self._prepare(worker)

    def _next(self, worker: _Worker) -> None:
        """Give a worker the longest task there is, or let it go."""
        worker.task = None
        self._forget(worker)  # what it was asked about the task before
        if not self._waiting:
            return self._dismiss(worker)
        task = worker.task = self._waiting.pop()
        worker.first, worker.index = task.first, task.first - 1
        self._asked[worker.actor.dream.remote(task, self._checkpoint)] = worker
        for _ in range(AHEAD - 1):
            self._asked[worker.actor.more.remote()] = worker
        return None

    def _told(self, worker: _Worker, task: Task, said: WorkerReport) -> None:
        worker.index = max(worker.index, said.index)
        for notice in said.notices:
            self._on_event(Event(self._kept, self._plan.count, notice))
        if said.parcel is not None:
            try:
                self._folder.keep(unpack_segment(said.parcel, task, self._folder.path), said.parcel.state)
            except ValueError as error:
                return self._lost(worker, str(error))
            self._kept += len(said.parcel.checksums)
            self._failed[task.stop] = 0
            first = task.first + len(said.parcel.checksums)
            worker.task = task = Task(first, task.stop, first, said.parcel.state)
        self._tell(worker, task)
        if said.error:
            return self._refused(worker, task, said.error)
        if said.over and task.first < task.stop:
            return self._dismiss(worker) if self._stopping else self._lost(worker, "it gave up")
        if task.first >= task.stop:
            return self._next(worker)
        self._asked[worker.actor.more.remote()] = worker
        return None

    def _tell(self, worker: _Worker, task: Task) -> None:
        done = self._kept + sum(other.ahead for other in self._workers)
        total = task.stop - worker.first
        self._on_event(Event(min(worker.index + 1 - worker.first, total), total, worker=worker.name))
        self._on_event(Event(min(done, self._plan.count), self._plan.count))

    def _refused(self, worker: _Worker, task: Task, error: DreamError) -> None:
        """Take an error of the render's own; one of the machine's disk may not come again on another."""
        if isinstance(error, SinkError) and self._failed[task.stop] < TRIES - 1:
            self._lost(worker, str(error))
        else:
            self._end(worker, error)

    def _lost(self, worker: _Worker, reason: str) -> None:
        """Let a worker go that has failed, and have another one go on from what has come of its task."""
        task = worker.task
        self._dismiss(worker)
        if self._stopping:
            return
        if task is None:
            self._unready += 1
            if self._unready == TRIES:
                self._end(None, DreamError(f"{TRIES} workers could not be started, the last one since {reason}"))
            return
        self._failed[task.stop] += 1
        if self._failed[task.stop] < TRIES:
            self._waiting.append(task)
            self._hired = 0.0
            return
        self._end(None, DreamError(f"frames {task.first} to {task.stop - 1} failed {TRIES} times, at last on "
                                   f"{worker.name}: {reason}"))  # fmt: skip

    def _end(self, worker: _Worker | None, error: DreamError) -> None:
        """Begin nothing more; what the others are at is kept, and then the error raised."""
        self._error = self._error or error
        if worker is not None:
            self._dismiss(worker)

    def _stop(self) -> None:
        """Have every worker finish its frame, and let those go that dream none."""
        self._stopping = True
        for worker in list(self._workers):
            if worker.task is None:
                self._dismiss(worker)
            else:
                worker.actor.stop.options(concurrency_group="control").remote()

    def _forget(self, worker: _Worker) -> None:
        """Listen no more to what a worker answers to what it was asked so far."""
        self._asked = {ref: other for ref, other in self._asked.items() if other is not worker}

    def _dismiss(self, worker: _Worker) -> None:
        self._forget(worker)
        self._workers.remove(worker)
        with suppress(Exception):  # it may be gone, and Ray with it
            self._ray.kill(worker.actor)

    def dismiss(self) -> None:
        """Let all workers go at once."""
        for worker in list(self._workers):
            self._dismiss(worker)


def unpack_segment(parcel: SegmentMessage, task: Task, folder: Path) -> Segment:
    """Return the segment that came in a parcel, in a file in a folder.

    Raises:
        ValueError: it is damaged, or not the one that was to come.
    """
    if not parcel.whole or parcel.first != task.first or parcel.first + len(parcel.checksums) > task.stop:
        raise ValueError(f"the segment from frame {task.first} on arrived damaged")
    with tempfile.NamedTemporaryFile(prefix=UNFINISHED, suffix=".mkv", dir=folder, delete=False) as file:
        file.write(parcel.film)
    path = Path(file.name)
    if count_frames(path) != len(parcel.checksums):
        path.unlink()
        raise ValueError(f"the segment from frame {task.first} on holds too few frames")
    return Segment(parcel.first, parcel.checksums, path)


def reason(error: Exception) -> str:
    """Return an error's last line, which says what happened; Ray's own hold the traceback above it."""
    lines = [line.strip() for line in str(getattr(error, "cause", None) or error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__
