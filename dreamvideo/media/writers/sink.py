"""`open_sink`: opens an output for frames (a film, a frame sequence or a still), and `Sink`, the protocol of writers.

No output has its final name before it is complete: a writer writes to a hidden file and renames it at the end. If an
exception leaves the sink, what was written is removed.
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
from .codecs import ALPHA_CODECS, EncoderOptions
from .film import FilmWriter
from .output_checks import check_output, is_one_picture
from .pictures import FrameWriter, StillWriter


class Sink(Protocol):
    """An output that is open for writing; it takes frames in order.

    Attributes:
        path: as the user gave it.
        notices: facts that the user should know, one sentence each; more may come until `commit` returns.
        count: number of frames written so far.
        useful_depth: bits per channel that make a difference to the output, 8, 12 or 16: frames need not be kept
            more exactly than that.
    """

    path: str
    notices: list[str]
    count: int
    useful_depth: int

    def write(self, image: Tensor) -> None:
        """Write the next frame, which is clamped and quantised here and nowhere before.

        Args:
            image: float RGB in [0, 1], (3, H, W); RGBA, (4, H, W), of a layer and if the source's info has alpha.

        Raises:
            SinkError: this frame or an earlier one cannot be written.
        """

    def commit(self, whole: bool) -> None:
        """Complete the output under its final name.

        Args:
            whole: whether all frames were written; if not, sound and chapters end with the last one.

        Raises:
            SinkError: it cannot be written.
        """

    def discard(self) -> None:
        """Stop writing and remove unfinished files; after `commit`, nothing is left to remove."""


@contextmanager
def open_sink(
    path: str,
    info: Info,
    options: EncoderOptions | None = None,
    comment: str = "",
    overwrite: bool = False,
    layer: bool = False,
    scratch: Path | None = None,
) -> Iterator[Sink]:
    """Open an output for the frames of a source; on leaving without `commit`, nothing of it remains.

    Args:
        path: of a film, a still, a folder, or a printf pattern; the suffix decides the format.
        info: the source, whose size, rate, colour and sound are kept.
        options: encoder, quality and pixel format of a film; the defaults of its file type if None.
        comment: text for the file's metadata, the recipe.
        overwrite: whether an existing output may be replaced.
        layer: whether the frames are a dream's layer, RGBA; sound is left out, and 16 bits are kept where the format
            can.
        scratch: a folder for unfinished files if it is on the same disk as the output; otherwise, or if None, they
            are hidden in the output's folder.

    Yields:
        A `Sink`.

    Raises:
        SinkError: it exists already, is the input, cannot be written, or its format cannot hold the source.
    """
    if info.count == 1 and not takes_frames(path) and Path(path).suffix.lower() in STILLS:
        info = as_still(info)
    if layer:
        info = _layer_info(path, info)
    check_output(path, info, overwrite)
    sink: Sink
    if takes_frames(path):
        sink = FrameWriter(path, info, comment)
    elif is_one_picture(path, info):
        sink = StillWriter(path, info, comment)
    else:
        sink = FilmWriter(path, info, options or EncoderOptions(), comment, info.alpha, scratch)
    try:
        yield sink
    finally:
        sink.discard()


def _layer_info(path: str, info: Info) -> Info:
    """Return the info of a layer over a source: 16 bits and alpha, without sound.

    Raises:
        SinkError: the output's format cannot hold alpha.
    """
    pictures = takes_frames(path) or Path(path).suffix.lower() in STILLS
    suffix = Path(frame_pattern(path) if takes_frames(path) else path).suffix.lower()
    if suffix not in ([".png"] if pictures else ALPHA_CODECS):
        raise SinkError(
            f"{path} cannot hold a layer with alpha: name it {', '.join(ALPHA_CODECS)}, or .png for a still and frames"
        )
    kind = info.kind if info.kind == "still" else "sequence"
    return replace(info, kind=kind, depth=16, alpha=True, sound=(), song="", tags=())
