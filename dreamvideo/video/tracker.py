"""Follows a film: for every frame its motion, cuts, repeats, camera view and mask."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from ..media.pixels import Field, Gray
from ..media.readers.frame import Frame
from . import camera
from .flow import Motion
from .state import START, TrackerState

CUT_CONFIDENCE = 0.25  # a flow that all at once is believed over less of the frame than this is no motion but a cut


@dataclass(frozen=True)
class TrackedFrame:
    """A frame, and how it came from the one before.

    Attributes:
        frame: the frame.
        luma: its 8-bit luma, (H, W).
        motion: from the frame before; None where a dream starts: on a shot's first frame, and without flow.
        repeats: whether it shows what the frame before showed, so that it takes over the dream as it is.
        fill: a dream layer (3, H, W) of this frame, to take where nothing is carried.
        path: the camera's, which the frame is seen through and the luma is not.
        mask: how much of the dream the frame shows, (H, W) in [0, 1]; None for all of it everywhere.
        tracking: from where on the film has to be read for the frame after this one.
    """

    frame: Frame
    luma: Gray
    motion: Motion | None = None
    repeats: bool = False
    fill: Tensor | None = None
    path: camera.CameraPath | None = None
    mask: Field | None = None
    tracking: TrackerState = START


def seen_motion(motion: Motion, path: camera.CameraPath | None, index: int, before: int) -> Motion:
    """Return a film's own motion between two of its frames as the camera shows it."""
    return motion if path is None else camera.film_motion(path.view(index), motion, path.view(before))
