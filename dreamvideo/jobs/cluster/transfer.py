"""Inputs on their way to machines that do not see them: in blocks, into a folder that such a machine keeps them in."""

from __future__ import annotations

import functools
import glob
import os
import shutil
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from filelock import FileLock

from ...errors import DreamError, SinkError, SourceError
from ...media.paths import holds_frames, sequence_files
from ...recipe import SOURCE_MUSIC, with_files
from ..fingerprint import file_digest
from ..plan import Plan

BLOCK = 2**26  # bytes that travel at once
KEPT = 30 * 86_400  # s after which what nobody has asked for is removed
Block = list[tuple[str, bytes]]  # names of files, and what is to be put at the end of each


def needed(plan: Plan) -> dict[str, str]:
    """Return the paths of all that frames of a plan are made of, and their digests.

    Beside its inputs that is what was heard in its music, so that nobody listens again, and hears it otherwise.
    """
    return plan.inputs | {path: file_digest(path) for path in _heard(plan) if glob.glob(path)}


def _heard(plan: Plan) -> set[str]:
    """Return the globs of what is kept of a plan's music (see `audio.analyse`)."""
    songs = {plan.recipe(part.first).music.music for part in plan.parts} - {""}
    names = {Path(plan.source if song == SOURCE_MUSIC else song).stem for song in songs}
    return {str(Path(glob.escape(plan.keep)) / f"{glob.escape(name)}-*.sound.npz") for name in names}


def called(path: str) -> str:
    """Return what a path is called within the folder that its files are put into; a folder is that itself."""
    return "." if os.path.isdir(path) else Path(path).name


def blocks(path: str) -> Iterator[Block]:
    """Yield what a path names, a file or many.

    Raises:
        SourceError: it is a glob over several folders, whose files have no place side by side.
    """
    files = sequence_files(path) if holds_frames(path) else [Path(path)]
    if len({file.parent for file in files}) > 1:
        raise SourceError(f"{path} lies in several folders, which cannot travel: put its frames into one")
    block, size = Block(), 0
    for file in files:
        with file.open("rb") as stream:
            while data := stream.read(BLOCK - size):
                block.append((file.name, data))
                size += len(data)
                if size == BLOCK:
                    yield block
                    block, size = [], 0
    if block:
        yield block


@functools.lru_cache(256)
def seen(path: str, wanted: str) -> bool:
    """Tell whether a path holds here what it should, by its digest."""
    try:
        return file_digest(path) == wanted
    except (OSError, DreamError):
        return False


def store() -> Path:
    """Return the folder that this machine keeps what came to it in."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "dreamvideo"


def fetch(name: str, wanted: str, arriving: Iterable[Block], where: Path) -> str:
    """Return a path that holds here what another one holds elsewhere; it is fetched once for all on this machine.

    Args:
        name: what it is called (see `called`).
        wanted: its digest.
        arriving: its blocks, which are taken only if it is not here yet.
        where: the folder of all that came.

    Raises:
        SinkError: it cannot be kept here.
        ValueError: it has arrived damaged.
    """
    folder = where / wanted
    try:
        where.mkdir(parents=True, exist_ok=True)
        with FileLock(where / f"{wanted}.lock"):
            if not folder.exists():
                _tidy(where)
                _put(name, wanted, arriving, folder)
            os.utime(folder)
    except OSError as error:
        raise SinkError(f"{where} could not be written into ({error.strerror}): is the disk full?") from error
    return str(folder / name)


def _put(name: str, wanted: str, arriving: Iterable[Block], folder: Path) -> None:
    with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
        part = Path(scratch) / "part"
        part.mkdir()
        for block in arriving:
            for file, data in block:
                with (part / file).open("ab") as stream:
                    stream.write(data)
        if file_digest(str(part / name)) != wanted:
            raise ValueError(f"{name} has arrived damaged")
        part.rename(folder)


def _tidy(where: Path) -> None:
    """Remove what nobody has asked for in a long time."""
    for folder in where.iterdir():
        if folder.is_dir() and folder.stat().st_mtime < time.time() - KEPT:
            shutil.rmtree(folder, ignore_errors=True)


def unpacked(plan: Plan, where: Mapping[str, str], keep: Path) -> Plan:
    """Return a plan for a machine on which its inputs lie elsewhere.

    Args:
        plan: as it was made.
        where: what its paths are called here.
        keep: a folder for what was heard in its music.
    """
    keep.mkdir(exist_ok=True)
    for pattern in _heard(plan):
        for file in glob.glob(where.get(pattern, "")):
            shutil.copy(file, keep)

    def to(path: str) -> str:
        return where.get(path, path)

    parts = tuple(replace(part, recipe=with_files(plan.recipe(part.first), to).to_toml()) for part in plan.parts)
    inputs = {to(path): wanted for path, wanted in plan.inputs.items()}
    return replace(plan, source=to(plan.source), keep=str(keep), parts=parts, inputs=inputs)
