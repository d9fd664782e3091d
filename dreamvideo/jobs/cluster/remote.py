"""What runs on a worker of a cluster: a process that dreams task after task and sends back what is finished."""

from __future__ import annotations

import os
import platform
import tempfile
import threading
import time
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ...errors import DreamError
from ..fingerprint import made_with
from ..plan import Plan
from ..tasks import Task
from ..worker import Done, Worker
from . import transfer
from .transfer import Block

REPORT_SECONDS = 0.5  # after which a worker reports its progress
Sent = Mapping[str, tuple[str, Sequence[object]]]  # by path: its name in the cache, and references to its blocks


@dataclass(frozen=True)
class Ready:
    """Whether a worker can dream a plan.

    Attributes:
        name: host and process id.
        lacks: input paths that it does not see, and that have to be sent.
        error: why it cannot dream; None if it can.
    """

    name: str
    lacks: tuple[str, ...] = ()
    error: DreamError | None = None


@dataclass(frozen=True)
class SegmentMessage:
    """A segment on its way.

    Attributes:
        first, checksums: see `Segment`.
        film: the contents of its file.
        state: the state after it.
        crc: the CRC-32 of both.
    """

    first: int
    checksums: tuple[int, ...]
    film: bytes
    state: bytes
    crc: int

    @property
    def intact(self) -> bool:
        """Whether it arrived as it was sent."""
        return zlib.crc32(self.state, zlib.crc32(self.film)) == self.crc


@dataclass(frozen=True)
class WorkerReport:
    """What a worker reports about its task.

    Attributes:
        index: the frame that was dreamed last; −1 for none.
        segment: frames that are finished now.
        notices: sentences for the user.
        over: whether the task has ended.
        error: why it ended, if it is not finished.
    """

    index: int = -1
    segment: SegmentMessage | None = None
    notices: tuple[str, ...] = ()
    over: bool = False
    error: DreamError | None = None


class RemoteWorker:
    """A worker; it builds the network once.

    Its methods are called one after the other, except `stop`, which has a thread of its own.

    Args:
        get: returns the object behind a reference.
    """

    def __init__(self, get: Callable[[object], Block]):
        self._get = get
        self._name = f"{platform.node()}:{os.getpid()}"
        self._stopping = threading.Event()
        self._folder = tempfile.TemporaryDirectory(prefix="dreamvideo-")
        self._worker: Worker | None = None
        self._progress: Iterator[Done] = iter(())

    def prepare(self, plan: Plan, needed: Mapping[str, str], sent: Sent, in_place: bool) -> Ready:
        """Get ready to dream a plan.

        Args:
            plan: as it was made, on whatever machine.
            needed: the files that its frames depend on (see `transfer.needed`).
            sent: those of them that are sent.
            in_place: whether files are used from their own paths if this machine sees them.
        """
        local = {path: path for path, digest in needed.items() if in_place and transfer.is_seen(path, digest)}
        if lacks := tuple(path for path in needed if path not in local and path not in sent):
            return Ready(self._name, lacks)
        try:
            for path in needed.keys() - local.keys():
                name, refs = sent[path]
                local[path] = transfer.fetch(name, needed[path], map(self._get, refs), transfer.cache_folder())
            here = _on_own_device(transfer.relocated(plan, local, Path(self._folder.name, "audio")))
            _check(plan, made_with(here.recipe()), self._name)
            self._worker = Worker(here)
        except DreamError as error:
            return Ready(self._name, error=error)
        return Ready(self._name)

    def dream(self, task: Task, checkpoint: int) -> WorkerReport:
        """Begin a task, and report what came of it (see `Worker.dream`)."""
        assert self._worker is not None
        self._progress = self._worker.dream(task, Path(self._folder.name), checkpoint, self._stopping.is_set)
        return self.more()

    def more(self) -> WorkerReport:
        """Continue the task, and report what came of it: a segment, or how far it is."""
        until, notices, got = time.monotonic() + REPORT_SECONDS, list[str](), None
        try:
            for got in self._progress:
                notices += got.notices
                if got.segment is not None or time.monotonic() > until:
                    return WorkerReport(got.index, _message(got), tuple(notices))
        except DreamError as error:
            return WorkerReport(notices=tuple(notices), over=True, error=error)
        return WorkerReport(got.index if got else -1, notices=tuple(notices), over=True)

    def stop(self) -> None:
        """Finish the frame that is being dreamed, and its segment."""
        self._stopping.set()


def _message(got: Done) -> SegmentMessage | None:
    if got.segment is None or got.state is None:
        return None
    film = got.segment.path.read_bytes()
    got.segment.path.unlink()
    crc = zlib.crc32(got.state, zlib.crc32(film))
    return SegmentMessage(got.segment.first, got.segment.checksums, film, got.state, crc)


def _on_own_device(plan: Plan) -> Plan:
    """Return a plan for this worker's device of the plan's kind: of several GPUs, a worker sees only its own."""
    parts = [
        replace(part, recipe=plan.recipe(part.first).set(f"network.device={plan.device}").to_toml())
        for part in plan.parts
    ]
    return replace(plan, parts=tuple(parts))


def _check(plan: Plan, here: Mapping[str, str], name: str) -> None:
    """Refuse a machine on which frames would come out differently.

    Raises:
        DreamError: it has other versions or another processor, or does not see the folder for octaves.
    """
    for thing, was in plan.made_with.items():
        if here.get(thing) != was:
            raise DreamError(f"on the worker {name} {thing} is {here.get(thing)}, but the render was begun with {was}")
    if plan.save_octaves and not Path(plan.save_octaves).is_dir():
        raise DreamError(
            f"the worker {name} does not see {plan.save_octaves}: give --save-octaves a folder that every machine "
            "sees, or leave it out"
        )
