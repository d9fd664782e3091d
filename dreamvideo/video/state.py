"""What travels from frame to frame."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction

from torch import Tensor

from ..media.pixels import Field, Gray
from .strength import StrengthControl


@dataclass(frozen=True)
class TrackerState:
    """What the reading of a film leaves behind for its next frame.

    Attributes:
        index: number of that frame.
        luma: the frame before, 8-bit luma (H, W), which its motion is measured against; None where there is none.
        trusted: whether the last flow was believed.
        moving: of a mask of motion, its peak and itself, (H, W) each in [0, 1], and the moment they are of, s.
    """

    index: int
    luma: Gray | None = None
    trusted: bool = True
    moving: tuple[Field, Field, Fraction] | None = None


START = TrackerState(0)


@dataclass(frozen=True)
class State:
    """What travels from frame to frame, at full resolution and precision: a render goes on from it exactly.

    Attributes:
        layer: the dream layer L = dream − frame, (3, H, W).
        convergence: how far each pixel is dreamed, (1, H, W): 0 fresh, 1 fully.
        control: what holds the shot at its strength.
        shares: of every term of the objective that it was dreamed towards, by what it is.
        base: the one colour, (3, 1, 1), of a dream that lives on itself: all else in the picture is layer then.
        outpainted: what is dreamed ahead of a moving camera: the place of the frame it is of, and its layer (3, H, W).
        index: number of the frame that is dreamed next.
        tracking: from where on the film has to be read for that.
    """

    layer: Tensor
    convergence: Tensor
    control: StrengthControl
    shares: Mapping[str, float] = field(default_factory=dict)
    base: Tensor | None = None
    outpainted: tuple[int, Tensor] | None = None
    index: int = 0
    tracking: TrackerState = START
