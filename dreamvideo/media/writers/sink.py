"""Frames out: films through ffmpeg, frame sequences and stills through OpenCV.

Nothing stands under its final name before it is whole: every sink writes to a hidden name in the same folder and
renames at the end. Leaving a sink through an exception throws away what was written.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from torch import Tensor

from ...errors import SinkError
from ..info import Info, as_still
from ..paths import STILLS, frame_pattern, takes_frames
from .checks import check_output, is_one_picture
from .codecs import LAYERS, EncoderOptions
from .film import FilmSink
from .pictures import FrameSink, StillSink


class Sink(Protocol):
    """Takes pictures in order."""

    path: str
    notices: list[str]
    count: int  # pictures taken so far
    useful_depth: int  # bits per channel that are worth keeping of a picture for it: 8, 12 or 16

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
    options: EncoderOptions | None = None,
    comment: str = "",
    overwrite: bool = False,
    alpha: bool = False,
    scratch: Path | None = None,
) -> Iterator[Sink]:
    """Open an output for the frames of a source; on leaving without `commit`, nothing of it remains.

    Args:
        path: a film, a still, a folder or a printf pattern, by its name.
        info: the source, whose size, rate, colour and sound it keeps.
        options: encoder, quality and pixel format of a film; the usual ones of its file type if None.
        comment: the recipe, written into the file's metadata.
        overwrite: whether what stands there may be replaced.
        alpha: whether the pictures are RGBA, (4, H, W): without sound, in 16 bits where the file type holds them.
        scratch: a folder for what is not whole yet, if it lies on the same disk; else it lies hidden beside the output.

    Raises:
        SinkError: it exists already, is the input, cannot be written, or its kind does not suit the source.
    """
    if info.count == 1 and not takes_frames(path) and Path(path).suffix.lower() in STILLS:
        info = as_still(info)
    if alpha:
        info = _as_layer(path, info)
    check_output(path, info, overwrite)
    sink: Sink
    if takes_frames(path):
        sink = FrameSink(path, info, comment)
    elif is_one_picture(path, info):
        sink = StillSink(path, info, comment)
    else:
        sink = FilmSink(path, info, options or EncoderOptions(), comment, alpha, scratch)
    try:
        yield sink
    finally:
        sink.discard()


def _as_layer(path: str, info: Info) -> Info:
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
