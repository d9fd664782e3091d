"""Sends input files to machines that do not see them: in blocks, into a cache folder on each machine."""

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

import platformdirs
from filelock import FileLock

from ...errors import SinkError, SourceError
from ...media.paths import holds_frames, sequence_files
from ...recipe import SOURCE_MUSIC, with_files
from ..fingerprint import digest_or_empty, file_digest
from ..plan import Plan

BLOCK = 2**26  # bytes that are sent at once
MAX_AGE = 30 * 86_400  # s after which unused files are removed from the cache
Block = list[tuple[str, bytes]]  # names of files, and what is to be appended to each


def needed(plan: Plan) -> dict[str, str]:
    """Return the paths of all files that frames of a plan depend on, and their digests.

    Besides the inputs these are the analyses of its music, so that nobody repeats them, with another result.
    """
    return plan.inputs | {path: file_digest(path) for path in _analyses(plan) if glob.glob(path)}


def _analyses(plan: Plan) -> set[str]:
    """Return globs of the cached analyses of a plan's music (see `audio.analyse`)."""
    songs = {plan.recipe(part.first).music.music for part in plan.parts} - {""}
    names = {Path(plan.source if song == SOURCE_MUSIC else song).stem for song in songs}
    return {str(Path(glob.escape(plan.audio_cache)) / f"{glob.escape(name)}-*.sound.npz") for name in names}


def name_in_cache(path: str) -> str:
    """Return the name of a path in the folder that its files are put into; a folder is that folder itself."""
    return "." if os.path.isdir(path) else Path(path).name


def blocks(path: str) -> Iterator[Block]:
    """Yield the contents of a file or sequence.

    Raises:
        SourceError: it is a glob over several folders, whose files would mix in one.
    """
    files = sequence_files(path) if holds_frames(path) else [Path(path)]
    if len({file.parent for file in files}) > 1:
        raise SourceError(f"the frames of {path} lie in several folders and cannot be sent: put them into one")
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
def is_seen(path: str, digest: str) -> bool:
    """Tell whether this machine sees a path with contents of that digest."""
    return digest_or_empty(path) == digest


def cache_folder() -> Path:
    """Return the folder in which this machine keeps files that were sent to it."""
    if root := os.environ.get("XDG_CACHE_HOME"):  # on every system, as on Linux
        return Path(root) / "dreamvideo"
    return platformdirs.user_cache_path("dreamvideo", appauthor=False)


def fetch(name: str, digest: str, arriving: Iterable[Block], cache: Path) -> str:
    """Return the path of a file, or folder of files, in this machine's cache; it is received only if it is not there.

    Args:
        name: its name there (see `name_in_cache`).
        digest: of its contents.
        arriving: its blocks.
        cache: the cache folder.

    Raises:
        SinkError: it cannot be written here.
        ValueError: it arrived damaged.
    """
    folder = cache / digest
    try:
        cache.mkdir(parents=True, exist_ok=True)
        with FileLock(cache / f"{digest}.lock"):
            if not folder.exists():
                _remove_unused(cache)
                _receive(name, digest, arriving, folder)
            os.utime(folder)
    except OSError as error:
        raise SinkError(f"cannot write into {cache} ({error.strerror}): is the disk full?") from error
    return str(folder / name)


def _receive(name: str, digest: str, arriving: Iterable[Block], folder: Path) -> None:
    with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
        part = Path(scratch) / "part"
        part.mkdir()
        for block in arriving:
            for file, data in block:
                with (part / file).open("ab") as stream:
                    stream.write(data)
        if file_digest(str(part / name)) != digest:
            raise ValueError(f"{name} arrived damaged")
        part.rename(folder)


def _remove_unused(cache: Path) -> None:
    """Remove what has not been used for a long time."""
    for folder in cache.iterdir():
        if folder.is_dir() and folder.stat().st_mtime < time.time() - MAX_AGE:
            shutil.rmtree(folder, ignore_errors=True)


def relocated(plan: Plan, local: Mapping[str, str], audio_cache: Path) -> Plan:
    """Return a plan for a machine on which its input files have other paths.

    Args:
        plan: as it was made.
        local: by path in the plan, the path on this machine.
        audio_cache: a folder for the analyses of its music.
    """
    audio_cache.mkdir(exist_ok=True)
    for pattern in _analyses(plan):
        for file in glob.glob(local.get(pattern, "")):
            shutil.copy(file, audio_cache)

    def to(path: str) -> str:
        return local.get(path, path)

    parts = tuple(replace(part, recipe=with_files(plan.recipe(part.first), to).to_toml()) for part in plan.parts)
    inputs = {to(path): digest for path, digest in plan.inputs.items()}
    return replace(plan, source=to(plan.source), audio_cache=str(audio_cache), parts=parts, inputs=inputs)
