"""The second pass: every shot dreamed backwards first, to fill what comes into sight."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from . import flow
from .engine import Engine
from .state import State, TrackerState
from .tracker import TrackedFrame, seen_motion

STRETCH = 32  # frames that are dreamed backwards at a time


def with_fills(frames: Iterable[TrackedFrame], engine: Engine, tracking: TrackerState | None) -> Iterator[TrackedFrame]:
    """Give every frame a fill: its layer dreamed backwards from its future, for areas into which nothing is carried.

    A shot is dreamed backwards in stretches. So the first frame of a shot, and areas that come into sight, look at once
    as they will when they have been seen for a while.

    A render that resumes within a stretch has to dream the whole of it backwards again: the tracking of every frame but
    the last is that of the frame before the stretch, the first of which is `tracking`.
    """
    for stretch in _stretches(frames):
        if stretch[0].frame.feedback:  # a feedback dream has no future to look at
            yield from stretch
            continue
        before = tracking or TrackerState(stretch[0].frame.index)
        tracking = stretch[-1].tracking
        with tempfile.TemporaryFile() as file:
            for layer in _dreamed_backwards(stretch, engine):
                file.write(layer.cpu().half().numpy().tobytes())
            size = file.tell() // len(stretch)
            stretch.reverse()
            while stretch:  # frames that have been yielded are freed
                tracked = stretch.pop()
                file.seek(len(stretch) * size)
                half = np.frombuffer(file.read(size), np.float16).reshape(3, *tracked.luma.shape)
                fill = torch.from_numpy(half.astype(np.float32)).to(engine.device)
                yield replace(tracked, fill=fill, tracking=before if stretch else tracked.tracking)


def _dreamed_backwards(stretch: Sequence[TrackedFrame], engine: Engine) -> Iterator[Tensor]:
    """Yield the layers (3, H, W) of a stretch dreamed from its last frame to its first."""
    state: State | None = None
    later: TrackedFrame | None = None
    for tracked in reversed(stretch):
        motion, repeats = None, later is not None and later.repeats
        if later is not None and not repeats:
            back = flow.estimate_motion(tracked.luma, later.luma, *engine.flow_methods)
            motion = seen_motion(back, tracked.path, tracked.frame.index, later.frame.index)
        *_, state = engine.carry(replace(tracked, motion=motion, repeats=repeats), state)
        yield state.layer
        later = tracked


def _stretches(frames: Iterable[TrackedFrame]) -> Iterator[list[TrackedFrame]]:
    """Cut a film into lists of at most `STRETCH` frames, none of which reaches across a cut."""
    stretch: list[TrackedFrame] = []
    for tracked in frames:
        begins = tracked.motion is None and not tracked.repeats
        if stretch and (len(stretch) == STRETCH or begins or tracked.frame.feedback):
            yield stretch
            stretch = []
        stretch.append(tracked)
    if stretch:
        yield stretch
