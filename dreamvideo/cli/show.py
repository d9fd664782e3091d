"""`dreamvideo show`."""

from __future__ import annotations

from ..errors import escaped


def show(path: str) -> int:
    """Print the recipe inside a file; return the exit code."""
    from ..media.metadata import read_recipe

    print(escaped(read_recipe(path)), end="")
    return 0
