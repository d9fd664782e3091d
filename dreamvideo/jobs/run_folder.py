"""The run folder: a render's plan, its finished segments and the states it can go on from, each written whole or not.

    out.mp4.dream/
        plan.json                            what is rendered
        00000000.mkv  00000000.json          a segment: frames from 0 on, without loss, and a checksum of each
        00000025-1c291ca3.state              what frame 25 goes on from; the name holds its checksum
        lock                                 held while somebody works on it

A segment is there once its .json is, which is written last.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from ..errors import DreamError, SinkError
from ..media.paths import PATTERN
from .plan import Plan

SUFFIX = ".dream"
WRITTEN = r"\d{8}\.(mkv|json)|\d{8}-[0-9a-f]{8}\.state|plan\.json|assembling|layers(-\w+)?"
LEFT = re.compile(rf"unfinished-.*\.mkv|({WRITTEN})\.part|.*\.sound\.part|\..*-\w{{8}}\.\w+")  # by who was cut off
OURS = re.compile(rf"{WRITTEN}|{LEFT.pattern}")
HEARD = re.compile(r".*\.sound\.npz")  # in the music (see `audio.analyse`)
UNFINISHED = "unfinished-"  # what a segment's name begins with until it is finished
LATEST = 10**8  # above the number of any state
SPACED = 100  # frames; states that are no longer the latest are kept this far by_shot


@dataclass(frozen=True)
class Segment:
    """Some frames, one after the other, in a file.

    Attributes:
        first: the number of the first.
        checksums: the checksum of every one.
        path: of the file.
    """

    first: int
    checksums: tuple[int, ...]
    path: Path

    @property
    def stop(self) -> int:
        """The number of the frame after the last."""
        return self.first + len(self.checksums)


def run_folder(output: str, work: str | Path | None) -> Path:
    """Return where the run folder of an output lies: beside it, or in another folder, by a name of its own there."""
    where = Path(output.rstrip("/"))
    name = PATTERN.sub("frames", where.name)
    if not work:
        return where.parent / f"{name}{SUFFIX}"
    place = hashlib.blake2b(os.path.abspath(output).encode(errors="surrogateescape"), digest_size=4).hexdigest()
    return Path(work) / f"{name}-{place}{SUFFIX}"


class RunFolder:
    """A run folder, locked until it is closed.

    Args:
        path: there or not yet.

    Raises:
        SinkError: it cannot be made, or is a folder of something else.
        DreamError: somebody else is at work on it.
    """

    def __init__(self, path: Path):
        self.path = path.absolute()
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            there = set(os.listdir(self.path))
            if there and not there & {"plan.json", "lock"}:
                raise SinkError(
                    f"{path} is a folder of something else: give --work another one to keep what is done in"
                )
            self._lock = FileLock(self.path / "lock")
            self._lock.acquire(timeout=0)
            self._clear(LEFT)
        except Timeout:
            raise DreamError(f"another dreamvideo is at work on {path}: let it finish, or stop it") from None
        except OSError as error:
            raise SinkError(
                f"cannot write into {self.path.parent} ({error.strerror}): choose another folder, or one for --work"
            ) from error

    @property
    def plan(self) -> Plan | None:
        """What is rendered here; None where nothing was begun."""
        file = self.path / "plan.json"
        return Plan.read(file) if file.exists() else None

    def begin(self, plan: Plan) -> None:
        """Keep a plan."""
        self._write("plan.json", plan.text().encode())

    @property
    def assembling(self) -> bool:
        """Whether the output is being brought to its name, so that what stands there is its own."""
        return (self.path / "assembling").exists()

    @assembling.setter
    def assembling(self, begun: bool) -> None:
        if begun:
            self._write("assembling", b"")
        else:
            (self.path / "assembling").unlink(missing_ok=True)

    def empty(self) -> None:
        """Throw away what was dreamed."""
        self._clear(OURS)

    def _clear(self, names: re.Pattern[str]) -> None:
        """Remove files whose names are known to be ours; whatever else lies there stays."""
        for file in self.path.iterdir():
            if names.fullmatch(file.name):
                file.unlink(missing_ok=True)

    def segments(self) -> list[Segment]:
        """Return the segments that are there, in order; what is no whole segment is none."""
        return list(read_segments(self.path))

    def keep(self, segment: Segment, state: bytes) -> None:
        """Take a segment, whose file is moved here, and the state after it.

        Raises:
            SinkError: there is no room for it.
        """
        try:
            final = self.path / f"{segment.first:08d}.mkv"
            _flushed(segment.path)
            os.replace(segment.path, final)
        except OSError as error:
            raise _full(self.path, error) from error
        record = {"first": segment.first, "size": final.stat().st_size, "checksums": segment.checksums}
        self._write(f"{segment.first:08d}.json", json.dumps(record).encode())
        self.save(segment.stop, state, segment.first)

    def save(self, index: int, state: bytes, before: int | None = None) -> None:
        """Keep the state that a frame goes on from, and let go of the one `before`, if it makes that needless.

        Where none is named it is the latest; several shots may be dreamed at once, each with a latest state of its own.
        """
        self._write(f"{index:08d}-{zlib.crc32(state):08x}.state", state)
        *older, last = [number for number, _ in _states(self.path) if number < index] or [0]
        if last and before in (None, last) and last - (older[-1] if older else 0) < SPACED:
            self._drop_states(last, last + 1)

    def save_only(self, index: int, state: bytes) -> None:
        """Keep a state, and no other."""
        self.save(index, state)
        self._drop_states(0, index)

    def state(self, index: int) -> tuple[int, bytes] | None:
        """Return the number of the latest frame, at or before one, whose state is there and whole, and that state."""
        return latest_state(self.path, index)

    def forget(self, segment: Path) -> None:
        """Let go of a segment that is damaged, by its file: its frames are missing from now on."""
        segment.with_suffix(".json").unlink(missing_ok=True)
        segment.unlink(missing_ok=True)

    def drop(self, first: int) -> None:
        """Let go of all segments that reach beyond a frame, and of all states after it."""
        for segment in self.segments():
            if segment.stop > first:
                self.forget(segment.path)
        self._drop_states(first + 1, None)

    def _drop_states(self, first: int, stop: int | None) -> None:
        for number, file in _states(self.path):
            if number >= first and (stop is None or number < stop):
                file.unlink()

    def _write(self, name: str, data: bytes) -> None:
        whole, partial = self.path / name, self.path / f"{name}.part"
        try:
            partial.write_bytes(data)
            _flushed(partial)
            os.replace(partial, whole)
            _flushed(self.path)
        except OSError as error:
            partial.unlink(missing_ok=True)
            raise _full(self.path, error) from error

    @property
    def holds_work(self) -> bool:
        """Whether there is anything in it that was dreamed."""
        return bool(self.segments() or _states(self.path))

    def close(self) -> None:
        """Let others work on it; it is removed where there is nothing to go on with."""
        if not self.holds_work:
            self.remove()
        self._lock.release()

    def remove(self) -> None:
        """Remove it with all that was kept in it."""
        with contextlib.suppress(OSError):  # a player may hold a segment open
            self.empty()
            self._clear(HEARD)
            if os.name != "posix":  # nobody takes what we still hold; elsewhere that cannot be removed
                self._lock.release()
            (self.path / "lock").unlink()
            self.path.rmdir()


def read_segments(folder: Path) -> Iterator[Segment]:
    """Yield the segments in a run folder, in order, whoever is at work on it."""
    stop = 0
    for file in sorted(folder.glob("????????.json")):
        try:
            record = json.loads(file.read_text(encoding="utf-8"))
            segment = Segment(record["first"], tuple(record["checksums"]), file.with_suffix(".mkv"))
            if segment.first >= stop and segment.path.stat().st_size == record["size"]:
                yield segment
                stop = segment.stop
        except (OSError, ValueError, KeyError, TypeError):
            continue  # it is dreamed again


def latest_state(folder: Path, index: int = LATEST) -> tuple[int, bytes] | None:
    """Return the number and bytes of the latest state in a run folder that is whole, at or before a frame."""
    for number, file in reversed(_states(folder)):
        try:
            data = file.read_bytes() if number <= index else b""
        except OSError:  # somebody is at work, and has let go of it
            continue
        if data and file.stem.endswith(f"-{zlib.crc32(data):08x}"):
            return number, data
    return None


def _states(folder: Path) -> list[tuple[int, Path]]:
    return sorted((int(file.name[:8]), file) for file in folder.glob("????????-????????.state"))


def _flushed(path: Path) -> None:
    """Make sure that a file or folder is on the disk, and not only on its way there."""
    if os.name != "posix" and path.is_dir():
        return
    handle = os.open(path, os.O_RDONLY if os.name == "posix" else os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _full(path: Path, error: OSError) -> SinkError:
    return SinkError(f"{path} could not be written into ({error.strerror}): is the disk full?")
