"""What a path stands for: a film, a frame sequence (folder, glob, printf pattern), or a single picture."""

from __future__ import annotations

import glob
import itertools
import re
from pathlib import Path

from natsort import natsorted, ns

from ..errors import SourceError

STILLS = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".webp")  # picture formats that are written
PICTURES = (*STILLS, ".bmp", ".avif", ".heic", ".heif")  # picture formats that are read
FILMS = (".mp4", ".m4v", ".mov", ".mkv", ".webm", ".gif", ".webp")  # film formats that are written
PATTERN = re.compile(r"%0?(\d{0,3})d")


def holds_frames(path: str) -> bool:
    """Tell whether an input path names many frames: a folder, a glob or a printf pattern."""
    where = Path(path)
    return where.is_dir() or (not where.is_file() and (bool(PATTERN.search(path)) or any(c in path for c in "*?[")))


def takes_frames(path: str) -> bool:
    """Tell whether an output path stands for many frames: a folder, existing or not, or a printf pattern."""
    where = Path(path)
    is_pattern = bool(PATTERN.search(where.name)) and where.suffix.lower() in STILLS
    return where.is_dir() or path.endswith("/") or not where.suffix or is_pattern


def is_still(path: str) -> bool:
    """Tell whether an input path names one picture."""
    return Path(path).suffix.lower() in PICTURES


def sequence_files(path: str) -> list[Path]:
    """Return the frames of a folder, glob or printf pattern, in natural order: 2 before 10.

    Raises:
        SourceError: no frame is found.
    """
    where = Path(path)
    if where.is_dir():
        files = [f for f in where.iterdir() if f.suffix.lower() in PICTURES and not f.name.startswith(".")]
    elif PATTERN.search(where.name):
        wanted = re.compile(PATTERN.sub(r"\\d+", re.escape(where.name).replace(r"\%", "%")))
        files = [f for f in _files_in(where.parent) if wanted.fullmatch(f.name)]
    else:
        folder = glob.escape(str(where.parent)) if where.parent.is_dir() else str(where.parent)  # [b] may be its name
        files = [f for f in map(Path, glob.glob(f"{folder}/{where.name}")) if f.is_file()]
    if not files:
        raise SourceError(f"no frames found at {path}: give a folder of pictures, a quoted glob, or frames/%05d.png")
    return natsorted(files, key=lambda f: f.name, alg=ns.PRESORT)  # presorted, so that 1 and 01 always come alike


def frame_pattern(path: str) -> str:
    """Return the printf pattern of the frames that an output path stands for; a folder gets `%05d.png`."""
    is_folder = path.endswith("/") or Path(path).is_dir() or not PATTERN.search(Path(path).name)
    return str(Path(path) / "%05d.png") if is_folder else path


def frame_path(pattern: Path, number: int) -> Path:
    """Return the path of one frame of a printf pattern; only its name is a pattern, not its folder."""
    return pattern.parent / PATTERN.sub(lambda match: f"{number:0{int(match[1] or 0)}d}", pattern.name)


def frame_numbers(path: str, files: list[Path]) -> tuple[int, ...]:
    """Return the numbers in frames' names, so that output frames are numbered like input frames.

    Args:
        path: a folder, glob or printf pattern; the pattern says where the number stands. Otherwise it is the last run
            of digits that differs between names.
        files: its frames, in order.

    Returns:
        A number for every frame, each higher than the one before; only 1 if names have no such numbers, and only the
        one of a single frame.
    """
    name = Path(path).name
    if PATTERN.search(name) and not Path(path).is_dir():
        wanted = re.compile(PATTERN.sub(r"(\\d+)", re.escape(name).replace(r"\%", "%"), count=1))
        runs = [wanted.fullmatch(file.name) for file in files]
        columns = [[int(run[1]) if run else -1 for run in runs]]
    else:
        found = [re.findall(r"\d+", file.stem) for file in files]
        alike = min(map(len, found))
        columns = [[int(runs[-1 - place]) for runs in found] for place in range(alike)]
    for numbers in columns:
        if len(files) == 1 or all(later > earlier >= 0 for earlier, later in itertools.pairwise(numbers)):
            return tuple(numbers)
    return (1,)


def _files_in(folder: Path) -> list[Path]:
    return list(folder.iterdir()) if folder.is_dir() else []
