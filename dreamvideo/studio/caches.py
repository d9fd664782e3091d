"""What is kept from one question of the page to the next, since it takes long and seldom changes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Generic, TypeVar

from ..curves.animate import needs_analysis
from ..recipe import Recipe

T = TypeVar("T")
STILL = "still.png"  # an output that leaves it to the recipe whether a still becomes a film


class Cache(Generic[T]):
    """The newest of some values, by what they were made from.

    Args:
        most: how many are kept.
    """

    def __init__(self, most: int):
        self._most = most
        self._values: list[tuple[Any, T]] = []

    def get(self, key: Any, make: Callable[[], T]) -> T:
        """Return the value of a key, which need not be hashable; made if it is not there."""
        found = next((one for one in self._values if one[0] == key), None)
        if found is None:
            found = key, make()
        self._values = [found, *(one for one in self._values if one is not found)][: self._most]
        return found[1]


def extent_key(source: str, recipe: Recipe) -> Any:
    """Return all that the length and the timeline of a film depend on."""
    song = recipe.music.music
    return source, changed(source), recipe.clip, recipe.music, changed(song), recipe.camera, needs_analysis(recipe)


def changed(path: str) -> float:
    """Return when a file was last changed; 0 for what is no file."""
    return Path(path).stat().st_mtime if path and Path(path).exists() else 0.0
