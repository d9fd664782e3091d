"""Opens any source by its name: `open_source`."""

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


@contextmanager
def open_source(path: str, selection: Selection | None = None) -> Iterator[Source]:
    """Open a film, a frame sequence (folder, glob, printf pattern), a still, or `noise:`.

    Args:
        path: local, whatever it may contain.
        selection: which part, at which size, and the rate of a sequence; all of it as it is if None.

    Raises:
        SourceError: there is nothing there that can be read, or nothing between start and end.
        RecipeError: a size that cannot be read.
    """
    selection = selection or Selection()
    if noise := NOISE.fullmatch(path):
        yield NoiseReader(path, int(noise[1] or 0), selection)
    elif holds_frames(path):
        yield PictureReader(path, sequence_files(path), "sequence", selection)
    elif not Path(path).exists():
        raise SourceError(f"{path} does not exist: check the name")
    elif is_still(path) and Path(path).suffix.lower() == ".webp" and is_animation(Path(path)):
        yield AnimatedWebPReader(path, selection)
    elif is_still(path):
        yield PictureReader(path, [Path(path)], "still", selection)
    else:
        yield FilmReader(path, probe(path), selection)
