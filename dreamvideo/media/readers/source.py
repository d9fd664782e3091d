"""`open_source`: opens a film, a frame sequence, a still or noise, whichever a name stands for."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ...errors import SourceError
from ..paths import holds_frames, is_still, sequence_files
from ..probe import probe
from .animated_webp import AnimatedWebPReader
from .film import FilmReader
from .frame import Source
from .noise import NOISE, NoiseReader
from .picture_file import is_animation
from .pictures import PictureReader
from .selection import Selection

ANIMATIONS = {".webp": "webp", ".png": "apng", ".avif": "mov"}  # still pictures by name that may move: FFmpeg's formats


@contextmanager
def open_source(path: str, selection: Selection | None = None) -> Iterator[Source]:
    """Open a film, a frame sequence (folder, glob, printf pattern), a still, or noise (`noise:`, `noise:SEED`).

    Args:
        path: of local files, whatever characters it holds; network addresses are not opened.
        selection: which part, at which size, and the rate of a sequence; everything as it is if None.

    Yields:
        A `Source`, which is an iterable of `Frame`.

    Raises:
        SourceError: it cannot be found or read, or has no frame between start and end.
        RecipeError: the size cannot be read.
    """
    selection = selection or Selection()
    if noise := NOISE.fullmatch(path):
        yield NoiseReader(path, int(noise[1] or 0), selection)
    elif holds_frames(path):
        yield PictureReader(path, sequence_files(path), "sequence", selection)
    elif not Path(path).exists():
        raise SourceError(f"{path} does not exist: check the name")
    elif (animation := _animation(path)) == ".webp":
        yield AnimatedWebPReader(path, selection)
    elif animation and not selection.one_picture:
        yield FilmReader(path, probe(path, demuxer=ANIMATIONS[animation]), selection)
    elif is_still(path):
        yield PictureReader(path, [Path(path)], "still", selection)
    else:
        yield FilmReader(path, probe(path, selection.stream), selection)


def _animation(path: str) -> str:
    """Return the file type of an animation that is named like a still; empty for a still, or a film."""
    suffix = Path(path).suffix.lower()
    return suffix if suffix in ANIMATIONS and is_animation(Path(path)) else ""
