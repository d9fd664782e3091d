"""Refuses outputs that would overwrite something or cannot hold the source."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from ...errors import SinkError
from ..info import Info
from ..paths import FILMS, PATTERN, STILLS, frame_pattern, holds_frames, numbered, sequence_files, takes_frames


def is_one_picture(path: str, info: Info) -> bool:
    """Tell whether an output path stands for one picture; `.webp` does for a still only."""
    suffix = Path(path).suffix.lower()
    return suffix in STILLS and (suffix != ".webp" or info.kind == "still")


def check_output(path: str, info: Info, overwrite: bool) -> None:
    """Refuse an output that would lose something or cannot hold the source (see `open_sink`)."""
    where, suffix = Path(path), Path(path).suffix.lower()
    if suffix in STILLS and any(c in where.name for c in "*?"):
        raise SinkError(f"frames cannot be written to the glob {path}: give a folder or a pattern like out/%05d.png")
    if takes_frames(path):
        pattern = Path(frame_pattern(path))
        _check_frames(pattern, info, overwrite)
        where = pattern
    elif is_one_picture(path, info):
        if info.kind != "still":
            raise SinkError(
                f"{path} is one picture, {info.path} is many: name the output out.mp4 or out/%05d.png, "
                "or take one frame with --preview SECONDS"
            )
    elif suffix not in FILMS:
        raise SinkError(
            f"{path}: write films as {', '.join(FILMS)}, stills as .png, .jpg, .tif, frames as out/%05d.png"
        )
    elif info.kind == "still":
        raise SinkError(f"{info.path} is a still: name the output {where.stem}.png, .jpg, .webp or .tif")
    if where.exists() and Path(info.path).exists() and os.path.samefile(where, info.path):
        raise SinkError(f"{path} is the input itself: give the output another name")
    if where.exists() and not overwrite and not takes_frames(path):
        raise SinkError(f"{path} exists already: give another name, or --overwrite")
    folder = where.parent
    if folder.exists() and not folder.is_dir():
        raise SinkError(f"{folder} is no folder: give another output")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        raise SinkError(f"cannot write into {folder} ({error.strerror}): choose another folder") from error


def _check_frames(pattern: Path, info: Info, overwrite: bool) -> None:
    if pattern.suffix.lower() not in STILLS:
        raise SinkError(f"{pattern}: write frames as .png, .jpg, .tif or .webp, like out/%05d.png")
    misplaced = PATTERN.search(str(pattern.parent)) and not pattern.parent.is_dir()
    if misplaced or len(PATTERN.findall(pattern.name)) > 1:
        raise SinkError(f"{pattern}: number frames once, in their name, like out/%05d.png")
    first = Path(str(pattern.parent)) / numbered(pattern, info.number)
    if (
        first.exists()
        and holds_frames(info.path)
        and first.resolve() in {f.resolve() for f in sequence_files(info.path)}
    ):
        raise SinkError(f"{pattern} are the input's own frames: give another folder or pattern")
    for number in range(info.number, info.number + info.count):
        there = pattern.parent / numbered(pattern, number)
        if there.exists() and not overwrite:
            raise SinkError(f"{there} exists already: give another folder, or --overwrite")
