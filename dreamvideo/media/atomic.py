"""Atomic file writes: a file appears under its final name complete, or not at all."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from ..errors import SinkError


def create_hidden_file(final: Path, suffix: str, scratch: Path | None = None) -> Path:
    """Create an empty hidden file to write to, from which a rename to the final name is possible.

    Args:
        final: the name that the file is to get when it is complete.
        suffix: ending of the hidden name, like `.mp4`; some encoders choose the format by it.
        scratch: a folder to create it in if it is on the same disk as `final`; otherwise, or if None, it is created
            in the folder of `final`.

    Raises:
        OSError: it cannot be created.
    """
    folder = scratch if scratch is not None and _can_rename(scratch, final.parent) else final.parent
    stem = final.stem[:40].replace("%", "_")  # ffmpeg takes %d in the name of a picture for a number
    return _create_file(folder, f".{stem}-", suffix)


def _create_file(folder: Path, prefix: str, suffix: str) -> Path:
    """Create an empty file with a random name, with the permissions that the user's umask gives any new file."""
    while True:
        path = folder / f"{prefix}{secrets.token_hex(4)}{suffix}"
        try:
            path.touch(mode=0o666, exist_ok=False)
        except FileExistsError:
            continue
        return path


def _can_rename(folder: Path, other: Path) -> bool:
    """Tell whether a file can be renamed from one folder into another: even one disk may be mounted twice."""
    source = _create_file(folder, ".probe-", ".part")
    target = other / source.name
    try:
        os.rename(source, target)
    except OSError:
        source.unlink()
        return False
    target.unlink()
    return True


def check_new_file(path: str, overwrite: bool, suffixes: tuple[str, ...]) -> None:
    """Refuse the name of a file to be written, before any work is done.

    Raises:
        SinkError: its suffix is not one of `suffixes`, it exists already, or its folder is not writable.
    """
    if Path(path).suffix.lower() not in suffixes:
        raise SinkError(f"{path}: end the name in {' or '.join(suffixes)}")
    if os.path.exists(path) and not overwrite:
        raise SinkError(f"{path} exists already: give another name, or --overwrite")
    folder = os.path.dirname(path) or "."
    if not os.path.isdir(folder) or not os.access(folder, os.W_OK):
        raise SinkError(f"cannot write into {folder}: give another folder")


def write_file(path: str | Path, data: bytes, durable: bool = False) -> None:
    """Write a file completely, or leave what was there before.

    Args:
        path: an existing file is replaced.
        data: the whole content.
        durable: whether the file must survive a power failure from here on.

    Raises:
        SinkError: it cannot be written.
    """
    partial: Path | None = None
    try:
        partial = create_hidden_file(Path(path), ".part")
        partial.write_bytes(data)
        move_file(partial, Path(path), durable)
    except OSError as error:
        raise SinkError(
            f"cannot write {path} ({error.strerror}): is the disk full, or the folder protected?"
        ) from error
    finally:
        if partial is not None:
            partial.unlink(missing_ok=True)


def move_file(source: Path, target: Path, durable: bool = False) -> None:
    """Rename a file within one disk, replacing the target; `durable` as for `write_file`."""
    if durable:
        flush_to_disk(source)
    os.replace(source, target)
    if durable:
        flush_to_disk(target.parent)


def flush_to_disk(path: Path) -> None:
    """Wait until a file, or the list of names in a folder, has reached the disk and not only the system's cache."""
    if os.name != "posix" and path.is_dir():
        return
    handle = os.open(path, os.O_RDONLY if os.name == "posix" else os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
