"""Gives the tasks of a render to workers, collects what they finish, and replaces workers that are lost.

A worker is a Ray actor and not a Ray task: Ray ends a process after a task that used a GPU, and the network would be
built again for every shot. The segments of a shot are asked for one by one, which also works through Ray's client.
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
from ..events import Control, Event
from ..plan import Plan
from ..run_folder import UNFINISHED, RunFolder, Segment
from ..tasks import Task
from . import transfer
from .remote import Ready, RemoteWorker, SegmentMessage, WorkerReport

TRIES = 3  # in a row, for a task or a machine
AHEAD = 2  # requests that wait at a worker, so that it never waits for the next one
WAIT = 0.2  # s between looking at `stop`
LOOK_FOR_MACHINES = 5.0  # s between looking for machines that have joined


@dataclass(eq=False)
class _Worker:
    """A worker, as the scheduler sees it.

    Attributes:
        actor: Ray's handle.
        name: host and process id; empty until it is ready.
        task: the rest of its task; None if it has none.
        first, index: where the task began, and the frame that was dreamed last.
    """

    actor: Any
    name: str = ""
    task: Task | None = None
    first: int = 0
    index: int = -1

    @property
    def unsent(self) -> int:
        """How many frames are dreamed and have not arrived yet."""
        return 0 if self.task is None else max(self.index + 1 - self.task.first, 0)


class Scheduler:
    """Dreams tasks by workers.

    Args:
        ray: the module, connected to a cluster.
        plan, folder, control: see `Executor.run`.
        workers: how many at most; as many as the cluster has places for if 0.
        in_place: whether workers use input files from their own paths if they see them.
    """

    def __init__(self, ray: Any, plan: Plan, folder: RunFolder, control: Control, workers: int, in_place: bool):
        self._ray, self._plan, self._folder, self._control = ray, plan, folder, control
        self._most, self._in_place = workers, in_place
        self._gpus = plan.device == "cuda"
        self._needed = transfer.needed(plan)
        self._sent: dict[str, tuple[str, list[Any]]] = {}
        self._plan_ref = ray.put(plan)
        self._waiting: list[Task] = []
        self._kept = folder.done
        self._workers: list[_Worker] = []
        self._requests: dict[Any, _Worker] = {}  # that are not answered yet
        self._failed = Counter[int]()  # times in a row, by the end of the task
        self._unready = 0  # workers in a row that were lost before they had a task
        self._error: DreamError | None = None
        self._stopping, self._looked = False, 0.0

    def add(self, tasks: Sequence[Task]) -> None:
        """Add tasks; the longest is begun first, so that none is left to wait for at the end."""
        self._waiting = sorted([*self._waiting, *tasks], key=lambda task: task.stop - task.begin)

    def run(self) -> int:
        """Have all tasks done; return how many of the plan's frames are finished."""
        while self._workers or (self._waiting and not self._stopping):
            if not self._stopping and (self._error or self._control.stop()):
                self._stop()
            self._start_workers()
            for ref in self._answered():
                worker = self._requests.pop(ref, None)  # None for that of a worker that was lost meanwhile
                if worker is not None:
                    self._receive(worker, ref)
        if self._error:
            raise self._error
        return self._kept

    def _answered(self) -> list[Any]:
        """Return the requests that are answered; wait a little for one."""
        requests = list(self._requests)
        if not requests:
            time.sleep(WAIT)
            return []
        if not self._ray.wait(requests, timeout=WAIT)[0]:
            return []
        answered: list[Any] = self._ray.wait(requests, num_returns=len(requests), timeout=0)[0]
        return answered

    def _start_workers(self) -> None:
        """Start workers as long as there is more to do than those that run can take."""
        recently = bool(self._workers) and time.monotonic() < self._looked + LOOK_FOR_MACHINES
        if self._stopping or not self._waiting or recently:
            return
        self._looked = time.monotonic()
        idle = sum(worker.task is None for worker in self._workers)
        places = self._most or self._places()
        for _ in range(min(places - len(self._workers), len(self._waiting) - idle)):
            need = {"num_gpus": 1, "num_cpus": 0} if self._gpus else {"num_cpus": self._plan.threads}
            remote = self._ray.remote(concurrency_groups={"control": 1})(RemoteWorker)
            worker = _Worker(remote.options(**need).remote(self._ray.get))
            self._workers.append(worker)
            self._prepare(worker)

    def _places(self) -> int:
        """Return how many workers the cluster has GPUs or cores for."""
        kind, each = ("GPU", 1) if self._gpus else ("CPU", self._plan.threads)
        places = int(self._ray.cluster_resources().get(kind, 0) // each)
        if not places and not self._workers:
            have = "a GPU" if self._gpus else f"{each} cores"
            raise DreamError(f"no machine has {have} to offer: add one, or choose another --device")
        return places

    def _prepare(self, worker: _Worker) -> None:
        ref = worker.actor.prepare.remote(self._plan_ref, self._needed, self._sent, self._in_place)
        self._requests[ref] = worker

    def _receive(self, worker: _Worker, ref: Any) -> None:
        """Take a worker's answer."""
        try:
            answer = self._ray.get(ref)
        except (self._ray.exceptions.RayError, ConnectionError) as error:
            return self._lost(worker, reason(error))
        if isinstance(answer, Ready):
            self._ready(worker, answer)
        elif worker.task is not None:
            self._reported(worker, worker.task, answer)
        return None

    def _ready(self, worker: _Worker, answer: Ready) -> None:
        worker.name = answer.name
        if answer.error:
            self._end(worker, answer.error)
        elif answer.lacks:
            self._send(worker, answer.lacks)
        else:
            self._unready = 0
            self._next(worker)

    def _send(self, worker: _Worker, lacks: Sequence[str]) -> None:
        """Put files that a worker lacks where it can fetch them, once for all workers."""
        for path in lacks:
            if not transfer.is_seen(path, self._needed[path]):
                return self._end(
                    worker, DreamError(f"{path} has changed since the render began: begin anew with --restart")
                )
            if path not in self._sent:
                refs = [self._ray.put(block) for block in transfer.blocks(path)]
                self._sent[path] = transfer.name_in_cache(path), refs
        return self._prepare(worker)

    def _next(self, worker: _Worker) -> None:
        """Give a worker the longest task that waits, or dismiss it."""
        worker.task = None
        self._forget_requests(worker)  # those about the task before
        if not self._waiting:
            return self._dismiss(worker)
        task = worker.task = self._waiting.pop()
        worker.first, worker.index = task.first, task.first - 1
        self._requests[worker.actor.dream.remote(task, self._control.checkpoint)] = worker
        for _ in range(AHEAD - 1):
            self._requests[worker.actor.more.remote()] = worker
        return None

    def _reported(self, worker: _Worker, task: Task, report: WorkerReport) -> None:
        worker.index = max(worker.index, report.index)
        for notice in report.notices:
            self._control.on_event(Event(self._kept, self._plan.count, notice))
        if report.segment is not None:
            try:
                self._folder.keep(unpack_segment(report.segment, task, self._folder.path), report.segment.state)
            except ValueError as error:
                return self._lost(worker, str(error))
            self._kept += len(report.segment.checksums)
            self._failed[task.stop] = 0
            first = task.first + len(report.segment.checksums)
            worker.task = task = Task(first, task.stop, first, report.segment.state)
        self._show_progress(worker, task)
        if report.error:
            return self._refused(worker, task, report.error)
        if report.over and task.first < task.stop:
            return self._dismiss(worker) if self._stopping else self._lost(worker, "it gave up")
        if task.first >= task.stop:
            return self._next(worker)
        self._requests[worker.actor.more.remote()] = worker
        return None

    def _show_progress(self, worker: _Worker, task: Task) -> None:
        done = self._kept + sum(other.unsent for other in self._workers)
        total = task.stop - worker.first
        self._control.on_event(Event(min(worker.index + 1 - worker.first, total), total, worker=worker.name))
        self._control.on_event(Event(min(done, self._plan.count), self._plan.count))

    def _refused(self, worker: _Worker, task: Task, error: DreamError) -> None:
        """Take an error that ends the render; one about a machine's disk may not happen on another machine."""
        if isinstance(error, SinkError) and self._failed[task.stop] < TRIES - 1:
            self._lost(worker, str(error))
        else:
            self._end(worker, error)

    def _lost(self, worker: _Worker, reason: str) -> None:
        """Dismiss a worker that failed; another one continues its task from the last segment that arrived."""
        task = worker.task
        self._dismiss(worker)
        if self._stopping:
            return
        if task is None:
            self._unready += 1
            if self._unready == TRIES:
                self._end(None, DreamError(f"{TRIES} workers could not be started, the last one because {reason}"))
            return
        self._failed[task.stop] += 1
        if self._failed[task.stop] < TRIES:
            self._waiting.append(task)
            self._looked = 0.0
            return
        self._end(None, DreamError(f"frames {task.first} to {task.stop - 1} failed {TRIES} times, the last time on "
                                   f"{worker.name}: {reason}"))  # fmt: skip

    def _end(self, worker: _Worker | None, error: DreamError) -> None:
        """Begin no further task; raise the error when the other workers have handed in what they are dreaming."""
        self._error = self._error or error
        if worker is not None:
            self._dismiss(worker)

    def _stop(self) -> None:
        """Have every worker finish its frame, and dismiss those that dream none."""
        self._stopping = True
        for worker in list(self._workers):
            if worker.task is None:
                self._dismiss(worker)
            else:
                worker.actor.stop.options(concurrency_group="control").remote()

    def _forget_requests(self, worker: _Worker) -> None:
        """Ignore a worker's answers to the requests so far."""
        self._requests = {ref: other for ref, other in self._requests.items() if other is not worker}

    def _dismiss(self, worker: _Worker) -> None:
        self._forget_requests(worker)
        self._workers.remove(worker)
        with suppress(Exception):  # the worker may be gone, and Ray with it
            self._ray.kill(worker.actor)

    def dismiss_all(self) -> None:
        """End all workers at once."""
        for worker in list(self._workers):
            self._dismiss(worker)


def unpack_segment(message: SegmentMessage, task: Task, folder: Path) -> Segment:
    """Return the segment in a message, written into a file in a folder.

    Raises:
        ValueError: it is damaged, or not the segment that was expected.
    """
    expected = message.first == task.first and message.first + len(message.checksums) <= task.stop
    if not message.intact or not expected:
        raise ValueError(f"the segment from frame {task.first} on arrived damaged")
    with tempfile.NamedTemporaryFile(prefix=UNFINISHED, suffix=".mkv", dir=folder, delete=False) as file:
        file.write(message.film)
    path = Path(file.name)
    if count_frames(path) != len(message.checksums):
        path.unlink()
        raise ValueError(f"the segment from frame {task.first} on holds too few frames")
    return Segment(message.first, message.checksums, path)


def reason(error: Exception) -> str:
    """Return the last line of an error, which says what happened; Ray's errors hold the traceback above it."""
    lines = [line.strip() for line in str(getattr(error, "cause", None) or error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__
