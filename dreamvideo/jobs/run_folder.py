"""The run folder: keeps a render's plan, finished segments and states on disk, so that a crash loses little.

    out.mp4.dream/
        plan.json                            what is rendered
        00000000.mkv  00000000.json          a segment: lossless frames from number 0 on, and a checksum of each
        00000025-1c291ca3.state              the state that frame 25 starts from; the name holds its checksum
        assembling                           there while the output gets its final name
        lock                                 held by the process that works on the render

Every file is written whole or not at all. A segment counts once its .json is there, which is written last.
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
from ..media.atomic import move_file, write_file
from ..media.paths import PATTERN
from .plan import Plan

SUFFIX = ".dream"
UNFINISHED = "unfinished-"  # prefix of the name of a segment that is being written
WRITTEN = r"\d{8}\.(mkv|json)|\d{8}-[0-9a-f]{8}\.state|plan\.json|assembling|layers(-\w+)?"
LEFTOVER = re.compile(
    rf"{UNFINISHED}.*\.mkv|({WRITTEN})\.part|.*\.sound(\.npz)?\.part|\..*-\w{{8}}\.\w+"
)  # of a killed process
OURS = re.compile(rf"{WRITTEN}|{LEFTOVER.pattern}")
AUDIO = re.compile(r".*\.sound\.npz")  # analysed music (see `audio.analyse`)
LATEST = 10**8  # above the number of any state
STATE_SPACING = 100  # frames; of a shot's older states, one for every so many frames is kept


@dataclass(frozen=True)
class Segment:
    """Consecutive finished frames in a file.

    Attributes:
        first: the number of the first frame.
        checksums: the checksum of every frame.
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
    """Return the run folder of an output: next to it, or in the folder `work`, under a name of its own there."""
    where = Path(output.rstrip("/"))
    name = PATTERN.sub("frames", where.name)
    if not work:
        return where.parent / f"{name}{SUFFIX}"
    place = hashlib.blake2b(os.path.abspath(output).encode(errors="surrogateescape"), digest_size=4).hexdigest()
    return Path(work) / f"{name}-{place}{SUFFIX}"


class RunFolder:
    """A run folder, locked until it is closed.

    Args:
        path: of the folder; created if it does not exist.

    Raises:
        SinkError: it cannot be created, or is a folder with other contents.
        DreamError: another process works on it.
    """

    def __init__(self, path: Path):
        self.path = path.absolute()
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            there = set(os.listdir(self.path))
            if there and not there & {"plan.json", "lock"}:
                raise SinkError(f"{path} holds other files: name another folder to keep unfinished work in, by --work")
            self._lock = FileLock(self.path / "lock")
            self._lock.acquire(timeout=0)
            self._clear(LEFTOVER)
        except Timeout:
            raise DreamError(
                f"another dreamvideo is working on {path}: wait until it has finished, or stop it"
            ) from None
        except OSError as error:
            raise SinkError(
                f"cannot write into {self.path.parent} ({error.strerror}): choose another folder, or one for --work"
            ) from error

    @property
    def plan(self) -> Plan | None:
        """The plan of the render; None if none was begun here."""
        file = self.path / "plan.json"
        return Plan.read(file) if file.exists() else None

    def begin(self, plan: Plan) -> None:
        """Write the plan."""
        self._write("plan.json", plan.text().encode())

    @property
    def assembling(self) -> bool:
        """Whether the output is being given its name, so that an existing file of that name is this render's own."""
        return (self.path / "assembling").exists()

    @assembling.setter
    def assembling(self, begun: bool) -> None:
        if begun:
            self._write("assembling", b"")
        else:
            (self.path / "assembling").unlink(missing_ok=True)

    def empty(self) -> None:
        """Throw away all work."""
        self._clear(OURS)

    def _clear(self, names: re.Pattern[str]) -> None:
        """Remove the files with such names; all others stay."""
        for file in self.path.iterdir():
            if names.fullmatch(file.name):
                file.unlink(missing_ok=True)

    def segments(self) -> list[Segment]:
        """Return the whole segments, in order."""
        return list(read_segments(self.path))

    @property
    def done(self) -> int:
        """How many frames are finished."""
        return sum(len(segment.checksums) for segment in self.segments())

    def keep(self, segment: Segment, state: bytes) -> None:
        """Move a segment's file here, and keep the state after it.

        Raises:
            SinkError: the disk is full, or the folder protected.
        """
        final = self.path / f"{segment.first:08d}.mkv"
        try:
            move_file(segment.path, final, durable=True)
        except OSError as error:
            raise SinkError(f"cannot write into {self.path} ({error.strerror}): is the disk full?") from error
        record = {"first": segment.first, "size": final.stat().st_size, "checksums": segment.checksums}
        self._write(f"{segment.first:08d}.json", json.dumps(record).encode())
        self.save(segment.stop, state, segment.first)

    def save(self, index: int, state: bytes, before: int | None = None) -> None:
        """Keep the state that a frame starts from, and remove the one before, unless it is due by `STATE_SPACING`.

        Args:
            index: the frame.
            state: as bytes.
            before: the frame of the state to remove, if it is the latest up to here; None for whichever that is.
                (Shots that are dreamed at the same time have a latest state each.)
        """
        self._write(f"{index:08d}-{zlib.crc32(state):08x}.state", state)
        *older, last = [number for number, _ in _states(self.path) if number < index] or [0]
        if last and before in (None, last) and last - (older[-1] if older else 0) < STATE_SPACING:
            self._drop_states(last, last + 1)

    def save_only(self, index: int, state: bytes) -> None:
        """Keep the state that a frame starts from, and no other."""
        self.save(index, state)
        self._drop_states(0, index)

    def state(self, index: int) -> tuple[int, bytes] | None:
        """Return the latest intact state at or before a frame, with the number of its frame; None if there is none."""
        return latest_state(self.path, index)

    def forget(self, segment: Path) -> None:
        """Remove a damaged segment, given its file: its frames are missing from now on."""
        segment.with_suffix(".json").unlink(missing_ok=True)
        segment.unlink(missing_ok=True)

    def drop(self, first: int) -> None:
        """Remove all segments that reach beyond a frame, and all states after it."""
        for segment in self.segments():
            if segment.stop > first:
                self.forget(segment.path)
        self._drop_states(first + 1, None)

    def _drop_states(self, first: int, stop: int | None) -> None:
        for number, file in _states(self.path):
            if number >= first and (stop is None or number < stop):
                file.unlink()

    def _write(self, name: str, data: bytes) -> None:
        write_file(self.path / name, data, durable=True)

    @property
    def holds_work(self) -> bool:
        """Whether it holds anything that was dreamed."""
        return bool(self.segments() or _states(self.path))

    def close(self) -> None:
        """Unlock it; remove it if it holds no work."""
        try:
            if not self.holds_work:
                self.remove()
        finally:
            self._lock.release()

    def remove(self) -> None:
        """Remove it with everything of ours in it."""
        with contextlib.suppress(OSError):  # a player may hold a segment open
            self.empty()
            self._clear(AUDIO)
            if os.name != "posix":  # an open file cannot be removed there; elsewhere the lock is kept to the last
                self._lock.release()
            (self.path / "lock").unlink()
            self.path.rmdir()


def remove_if_empty(folder: Path) -> None:
    """Remove a run folder that holds no work, unless another process works on it."""
    if folder.is_dir():
        with contextlib.suppress(DreamError):
            RunFolder(folder).close()


def read_segments(folder: Path) -> Iterator[Segment]:
    """Yield the whole segments in a run folder, in order, even while another process works on it."""
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
    """Return the latest intact state in a run folder at or before a frame, with the number of its frame."""
    for number, file in reversed(_states(folder)):
        try:
            data = file.read_bytes() if number <= index else b""
        except OSError:  # removed meanwhile by the process that works on it
            continue
        if data and file.stem.endswith(f"-{zlib.crc32(data):08x}"):
            return number, data
    return None


def _states(folder: Path) -> list[tuple[int, Path]]:
    return sorted((int(file.name[:8]), file) for file in folder.glob("????????-????????.state"))
