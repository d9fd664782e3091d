"""Hostile files and the command lines that are given them (see `scripts/hostile`)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from .case import Case
from .commands import show_and_measure
from .damaged import flipped, lying, misnamed, truncated, zeroed
from .files import clips, png
from .names import names
from .other_files import no_files, playlists
from .side_inputs import side_inputs
from .unusual import unusual_films, unusual_pictures

__all__ = ["Case", "cases", "png"]


def cases(folder: Path, port: int) -> Iterator[Case]:
    """Yield every case.

    Args:
        folder: an empty one, for the files that are made on the way.
        port: where a server of this machine listens, to which nothing should connect.
    """
    made = clips(folder)
    for kind in (truncated, flipped, zeroed, lying, names, no_files, side_inputs, show_and_measure, unusual_pictures):
        yield from kind(made)
    yield from misnamed(made, folder)
    yield from unusual_films(made, folder)
    yield from playlists(made, port)
