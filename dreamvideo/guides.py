"""Guides: pictures and films beside the one that is dreamed, which the dream is led by."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fractions import Fraction

from torch import Tensor

from .errors import SourceError
from .media import Frame, open_source

Features = Mapping[str, Tensor]  # what a picture holds at every place of every layer, (C, places)


class Guides:
    """What guides hold, by their paths; pictures are looked at once, films as time goes on.

    Args:
        paths: of pictures and films.
        look: tells what a frame holds.

    Raises:
        SourceError: one cannot be read, or holds no picture.
    """

    def __init__(self, paths: list[str], look: Callable[[Frame], Features]):
        self._held: dict[str, Features] = {}
        for path in paths:
            with open_source(path) as opened:
                frame = next(iter(opened), None)
            if frame is None:
                raise SourceError(f"the guide {path} holds no picture")
            self._held[path] = look(frame)

    def at(self, time: Fraction, weights: Mapping[str, float]) -> dict[str, tuple[Features, float]]:
        """Return what the guides of some weight hold at a moment of the film, and their weights."""
        return {path: (self._held[path], weight) for path, weight in weights.items() if weight}
