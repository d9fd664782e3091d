"""What a path means: a film, a frame sequence, or a still."""

from __future__ import annotations

import glob
import re
from pathlib import Path

from ..errors import SourceError

STILLS = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".webp")
PICTURES = (*STILLS, ".bmp")  # that are read
FILMS = (".mp4", ".m4v", ".mov", ".mkv", ".webm", ".gif", ".webp")
PATTERN = re.compile(r"%0?(\d{0,3})d")


def natural(name: str) -> list[tuple[int, int | str]]:
    """Return a sort key that puts 2 before 10."""
    return [(0, int(part)) if part.isdecimal() else (1, part) for part in re.split(r"(\d+)", name) if part]


def holds_frames(path: str) -> bool:
    """Tell whether an input path names many frames: a folder, a glob or a printf pattern."""
    where = Path(path)
    return where.is_dir() or (not where.is_file() and (bool(PATTERN.search(path)) or any(c in path for c in "*?[")))


def takes_frames(path: str) -> bool:
    """Tell whether an output path stands for many frames: a folder, there or not yet, or a printf pattern."""
    where = Path(path)
    numbered = bool(PATTERN.search(where.name)) and where.suffix.lower() in STILLS
    return where.is_dir() or path.endswith("/") or not where.suffix or numbered


def is_still(path: str) -> bool:
    """Tell whether an input path names one picture."""
    return Path(path).suffix.lower() in PICTURES


def sequence_files(path: str) -> list[Path]:
    """Return the frames of a folder, glob or printf pattern, in natural order.

    Raises:
        SourceError: there is none.
    """
    where = Path(path)
    if where.is_dir():
        files = [f for f in where.iterdir() if f.suffix.lower() in PICTURES and not f.name.startswith(".")]
    elif PATTERN.search(where.name):
        wanted = re.compile(PATTERN.sub(r"\\d+", re.escape(where.name).replace(r"\%", "%")))
        files = [f for f in _listed(where.parent) if wanted.fullmatch(f.name)]
    else:
        folder = glob.escape(str(where.parent)) if where.parent.is_dir() else str(where.parent)  # [b] may be its name
        files = [f for f in map(Path, glob.glob(f"{folder}/{where.name}")) if f.is_file()]
    if not files:
        raise SourceError(f"no frames found at {path}: give a folder of pictures, a quoted glob, or frames/%05d.png")
    return sorted(files, key=lambda f: natural(f.name))


def frame_pattern(path: str) -> str:
    """Return the printf pattern of the frames an output path stands for; a folder gets `%05d.png`."""
    is_folder = path.endswith("/") or Path(path).is_dir() or not PATTERN.search(Path(path).name)
    return str(Path(path) / "%05d.png") if is_folder else path


def numbered(pattern: Path, number: int) -> str:
    """Return the name of one frame of a printf pattern."""
    return PATTERN.sub(lambda match: f"{number:0{int(match[1] or 0)}d}", pattern.name)


def first_number(files: list[Path]) -> int:
    """Return the number in the first frame's name, so that frames out are numbered as frames in; 1 if it has none."""
    digits = re.findall(r"\d+", files[0].stem)
    return int(max(reversed(digits), key=len)) if digits else 1


def _listed(folder: Path) -> list[Path]:
    return list(folder.iterdir()) if folder.is_dir() else []
