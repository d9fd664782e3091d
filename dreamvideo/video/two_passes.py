"""The second pass: every shot dreamed backwards first, to fill what comes into sight."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import replace

import numpy as np
import torch

from . import flow
from .engine import Engine
from .state import State, TrackerState
from .tracker import TrackedFrame, seen_motion

STRETCH = 32  # frames that are dreamed backwards at a time


def with_fills(steps: Iterable[TrackedFrame], engine: Engine, tracking: TrackerState | None) -> Iterator[TrackedFrame]:
    """Give every frame a layer dreamed backwards from its future, to take where nothing is carried from its past.

    A shot is dreamed backwards in stretches, the layers of one kept on disk in half precision: so the first frame of
    a shot, and ground that comes into sight, look at once as they will when they have been seen for a while.

    A render that goes on within a stretch has to dream the whole of it backwards again: the tracking of every frame but
    the last is that of the frame before the stretch, the first of which is `tracking`.
    """
    for stretch in _stretches(steps):
        if stretch[0].frame.feedback:  # a dream that lives on itself has no future to look at
            yield from stretch
            continue
        before = tracking or TrackerState(stretch[0].frame.index)
        tracking = stretch[-1].tracking
        with tempfile.TemporaryFile() as file:
            state: State | None = None
            for later, step in zip([None, *reversed(stretch)], reversed(stretch)):  # noqa: B905 - the first has no later
                back = None
                if later is not None and not later.repeats:
                    back = flow.estimate_motion(step.luma, later.luma, *flow.METHODS[engine.recipe.temporal.flow])
                    back = seen_motion(back, step.path, step.frame.index, later.frame.index)
                repeats = later is not None and later.repeats
                *_, state = engine.carry(replace(step, motion=back, repeats=repeats), state)
                file.write(state.layer.cpu().half().numpy().tobytes())
            size = file.tell() // len(stretch)
            stretch.reverse()
            while stretch:  # what has been given away is let go
                step = stretch.pop()
                file.seek(len(stretch) * size)
                half = np.frombuffer(file.read(size), np.float16).reshape(3, *step.luma.shape)
                fill = torch.from_numpy(half.astype(np.float32)).to(engine.device)
                yield replace(step, fill=fill, tracking=before if stretch else step.tracking)


def _stretches(steps: Iterable[TrackedFrame]) -> Iterator[list[TrackedFrame]]:
    """Cut steps into lists of at most `STRETCH` frames, none reaching across a cut."""
    stretch: list[TrackedFrame] = []
    for step in steps:
        begins = step.motion is None and not step.repeats
        if stretch and (len(stretch) == STRETCH or begins or step.frame.feedback):
            yield stretch
            stretch = []
        stretch.append(step)
    if stretch:
        yield stretch
