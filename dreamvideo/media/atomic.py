"""Files that appear whole or not at all."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from ..errors import SinkError


def hidden_name(final: Path, suffix: str, scratch: Path | None = None) -> Path:
    """Return a free name in another folder on the same disk, if there is one, or else beside the final one."""
    there = final.parent if scratch is None or not _reaches(scratch, final.parent) else scratch
    handle, name = tempfile.mkstemp(prefix=f".{final.stem[:40]}-", suffix=suffix, dir=there)
    os.close(handle)
    os.chmod(name, 0o666 & ~_umask())
    return Path(name)


def _reaches(folder: Path, other: Path) -> bool:
    """Tell whether a file can be renamed from one folder into another: the same disk may be mounted twice."""
    handle, name = tempfile.mkstemp(dir=folder)
    os.close(handle)
    there = other / Path(name).name
    try:
        os.rename(name, there)
    except OSError:
        os.unlink(name)
        return False
    there.unlink()
    return True


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def check_new_file(path: str, overwrite: bool, kinds: tuple[str, ...]) -> None:
    """Refuse the name of a file to be written, before any work is done.

    Raises:
        SinkError: it has another ending than `kinds`, exists already, or its folder cannot be written into.
    """
    if Path(path).suffix.lower() not in kinds:
        raise SinkError(f"{path}: end the name in {' or '.join(kinds)}")
    if os.path.exists(path) and not overwrite:
        raise SinkError(f"{path} exists already: give another name, or --overwrite")
    folder = os.path.dirname(path) or "."
    if not os.path.isdir(folder) or not os.access(folder, os.W_OK):
        raise SinkError(f"cannot write into {folder}: give another folder")


def write_file(path: str | Path, data: bytes, durable: bool = False) -> None:
    """Write a file, whole or not at all.

    Args:
        path: there or not yet; what stands there is replaced.
        data: all of it.
        durable: whether it has to outlast a loss of power from here on.

    Raises:
        SinkError: it cannot be written.
    """
    partial = Path(f"{path}.part")
    try:
        partial.write_bytes(data)
        move_file(partial, Path(path), durable)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise SinkError(
            f"cannot write {path} ({error.strerror}): is the disk full, or the folder protected?"
        ) from error


def move_file(source: Path, target: Path, durable: bool = False) -> None:
    """Rename a file within one disk, over what stands there; `durable` as for `write_file`."""
    if durable:
        flush_to_disk(source)
    os.replace(source, target)
    if durable:
        flush_to_disk(target.parent)


def flush_to_disk(path: Path) -> None:
    """Wait until a file, or the list of names in a folder, is on the disk and not only on its way there."""
    if os.name != "posix" and path.is_dir():
        return
    handle = os.open(path, os.O_RDONLY if os.name == "posix" else os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
