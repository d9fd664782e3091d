"""What runs on a worker of a cluster: a process that dreams task after task, and hands out what comes of them."""

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

TELL = 0.5  # s after which a worker tells how far it is
Brought = Mapping[str, tuple[str, Sequence[object]]]  # by path: what it is called, and references to its blocks


@dataclass(frozen=True)
class Ready:
    """How a worker stands to a plan.

    Attributes:
        name: host and process id.
        lacks: paths that it does not see, and that have to be brought.
        error: why it cannot dream; None if it can.
    """

    name: str
    lacks: tuple[str, ...] = ()
    error: DreamError | None = None


@dataclass(frozen=True)
class SegmentMessage:
    """A segment on its way.

    Attributes:
        first, checksums: see `Piece`.
        film: the bytes of its file.
        state: what is gone on from after it.
        crc: the CRC-32 of both.
    """

    first: int
    checksums: tuple[int, ...]
    film: bytes
    state: bytes
    crc: int

    @property
    def whole(self) -> bool:
        """Whether it has arrived as it was sent."""
        return zlib.crc32(self.state, zlib.crc32(self.film)) == self.crc


@dataclass(frozen=True)
class WorkerReport:
    """What a worker has to tell of its task.

    Attributes:
        index: the frame that was dreamed last; −1 for none.
        parcel: frames that are finished.
        notices: sentences for the user.
        over: whether nothing more comes.
        error: why that is, if it is not done.
    """

    index: int = -1
    parcel: SegmentMessage | None = None
    notices: tuple[str, ...] = ()
    over: bool = False
    error: DreamError | None = None


class RemoteWorker:
    """A worker; it builds the network once.

    Its methods are called one after the other, but for `stop`, which has a thread of its own.

    Args:
        get: returns what a reference refers to.
    """

    def __init__(self, get: Callable[[object], Block]):
        self._get = get
        self._name = f"{platform.node()}:{os.getpid()}"
        self._stopping = threading.Event()
        self._folder = tempfile.TemporaryDirectory(prefix="dreamvideo-")
        self._worker: Worker | None = None
        self._dreams: Iterator[Done] = iter(())

    def prepare(self, plan: Plan, needed: Mapping[str, str], brought: Brought, in_place: bool) -> Ready:
        """Take up a plan.

        Args:
            plan: as it was made, wherever that was.
            needed: its inputs (see `freight.needed`).
            brought: those that travel.
            in_place: whether inputs are used where they lie, if they are seen.
        """
        where = {path: path for path, wanted in needed.items() if in_place and transfer.seen(path, wanted)}
        if lacks := tuple(path for path in needed if path not in where and path not in brought):
            return Ready(self._name, lacks)
        try:
            for path in needed.keys() - where.keys():
                name, refs = brought[path]
                where[path] = transfer.fetch(name, needed[path], map(self._get, refs), transfer.store())
            here = _on(kind_of(plan), transfer.unpacked(plan, where, Path(self._folder.name, "heard")))
            _check(plan, made_with(here.recipe()), self._name)
            self._worker = Worker(here)
        except DreamError as error:
            return Ready(self._name, error=error)
        return Ready(self._name)

    def dream(self, task: Task, checkpoint: int) -> WorkerReport:
        """Begin a task, and tell what has come of it (see `Worker.dream`)."""
        assert self._worker is not None
        self._dreams = self._worker.dream(task, Path(self._folder.name), checkpoint, self._stopping.is_set)
        return self.more()

    def more(self) -> WorkerReport:
        """Go on, and tell what has come of it: a segment, or how far it is."""
        until, notices, got = time.monotonic() + TELL, list[str](), None
        try:
            for got in self._dreams:
                notices += got.notices
                if got.segment is not None or time.monotonic() > until:
                    return WorkerReport(got.index, _parcel(got), tuple(notices))
        except DreamError as error:
            return WorkerReport(notices=tuple(notices), over=True, error=error)
        return WorkerReport(got.index if got else -1, notices=tuple(notices), over=True)

    def stop(self) -> None:
        """Finish the frame that is being dreamed, and close its segment."""
        self._stopping.set()


def _parcel(got: Done) -> SegmentMessage | None:
    if got.segment is None or got.state is None:
        return None
    film = got.segment.path.read_bytes()
    got.segment.path.unlink()
    return SegmentMessage(
        got.segment.first, got.segment.checksums, film, got.state, zlib.crc32(got.state, zlib.crc32(film))
    )


def kind_of(plan: Plan) -> str:
    """Return the kind of device that a plan was made for."""
    told = plan.made_with["the device"].split()[0]
    return told if told in ("cpu", "mps") else "cuda"  # which goes by the card's own name


def _on(kind: str, plan: Plan) -> Plan:
    """Return a plan for a kind of device: of several GPUs a worker sees its own alone."""
    parts = [
        replace(part, recipe=plan.recipe(part.first).set(f"network.device={kind}").to_toml()) for part in plan.parts
    ]
    return replace(plan, parts=tuple(parts))


def _check(plan: Plan, here: Mapping[str, str], name: str) -> None:
    """Refuse a machine on which frames would come out otherwise.

    Raises:
        DreamError: it is one; or it does not see the folder for octaves.
    """
    for thing, was in plan.made_with.items():
        if here.get(thing) != was:
            raise DreamError(f"on the worker {name} {thing} is {here.get(thing)}, and the render is begun with {was}")
    if plan.save_octaves and not Path(plan.save_octaves).is_dir():
        raise DreamError(
            f"the worker {name} does not see {plan.save_octaves}: give --save-octaves a folder that every machine "
            "sees, or leave it out"
        )
