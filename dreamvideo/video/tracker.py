"""Follows a film: for every frame its motion, cuts and repeats, the camera's view of it, and its mask."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np
from torch import Tensor

from ..curves.animate import Animation, FrameNumbers
from ..finish.mask import Mask
from ..media.pixels import Field, Gray, luma_8bit
from ..media.readers.frame import Frame
from ..recipe import Temporal
from . import camera, flow
from .camera import CameraPath
from .flow import Methods, Motion
from .shots import Rule
from .state import START, TrackerState

CUT_CONFIDENCE = 0.25  # a flow that is suddenly reliable over less of the frame than this is a cut, not motion


@dataclass(frozen=True)
class TrackedFrame:
    """A frame, and how it came from the one before.

    Attributes:
        frame: as the camera shows it.
        luma: 8-bit luma (H, W) of the film's own frame, without the camera.
        numbers: the recipe's at this frame.
        motion: from the frame before; None where a dream starts: on a shot's first frame, and without flow.
        repeats: whether it shows what the frame before showed, so that it takes over the dream as it is.
        fill: a dream layer (3, H, W) of this frame, for areas into which nothing is carried.
        path: the camera's; None where it rests.
        mask: how much of the dream the frame shows, (H, W) in [0, 1]; None for all of it everywhere.
        tracking: where tracking stands after this frame.
    """

    frame: Frame
    luma: Gray
    numbers: FrameNumbers
    motion: Motion | None = None
    repeats: bool = False
    fill: Tensor | None = None
    path: CameraPath | None = None
    mask: Field | None = None
    tracking: TrackerState = START


class Tracker:
    """Follows one run over a film's frames.

    It runs on the thread that reads ahead, in NumPy: one parallel torch operation there would give that thread a team
    of OpenMP workers of its own, which then outnumber the cores and slow the network to half.

    Args:
        animation: the recipe over time.
        shots: marks the frames with which shots begin (see `shots`).
        camera_path: makes the camera's path over pictures of a width and height; None where the camera rests.
        mask: where the dream shows; None for everywhere.
        flow_methods: for the flow, and for checking it.
        state: where tracking stood after the frame before the first; None where nothing is known of it.
    """

    def __init__(
        self,
        animation: Animation,
        shots: Rule,
        camera_path: Callable[[int, int], CameraPath | None],
        mask: Mask | None,
        flow_methods: Methods,
        state: TrackerState | None = None,
    ):
        self._flow_methods = flow_methods
        self._animation, self._shots, self._mask = animation, shots, mask
        self._camera_path, self._has_path = camera_path, False
        self._path: CameraPath | None = None
        self._luma, self._was_confident = (state.luma, state.was_confident) if state else (None, True)
        if mask is not None:
            mask.moving = state.moving if state else None

    def track(self, frames: Iterable[Frame]) -> Iterator[TrackedFrame]:
        """Yield every frame, as the camera shows it, with how it came from the one before."""
        for frame, begins in self._shots(frames):
            luma, numbers = luma_8bit(frame.pixels), self._animation.at(frame.index)
            if not self._has_path:
                self._path, self._has_path = self._camera_path(luma.shape[1], luma.shape[0]), True
            if frame.feedback and self._luma is not None:
                yield self._feedback(frame, luma, numbers)
            else:
                yield self._filmed(frame, luma, numbers, begins)

    def _filmed(self, frame: Frame, luma: Gray, numbers: FrameNumbers, begins: bool) -> TrackedFrame:
        """Return a frame of the film with its motion, seen through the camera."""
        own, repeats, path = None, False, self._path
        if numbers.temporal.flow == "none" or begins or self._luma is None or self._luma.shape != luma.shape:
            self._was_confident = True
        elif flow.is_repeat(luma, self._luma):
            luma = self._luma  # measured against the first of its kind, so that a slow fade is no repetition
            repeats = numbers.temporal.morph == 0 and path is None
            own = None if repeats else camera.camera_motion(np.eye(3), *luma.shape[::-1])
        else:
            own = self._measured(luma, self._luma, numbers.temporal)
        mask = None if self._mask is None else self._mask.at(frame, numbers.finish, own, repeats)
        motion = own
        if path is not None:
            motion = None if own is None else seen_motion(own, path, frame.index, frame.index - 1)
            mask = None if mask is None else np.clip(camera.view_through(mask, path.view(frame.index)), 0, 1)
            frame = replace(frame, pixels=camera.view_through(frame.pixels, path.view(frame.index)))
        self._luma = luma
        tracking = self._state(frame.index + 1)
        return TrackedFrame(frame, luma, numbers, motion, repeats, path=path, mask=mask, tracking=tracking)

    def _measured(self, luma: Gray, before: Gray, temporal: Temporal) -> Motion | None:
        """Return the film's own motion from the frame before; None where the flow suddenly breaks down: a cut."""
        motion = flow.estimate_motion(luma, before, *self._flow_methods)
        is_confident = bool(motion.confidence.numpy().mean() >= CUT_CONFIDENCE)
        is_cut = not is_confident and self._was_confident and temporal.cuts == "auto"  # a whip pan is no row of cuts
        self._was_confident = is_confident
        return None if is_cut else motion

    def _feedback(self, frame: Frame, luma: Gray, numbers: FrameNumbers) -> TrackedFrame:
        """Return a frame of a feedback dream, which moves by the camera alone."""
        step = np.eye(3) if self._path is None else self._path.steps[frame.index]
        motion = camera.camera_motion(step, luma.shape[1], luma.shape[0])
        mask = None if self._mask is None else self._mask.at(frame, numbers.finish)
        tracking = self._state(frame.index + 1)
        return TrackedFrame(frame, luma, numbers, motion, path=self._path, mask=mask, tracking=tracking)

    def _state(self, index: int) -> TrackerState:
        moving = None if self._mask is None else self._mask.moving
        return TrackerState(index, self._luma, self._was_confident, moving)


def seen_motion(motion: Motion, path: CameraPath | None, index: int, before: int) -> Motion:
    """Return a film's own motion between two of its frames as the camera shows it."""
    return motion if path is None else camera.film_motion(path.view(index), motion, path.view(before))
