"""What every reader yields: frames, and facts about the source."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Protocol

from ..info import Info
from ..pixels import Pixels

DEFAULT_RATE = Fraction(24)  # of frame sequences, which carry none


@dataclass(frozen=True)
class Frame:
    """One picture of a source.

    Attributes:
        index: 0 for the first frame that is taken.
        time: seconds after that frame, exact.
        pixels: RGB, (H, W, 3), uint8 or uint16 over their full range.
        feedback: whether it is the picture before once more, and the dream is to live on its own last picture.
    """

    index: int
    time: Fraction
    pixels: Pixels
    feedback: bool = False


class Source(Protocol):
    """Frames in order, and what is known about them."""

    info: Info

    def __iter__(self) -> Iterator[Frame]: ...

    def since(self, first: int) -> Iterator[Frame]:
        """Yield the frames from one on. Of some films, whose index is wrong, others come: a reader has to look."""
