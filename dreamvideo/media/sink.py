"""Frames out: films through ffmpeg, frame sequences and stills through OpenCV.

Nothing stands under its final name before it is whole: every sink writes to a hidden name in the same folder and
renames at the end. Leaving a sink through an exception throws away what was written.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from torch import Tensor

from ..errors import SinkError
from ..recipe import Encoding
from .film import LAYERS, FilmSink
from .names import FILMS, PATTERN, STILLS, frame_pattern, holds_frames, numbered, sequence_files, takes_frames
from .pictures import FrameSink, StillSink
from .probe import Info


class Sink(Protocol):
    """Takes pictures in order."""

    path: str
    notices: list[str]
    count: int  # pictures taken so far
    worth: int  # bits per channel that are worth keeping of a picture for it: 8, 12 or 16

    def write(self, image: Tensor) -> None:
        """Take the next picture, float RGB in [0, 1], (3, H, W); clamped and quantised here, once."""

    def commit(self, whole: bool) -> None:
        """Bring what was written to its final name; not `whole` when frames are missing at the end."""

    def discard(self) -> None:
        """Remove what was written."""


@contextmanager
def open_sink(
    path: str,
    info: Info,
    encoding: Encoding,
    comment: str = "",
    overwrite: bool = False,
    alpha: bool = False,
    aside: Path | None = None,
) -> Iterator[Sink]:
    """Open an output for the frames of a source; on leaving without `commit`, nothing of it remains.

    Args:
        path: a film, a still, a folder or a printf pattern, by its name.
        info: the source, whose size, rate, colour and sound it keeps.
        encoding: codec, quality and pixel format, where they are not the usual.
        comment: the recipe, written into the file's metadata.
        overwrite: whether what stands there may be replaced.
        alpha: whether the pictures are RGBA, (4, H, W): without sound, in 16 bits where the file type holds them.
        aside: a folder for what is not whole yet, if it lies on the same disk; else it lies hidden beside the output.

    Raises:
        SinkError: it exists already, is the input, cannot be written, or its kind does not suit the source.
    """
    if info.count == 1 and not takes_frames(path) and Path(path).suffix.lower() in STILLS:
        info = as_still(info)
    if alpha:
        info = _layers(path, info)
    check_output(path, info, overwrite)
    sink: Sink
    if takes_frames(path):
        sink = FrameSink(path, info, comment)
    elif _is_one_picture(path, info):
        sink = StillSink(path, info, comment)
    else:
        sink = FilmSink(path, info, encoding, comment, alpha, aside)
    try:
        yield sink
    finally:
        sink.discard()


def _layers(path: str, info: Info) -> Info:
    """Return what a source is as pictures with alpha, without its sound.

    Raises:
        SinkError: the file type holds no alpha.
    """
    pictures = takes_frames(path) or Path(path).suffix.lower() in STILLS
    suffix = Path(frame_pattern(path) if takes_frames(path) else path).suffix.lower()
    if suffix not in ([".png"] if pictures else LAYERS):
        raise SinkError(
            f"{path} cannot hold a layer with alpha: name it {', '.join(LAYERS)}, or .png for a still and frames"
        )
    kind = info.kind if info.kind == "still" else "sequence"
    return replace(info, kind=kind, depth=16, sound=(), song="")


def _is_one_picture(path: str, info: Info) -> bool:
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
    elif _is_one_picture(path, info):
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


def as_still(info: Info) -> Info:
    """Return what a source is when only one of its frames is taken."""
    return replace(info, kind="still", count=1, sound=())
