"""What travels from frame to frame: the dream layer, how far it has converged, and where tracking stands."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction

from torch import Tensor

from ..media.pixels import Field, Gray
from .strength import StrengthControl


@dataclass(frozen=True)
class TrackerState:
    """Where the tracking of a film stands after a frame (see `tracker`).

    Attributes:
        index: number of the frame that is read next.
        luma: the last frame, 8-bit luma (H, W), which the next one's motion is measured against; None at a beginning.
        was_confident: whether the last flow was reliable over most of the frame.
        moving: of a mask of motion, its peak and itself, (H, W) each in [0, 1], and the time they belong to, s.
    """

    index: int
    luma: Gray | None = None
    was_confident: bool = True
    moving: tuple[Field, Field, Fraction] | None = None


START = TrackerState(0)


@dataclass(frozen=True)
class State:
    """What travels from frame to frame, at full resolution and precision: a render resumes from it exactly.

    Attributes:
        layer: the dream layer L = dream − frame, (3, H, W).
        convergence: how far gradient ascent has come at each pixel, (1, H, W): 0 not begun, 1 converged.
        control: holds the shot at its strength.
        shares: the share of each term in the objective that the layer was dreamed for, by the term's key.
        base: of a feedback dream, the one colour, (3, 1, 1), that stands in for the frame: all the rest is layer.
        outpainted: what is dreamed ahead of a moving camera: the place of its frame in the order, and its layer
            (3, H, W).
        index: number of the frame that is dreamed next.
        tracking: where the tracking of the film stands for that.
    """

    layer: Tensor
    convergence: Tensor
    control: StrengthControl
    shares: Mapping[str, float] = field(default_factory=dict)
    base: Tensor | None = None
    outpainted: tuple[int, Tensor] | None = None
    index: int = 0
    tracking: TrackerState = START
