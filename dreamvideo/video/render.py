"""The one loop that everything is rendered by."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from contextlib import closing
from dataclasses import replace

from torch import Tensor

from ..media.readers.frame import Frame
from .engine import Engine
from .outpaint import Outpainter
from .prefetch import prefetch
from .state import State
from .two_passes import with_fills


def render(frames: Iterable[Frame], engine: Engine, state: State | None = None) -> Generator[tuple[Tensor, State]]:
    """Dream frames one after the other, each seeded by the one before.

    Args:
        frames: in order of time; read ahead on another thread, a few at a time.
        engine: see `Engine`.
        state: where an earlier call left off; None starts with a full dream. The frames have to begin then with the
            one that its tracking leads to: the next, or in two passes the first of the next one's stretch.

    Yields:
        The dreamed picture, float RGB in [0, 1], (3, H, W), on the engine's device, and the state after it.

    Source: the dream layer carried by L_t = warp(L_{t−1}) + ascent; confidence after Ruder et al. 2016.
    """
    tracking, since = (state.tracking, state.index) if state else (None, -1)
    with closing(engine), closing(prefetch(engine.follow(frames, tracking))) as steps:
        twice = engine.recipe.temporal.passes == 2 and engine.recipe.temporal.flow != "none"
        ahead: Outpainter | None = None
        for step in with_fills(steps, engine, tracking) if twice else steps:
            if step.frame.index < since:  # dreamed before, and read again for what comes after it
                continue
            if step.frame.feedback and step.path is not None and state is not None:
                if ahead is None:
                    ahead = engine.ahead(step.path)
                    ahead.outpainted = state.outpainted
                step = replace(step, fill=ahead.fill(step.frame.index, state))  # noqa: PLW2901
                state = replace(state, outpainted=ahead.outpainted)
            picture, state = engine.dream(step, state)
            state = replace(state, index=step.frame.index + 1, tracking=step.tracking)
            yield picture, state
