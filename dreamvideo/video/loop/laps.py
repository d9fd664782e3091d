"""A loop dreamed lap after lap until it closes, and its frames finished."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Generator, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from torch import Tensor

from .. import carry
from ..engine import Engine
from ..flow import Motion
from ..state import State
from .layer_store import LayerStore, StoredLayers
from .views import LoopView, smoothstep_

LAPS = 2  # times that all is dreamed
GENTLE = 0.4  # most that later rounds are driven (see `compose.StrengthControl`)
CLOSING = 0.25  # share of a third time that what still differs is given back over


def frames_to_dream(count: int) -> int:
    """Return how many frames are dreamed for a loop of so many."""
    return LAPS * count + math.ceil(CLOSING * count)


def dream_loop(circle: LoopView, engine: Engine, layers: LayerStore, state: State | None = None) -> Generator[State]:
    """Dream a loop round and round.

    Args:
        circle: its frames.
        engine: see `Engine`.
        layers: where the layers of its frames are kept.
        state: where an earlier call left off; None begins.

    Yields:
        The state after every frame that is dreamed; its `index` counts them, up to `work`.
    """
    last = frames_to_dream(circle.count) - LAPS * circle.count
    ahead = circle.ahead(engine)
    if ahead is not None and state is not None:
        ahead.outpainted = state.outpainted
    for done in range(state.index if state else 0, frames_to_dream(circle.count)):
        turn, place = divmod(done, circle.count)
        index = circle.order[place]
        step = circle.step(index, circle.order[place - 1] if done else None)
        if turn == 1 and ahead is not None and state is not None:
            step = replace(step, fill=ahead.join(index, state, layers).to(engine.device))
        elif turn:
            step = replace(step, fill=layers[index].to(engine.device))
        elif ahead is not None and state is not None:
            step = replace(step, fill=ahead.fill(index, state))
        if turn and state is not None:  # what has been dreamed well is only to be carried
            state = replace(state, control=replace(state.control, step_gain=min(state.control.step_gain, GENTLE)))
        *_, state = engine.carry(step, state)
        layer = state.layer
        if turn == LAPS:
            kept = layers[index].to(engine.device)
            layer = carry.blend_layers(layer, kept, smoothstep_(place / last))
        layers[index] = layer
        state = replace(state, index=done + 1, outpainted=ahead.outpainted if ahead else None)
        yield state


def finish_loop(
    circle: LoopView, engine: Engine, layers: StoredLayers, indices: Sequence[int] | None = None
) -> Generator[tuple[Tensor, Motion]]:
    """Finish the frames of a loop that is dreamed: all of them, or some.

    Yields:
        Frame by frame, the dreamed picture, float RGB in [0, 1], (3, H, W), on the engine's device,
        and the motion from the frame before, which for the first is the last.
    """
    for index in range(circle.count) if indices is None else indices:
        step = circle.step(index, (index - 1) % circle.count)
        assert step.motion is not None
        shown = replace(step, mask=circle.shows(index, engine))
        yield engine.finish(shown, engine.image(step.frame), layers[index].to(engine.device)), step.motion


def render_loop(circle: LoopView, engine: Engine) -> Generator[tuple[Tensor, Motion]]:
    """Dream a loop and finish it, in one go (see `dream` and `finish`)."""
    height, width = circle.step(circle.order[0], None).luma.shape
    with tempfile.TemporaryDirectory() as folder, closing(LayerStore(Path(folder), height, width)) as layers:
        for _ in dream_loop(circle, engine, layers):
            pass
        yield from finish_loop(circle, engine, layers)
