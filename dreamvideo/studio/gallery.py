"""What was rendered: the dreamed files in the studio's folder, each playable in the page."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Any

from ..errors import DreamError
from ..media import ffmpeg
from ..media.atomic import create_hidden_file, move_file
from ..media.metadata import read_recipe
from ..media.paths import STILLS
from .files import FILMS, Files

PLAYED = {  # by the browser itself
    ".mp4": "video/mp4", ".m4v": "video/mp4", ".webm": "video/webm", ".webp": "image/webp", ".gif": "image/gif",
    ".png": "image/png", ".jpg": "image/jpeg", ".jpeg": "image/jpeg",
}  # fmt: skip
UNFINISHED = re.compile(r"\.(partial|part)(\.|$)|\.dream$")
NEWEST = 200  # files that are listed
PLAYABLE = ["-c:v", "libx264", "-preset", "veryfast", "-crf", "20", "-pix_fmt", "yuv420p", "-movflags", "+faststart"]
FITTING = "scale='min(1280,iw)':-2"


class Gallery:
    """The dreamed files in a folder.

    Args:
        folder: where the studio renders to.
        files: gives them their ids.
        scratch: a folder for copies that the browser can play.
    """

    def __init__(self, folder: Path, files: Files, scratch: Path):
        self.folder, self._files, self._scratch = folder, files, scratch
        self._recipes: dict[tuple[str, float], str] = {}

    def listing(self) -> list[dict[str, Any]]:
        """Return what was rendered, the newest first: id, name, kind, bytes, when, and whether it plays as it is."""
        found = []
        entries = [entry for entry in self.folder.iterdir() if self._is_shown(entry)] if self.folder.is_dir() else []
        for entry in sorted(entries, key=lambda one: -one.stat().st_mtime)[:NEWEST]:
            suffix = entry.suffix.lower()
            kind = "frames" if entry.is_dir() else "picture" if self._is_picture(entry) else "film"
            found.append(
                {
                    "id": self._files.add(entry),
                    "name": entry.name,
                    "kind": kind,
                    "changed": entry.stat().st_mtime,
                    "bytes": sum(f.stat().st_size for f in entry.iterdir()) if entry.is_dir() else entry.stat().st_size,
                    "plays": suffix in PLAYED,
                }
            )
        return found

    def _is_shown(self, entry: Path) -> bool:
        if entry.name.startswith(".") or UNFINISHED.search(entry.name) or entry.is_symlink():
            return False
        return bool(self.recipe(entry))

    def _is_picture(self, entry: Path) -> bool:
        return entry.suffix.lower() in (*STILLS, ".gif") and entry.suffix.lower() != ".webp"

    def recipe(self, path: Path) -> str:
        """Return the recipe that a file was made with, as TOML; empty for a file that was not dreamed."""
        key = str(path), path.stat().st_mtime
        if key not in self._recipes:
            known = path.is_dir() or path.suffix.lower() in (*FILMS, *STILLS)
            try:
                self._recipes[key] = read_recipe(str(path)) if known else ""
            except (DreamError, OSError):
                self._recipes[key] = ""
        return self._recipes[key]

    def playable(self, path: Path) -> tuple[Path, str]:
        """Return a file that the browser can show, and its media type: the file itself, or a copy.

        Raises:
            DreamError: it cannot be converted.
        """
        suffix = path.suffix.lower()
        if path.is_file() and suffix in PLAYED:
            return path, PLAYED[suffix]
        kind = ".png" if path.is_file() and suffix in STILLS else ".mp4"
        failed = f"{path.name} cannot be shown here: open it in a player"
        return _copy(path, kind, self._arguments(path, kind), self._scratch, failed), PLAYED[kind]

    def _arguments(self, path: Path, kind: str) -> list[str]:
        """Return how ffmpeg makes a copy of a kind of something that was rendered."""
        if kind == ".png":
            return [*ffmpeg.input_args(str(path)), "-frames:v", "1", "-pix_fmt", "rgb24"]
        if path.is_dir():
            frames = f"{_glob_escaped(path)}/*{min(path.iterdir()).suffix}"
            return ["-framerate", "24", "-pattern_type", "glob", "-i", frames, "-vf", FITTING, *PLAYABLE]
        return [*ffmpeg.input_args(str(path)), "-vf", FITTING, *PLAYABLE, "-c:a", "aac", "-b:a", "192k"]


def _glob_escaped(path: Path) -> str:
    return re.sub(r"([*?[\]\\{}])", r"\\\1", str(path))


def sound_of(path: str, begins: float, scratch: Path) -> Path:
    """Return the first sound track of a film or song as a file that the browser can play.

    Args:
        path: of the film or song.
        begins: s in the file, where the sound is to begin.
        scratch: a folder for it.

    Raises:
        DreamError: it has no sound that can be decoded.
    """
    skip = ["-ss", f"{begins:.6f}"] if begins else []
    arguments = [*skip, *ffmpeg.input_args(path), "-map", "0:a:0", "-ac", "2", "-c:a", "aac", "-b:a", "160k"]
    return _copy(Path(path), ".m4a", arguments, scratch, f"{Path(path).name} has no sound that can be played")


def _copy(path: Path, suffix: str, arguments: list[str], scratch: Path, failed: str) -> Path:
    """Return a copy of a file that the browser can show; made by ffmpeg, if it was not made before.

    Args:
        path: of the file.
        suffix: of the copy.
        arguments: how ffmpeg makes it.
        scratch: the folder for it.
        failed: what an error says.

    Raises:
        DreamError: it cannot be made.
    """
    made_of = f"{path} {path.stat().st_mtime} {arguments}"
    name = hashlib.blake2b(made_of.encode(errors="surrogateescape"), digest_size=8).hexdigest()
    copy = scratch / f"{name}{suffix}"
    if not copy.exists():
        unfinished = create_hidden_file(copy, suffix)
        try:
            ffmpeg.run([*arguments, "-y", str(unfinished)])
            move_file(unfinished, copy)
        except ffmpeg.FFmpegError as error:
            raise DreamError(f"{failed} ({error})") from error
        finally:
            unfinished.unlink(missing_ok=True)
    return copy
