"""The files that the page may use, each by an id: those of the folders that were opened, and those dropped on it."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from collections.abc import AsyncIterator, Iterable
from pathlib import Path
from typing import Any

from ..errors import DreamError, SourceError
from ..media.atomic import create_hidden_file, move_file
from ..media.paths import STILLS

MAX_UPLOAD = 50_000_000_000  # bytes of a file that is dropped on the page
RESERVE = 1_000_000_000  # bytes of the disk that uploads leave free
MAX_LISTED = 500  # files of an opened folder
NAME_LENGTH = 100  # characters of a dropped file's name that are kept
FILMS = (
    ".mp4", ".mov", ".mkv", ".webm", ".avi", ".m4v", ".mpg", ".mpeg", ".mxf", ".ts", ".mts", ".gif", ".wmv", ".flv",
)  # fmt: skip
SOUNDS = (".mp3", ".wav", ".flac", ".ogg", ".opus", ".m4a", ".aac", ".aiff", ".aif", ".wma")
KINDS = {"film": FILMS, "picture": STILLS, "sound": SOUNDS, "recipe": (".toml",)}
ID = re.compile(r"[0-9a-f]{16}")


class Files:
    """The files that the page may use.

    Args:
        folder: where dropped files are kept.
        opened: files and folders that were named when the studio was started.

    Attributes:
        folder: as given.
    """

    def __init__(self, folder: Path, opened: Iterable[Path] = ()):
        self.folder = folder
        self._paths: dict[str, Path] = {}
        self._roots = [folder.resolve()]
        self._named: list[Path] = []
        for path in opened:
            self._roots.append(path.resolve())
            self._named.append(path)

    def add(self, path: Path) -> str:
        """Return the id of a file or folder of frames.

        Raises:
            SourceError: it lies outside what was opened.
        """
        real = path.resolve()
        if not any(real == root or root in real.parents for root in self._roots):
            raise SourceError(f"{path.name} does not lie in a folder that was opened: drop it on the page")
        known = hashlib.blake2b(os.fsencode(real), digest_size=8).hexdigest()
        self._paths[known] = real
        return known

    def path(self, known: str) -> Path:
        """Return the path behind an id.

        Raises:
            SourceError: nothing has that id, or it is not there any more.
        """
        path = self._paths.get(known) if ID.fullmatch(known) else None
        if path is None or not path.exists() or path.resolve() != path:
            raise SourceError("this file is not there any more: open it again")
        return path

    def listing(self) -> list[dict[str, Any]]:
        """Return the files that can be opened, with id, name and kind, the dropped ones last."""
        found: list[dict[str, Any]] = []
        for root in (*self._named, self.folder):
            entries = sorted(root.iterdir()) if root.is_dir() else [root]
            for entry in entries[:MAX_LISTED]:
                if not entry.name.startswith(".") and (kind := kind_of(entry)):
                    try:
                        found.append({"id": self.add(entry), "name": entry.name, "kind": kind})
                    except SourceError:  # a link that leads out of the folder
                        continue
        return list({one["id"]: one for one in found}.values())

    async def receive(self, name: str, data: AsyncIterator[bytes], group: str = "") -> Path:
        """Write a dropped file, and return its path; a file of that name stays as it is.

        Args:
            name: as the browser calls it.
            data: its bytes.
            group: of files that are dropped together, to become the frames of one folder; empty for a file by itself.

        Raises:
            DreamError: it is too large, or the disk is full.
        """
        folder = self.folder / safe_name(group) if group else self.folder
        try:
            folder.mkdir(parents=True, exist_ok=True)
            most = min(MAX_UPLOAD, shutil.disk_usage(folder).free - RESERVE)
            path = _free_name(folder / safe_name(name))
            unfinished = create_hidden_file(path, ".part")
            size = 0
            try:
                with open(unfinished, "wb") as file:
                    async for block in data:
                        size += len(block)
                        if size > most:
                            raise DreamError(f"{name} is too large for the disk: free some space")
                        file.write(block)
                move_file(unfinished, path)
            finally:
                unfinished.unlink(missing_ok=True)
        except OSError as error:
            raise DreamError(f"cannot write into {folder} ({error.strerror}): is the disk full?") from error
        return path


def kind_of(path: Path) -> str:
    """Return "film", "picture", "sound", "recipe", "frames" for a folder of pictures, or nothing for anything else."""
    if path.is_dir():
        names = os.listdir(path)[:MAX_LISTED]
        return "frames" if any(name.lower().endswith(STILLS) for name in names) else ""
    suffix = path.suffix.lower()
    return next((kind for kind, suffixes in KINDS.items() if suffix in suffixes), "")


def safe_name(name: str) -> str:
    """Return a name that is one part of a path, and no hidden one: its letters, digits, dots, dashes and spaces."""
    kept = re.sub(r"[^\w.\- ]", "_", name.replace("\\", "/").rpartition("/")[2]).strip(" .")
    stem, dot, suffix = kept.rpartition(".")
    return (stem[: NAME_LENGTH - 10] + dot + suffix[:10]) if kept and stem else kept[:NAME_LENGTH] or "dropped"


def _free_name(path: Path) -> Path:
    """Return a path that does not exist: this one, or one with a number."""
    number, free = 2, path
    while free.exists():
        free, number = path.with_name(f"{path.stem}-{number}{path.suffix}"), number + 1
    return free
