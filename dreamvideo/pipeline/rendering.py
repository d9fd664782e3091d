"""The one loop that everything is rendered by."""

from __future__ import annotations

import tempfile
from collections.abc import Generator, Iterable, Iterator
from contextlib import closing
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from .. import flow
from ..compose import State, Trail
from ..media import Frame
from ..outpaint import Ahead
from .engine import Engine, Step, seen
from .reading import read_ahead

STRETCH = 32  # frames that are dreamed backwards at a time


def render(frames: Iterable[Frame], engine: Engine, state: State | None = None) -> Generator[tuple[Tensor, State]]:
    """Dream frames one after the other, each seeded by the one before.

    Args:
        frames: in order of time; read ahead on another thread, a few at a time.
        engine: see `Engine`.
        state: where an earlier call left off; None starts with a full dream. The frames have to begin then with the
            one that its trail leads to: the next, or in two passes the first of the next one's stretch.

    Yields:
        The dreamed picture, float RGB in [0, 1], (3, H, W), on the engine's device, and the state after it.

    Source: the dream layer carried by L_t = warp(L_{t−1}) + ascent; trust after Ruder et al. 2016.
    """
    trail, since = (state.trail, state.index) if state else (None, -1)
    with closing(engine), closing(read_ahead(engine.follow(frames, trail))) as steps:
        twice = engine.recipe.temporal.passes == 2 and engine.recipe.temporal.flow != "none"
        ahead: Ahead | None = None
        for step in _filled(steps, engine, trail) if twice else steps:
            if step.frame.index < since:  # dreamed before, and read again for what comes after it
                continue
            if step.frame.held and step.path is not None and state is not None:
                if ahead is None:
                    ahead = engine.ahead(step.path)
                    ahead.reach = state.reach
                step = replace(step, fill=ahead.fill(step.frame.index, state))  # noqa: PLW2901
                state = replace(state, reach=ahead.reach)
            picture, state = engine.dream(step, state)
            state = replace(state, index=step.frame.index + 1, trail=step.trail)
            yield picture, state


def _filled(steps: Iterable[Step], engine: Engine, trail: Trail | None) -> Iterator[Step]:
    """Give every frame a layer dreamed backwards from its future, to take where nothing is carried from its past.

    A shot is dreamed backwards in stretches, the layers of one kept on disk in half precision: so the first frame of
    a shot, and ground that comes into sight, look at once as they will when they have been seen for a while.

    A render that goes on within a stretch has to dream the whole of it backwards again: the trail of every frame but
    the last is that of the frame before the stretch, the first of which is `trail`.
    """
    for stretch in _stretches(steps):
        if stretch[0].frame.held:  # a dream that lives on itself has no future to look at
            yield from stretch
            continue
        before = trail or Trail(stretch[0].frame.index)
        trail = stretch[-1].trail
        with tempfile.TemporaryFile() as file:
            state: State | None = None
            for later, step in zip([None, *reversed(stretch)], reversed(stretch)):  # noqa: B905 - the first has no later
                back = None
                if later is not None and not later.repeats:
                    back = flow.estimate(step.luma, later.luma, *flow.METHODS[engine.recipe.temporal.flow])
                    back = seen(back, step.path, step.frame.index, later.frame.index)
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
                yield replace(step, fill=fill, trail=before if stretch else step.trail)


def _stretches(steps: Iterable[Step]) -> Iterator[list[Step]]:
    """Cut steps into lists of at most `STRETCH` frames, none reaching across a cut."""
    stretch: list[Step] = []
    for step in steps:
        begins = step.motion is None and not step.repeats
        if stretch and (len(stretch) == STRETCH or begins or step.frame.held):
            yield stretch
            stretch = []
        stretch.append(step)
    if stretch:
        yield stretch
