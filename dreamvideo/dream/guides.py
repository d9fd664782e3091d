"""Guides: pictures and films beside the one that is dreamed, which the dream is led by."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fractions import Fraction

from torch import Tensor

from ..media.pixels import Pixels
from ..media.synced_reader import SyncedReader

Features = Mapping[str, Tensor]  # what a picture holds at every place of every layer, (C, places)


class Guides:
    """What guides hold, by their paths: of a film, what it shows at the same time as the one that is dreamed.

    Args:
        paths: of pictures and films.
        look: tells what a picture holds, RGB (H, W, 3).
        rate: frames per second of the film that is dreamed.
        begins: s into its source at which it begins.

    Raises:
        SourceError: one cannot be read.
    """

    def __init__(self, paths: list[str], look: Callable[[Pixels], Features], rate: Fraction, begins: Fraction):
        self._look, self._begins = look, begins
        self._films = {path: SyncedReader(path, rate) for path in paths}
        self._seen: dict[str, tuple[Pixels, Features]] = {}  # the last picture of each, and what it holds

    def at(self, time: Fraction, weights: Mapping[str, float]) -> dict[str, tuple[Features, float]]:
        """Return what the guides of some weight hold at a moment of the film, s, and their weights."""
        return {path: (self._features(path, time + self._begins), weight) for path, weight in weights.items() if weight}

    def close(self) -> None:
        """Stop reading; the next moment that is asked for opens them again."""
        for film in self._films.values():
            film.close()

    def _features(self, path: str, time: Fraction) -> Features:
        shown = self._films[path].at(time)
        if path not in self._seen or self._seen[path][0] is not shown:
            self._seen[path] = shown, self._look(shown)
        return self._seen[path][1]
