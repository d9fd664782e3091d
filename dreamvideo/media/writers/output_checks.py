"""Refuses an output before any work is done: if it would overwrite something, or cannot hold the source."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from ...errors import SinkError
from ..info import Info
from ..paths import FILMS, PATTERN, STILLS, frame_path, frame_pattern, holds_frames, sequence_files, takes_frames


def is_one_picture(path: str, info: Info) -> bool:
    """Tell whether an output path stands for one picture; `.webp` does so only if the source is a still."""
    suffix = Path(path).suffix.lower()
    return suffix in STILLS and (suffix != ".webp" or info.kind == "still")


def check_output(path: str, info: Info, overwrite: bool) -> None:
    """Refuse an output that would overwrite something or cannot hold the source; create its folder.

    Args:
        path: the output.
        info: the source.
        overwrite: whether an existing output may be replaced.

    Raises:
        SinkError: see `open_sink`.
    """
    many = takes_frames(path)
    _check_kind(path, info)
    if many:
        _check_frames(Path(frame_pattern(path)), info, overwrite)
    file = Path(frame_pattern(path) if many else path)
    if file.exists() and Path(info.path).exists() and os.path.samefile(file, info.path):
        raise SinkError(f"{path} is the input itself: give the output another name")
    if file.exists() and not overwrite and not many:
        raise SinkError(f"{path} exists already: give another name, or --overwrite")
    _create_folder(file.parent)


def _check_kind(path: str, info: Info) -> None:
    """Refuse a name that stands for something else than the source is."""
    file, suffix = Path(path), Path(path).suffix.lower()
    if suffix in STILLS and any(c in file.name for c in "*?"):
        raise SinkError(f"frames cannot be written to the glob {path}: give a folder or a pattern like out/%05d.png")
    if takes_frames(path):
        return
    if is_one_picture(path, info):
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
        raise SinkError(f"{info.path} is a still: name the output {file.stem}.png, .jpg, .webp or .tif")


def _check_frames(pattern: Path, info: Info, overwrite: bool) -> None:
    """Refuse a pattern that numbers no frames, or frames of which some would be overwritten."""
    if pattern.suffix.lower() not in STILLS:
        raise SinkError(f"{pattern}: write frames as .png, .jpg, .tif or .webp, like out/%05d.png")
    misplaced = PATTERN.search(str(pattern.parent)) and not pattern.parent.is_dir()
    if misplaced or len(PATTERN.findall(pattern.name)) > 1:
        raise SinkError(f"{pattern}: number frames once, in their name, like out/%05d.png")
    first = frame_path(pattern, info.frame_number(0))
    if first.exists() and holds_frames(info.path):
        inputs = {file.resolve() for file in sequence_files(info.path)}
        if first.resolve() in inputs:
            raise SinkError(f"{pattern} are the input's own frames: give another folder or pattern")
    for index in range(info.count):
        file = frame_path(pattern, info.frame_number(index))
        if file.exists() and not overwrite:
            raise SinkError(f"{file} exists already: give another folder, or --overwrite")


def _create_folder(folder: Path) -> None:
    """Create an output's folder if it is missing, and make sure that a file can be written into it."""
    if folder.exists() and not folder.is_dir():
        raise SinkError(f"{folder} is no folder: give another output")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        raise SinkError(f"cannot write into {folder} ({error.strerror}): choose another folder") from error
