"""Keeps the analysis of sound tracks in files, so that the same sound is analysed only once."""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock

from ..errors import SinkError, SourceError
from ..media.atomic import write_file
from ..media.local_files import check_file
from .expressions import LEVELS
from .timeline import Sound

TIMES = ("beats", "bars", "onsets", "wave")  # arrays of a `Sound` beside its levels
VERSION = 1  # of the files and the analysis; files of other versions are ignored


def cache_file(folder: Path, path: str, start: Fraction, length: Fraction | None) -> Path:
    """Return where the analysis of a sound file, or of a part of it, is kept: its name holds a checksum of the file.

    Args:
        folder: the cache.
        path: of the sound file.
        start, length: the analysed part, s.

    Raises:
        SourceError: the sound file cannot be read.
    """
    check_file(path)
    digest = hashlib.sha256(f"{start} {length}".encode())
    try:
        with open(path, "rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
    except OSError as error:
        raise SourceError(f"{path} cannot be read ({error.strerror}): check its name and permissions") from error
    return folder / f"{Path(path).stem}-{digest.hexdigest()[:12]}.sound.npz"


@contextlib.contextmanager
def being_analysed(file: Path) -> Iterator[None]:
    """Wait until no other process analyses for a file of the cache, and keep others waiting meanwhile.

    The lock lies among the machine's temporary files, so that none is left beside a user's recipe.
    """
    name = hashlib.sha256(os.fsencode(f"{Path.home()} {file.absolute()}")).hexdigest()[:24]  # each user's own
    with FileLock(Path(tempfile.gettempdir()) / f"dreamvideo-{name}.lock"):
        yield


def read_cache(file: Path) -> Sound | None:
    """Return a kept analysis; None if there is none, or it is damaged or of another version."""
    if not file.exists():
        return None
    try:
        with np.load(file) as kept:
            if kept["version"] != VERSION:
                return None
            levels = {name: kept[name] for name in LEVELS}
            times = {name: kept[name] for name in TIMES}
            return Sound(float(kept["rate"]), levels, tempo=float(kept["tempo"]), **times)
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error):
        return None


def write_cache(file: Path, sound: Sound) -> None:
    """Keep an analysis. If the file cannot be written, nothing is kept, and the sound is analysed again next time."""
    arrays: dict[str, Any] = {name: getattr(sound, name) for name in TIMES}
    arrays |= {**sound.levels, "rate": sound.rate, "tempo": sound.tempo, "version": VERSION}
    data = io.BytesIO()
    np.savez_compressed(data, **arrays)
    with contextlib.suppress(SinkError, OSError):
        write_file(file, data.getvalue())
