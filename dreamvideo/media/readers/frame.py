"""`Frame`, one picture of a source, and `Source`, the protocol that every reader follows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Protocol

from ..info import Info
from ..pixels import Pixels

DEFAULT_RATE = Fraction(24)  # frames per second of frame sequences and stills, which carry none


@dataclass(frozen=True)
class Frame:
    """One picture of a source.

    Attributes:
        index: 0 for the first frame that is selected.
        time: seconds after that frame, exact.
        pixels: RGB, (H, W, 3), uint8 or uint16 over their full range.
        alpha: (H, W), of the same type; None without an alpha channel.
        feedback: whether it repeats the frame before, so that the dream goes on from its own last picture.
    """

    index: int
    time: Fraction
    pixels: Pixels
    feedback: bool = False
    alpha: Pixels | None = None


class Source(Protocol):
    """A film, frame sequence or still that is open for reading; iterating yields its frames in order.

    Attributes:
        info: what is known about it before its frames are decoded.
        notices: what was found while they were decoded, one sentence each.
    """

    info: Info

    @property
    def notices(self) -> tuple[str, ...]: ...

    def __iter__(self) -> Iterator[Frame]: ...

    def since(self, first: int) -> Iterator[Frame]:
        """Yield the frames from number `first` on.

        In a film whose index is wrong, seeking leads to other frames than reading from the beginning: callers that
        must have the right ones compare them.

        Raises:
            SourceError: a frame cannot be decoded.
        """
