"""Dreams a loop lap after lap until its end matches its beginning, and finishes its frames."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Generator, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from torch import Tensor

from ...curves.functions import smoothstep
from .. import carry
from ..engine import Engine
from ..flow import Motion
from ..outpaint import Outpainter
from ..state import State
from .layer_store import LayerStore, StoredLayers
from .views import LoopView

LAPS = 2  # times that the whole loop is dreamed
GENTLE = 0.4  # largest step gain in later laps, whose dream only needs warping on (see `strength.StrengthControl`)
CLOSING = 0.25  # share of one more lap, over which its layers blend into those of the lap before


def frames_to_dream(count: int) -> int:
    """Return how many frames are dreamed, over all laps, for a loop of `count` frames."""
    return LAPS * count + math.ceil(CLOSING * count)


def dream_loop(loop: LoopView, engine: Engine, layers: LayerStore, state: State | None = None) -> Generator[State]:
    """Dream a loop lap after lap, each lap starting from the layers of the lap before.

    Args:
        loop: its frames.
        engine: dreams them.
        layers: where the layers of the frames are kept.
        state: where an earlier call stopped; None starts at the beginning.

    Yields:
        The state after each frame; its `index` counts the frames dreamed so far, up to `frames_to_dream`.
    """
    outpainter = loop.ahead(engine)
    if outpainter is not None and state is not None:
        outpainter.outpainted = state.outpainted
    for done in range(state.index if state else 0, frames_to_dream(loop.count)):
        lap, place = divmod(done, loop.count)
        index = loop.order[place]
        step = loop.step(index, loop.order[place - 1] if done else None)
        fill = _fill(lap, index, outpainter, layers, state)
        step = replace(step, fill=None if fill is None else fill.to(engine.device))
        if lap and state is not None:
            state = replace(state, control=replace(state.control, step_gain=min(state.control.step_gain, GENTLE)))
        *_, state = engine.carry(step, state)
        layers[index] = _closing_layer(state.layer, layers[index], place, loop.count) if lap == LAPS else state.layer
        state = replace(state, index=done + 1, outpainted=outpainter.outpainted if outpainter else None)
        yield state


def _fill(
    lap: int, index: int, outpainter: Outpainter | None, layers: Mapping[int, Tensor], state: State | None
) -> Tensor | None:
    """Return what fills the disoccluded areas of a frame: outpainting in the first lap, then its layer in the last one.

    In the second lap the outpainter joins the two.
    """
    if outpainter is None or state is None or lap > 1:
        return layers[index] if lap else None
    return outpainter.join(index, state, layers) if lap else outpainter.fill(index, state)


def _closing_layer(layer: Tensor, kept: Tensor, place: int, count: int) -> Tensor:
    """Return the layer of a frame in the closing part of a lap: from its own to the one kept from the lap before."""
    share = float(smoothstep(place / (frames_to_dream(count) - LAPS * count)))
    return carry.blend_layers(layer, kept.to(layer.device), share)


def finish_loop(
    loop: LoopView, engine: Engine, layers: StoredLayers, indices: Sequence[int] | None = None
) -> Generator[tuple[Tensor, Motion]]:
    """Finish the frames of a dreamed loop: all of them, or those of some numbers.

    Yields:
        For each frame the dreamed picture, float RGB in [0, 1], (3, H, W), on the engine's device, and the motion from
        the frame before; before the first comes the last.
    """
    for index in range(loop.count) if indices is None else indices:
        step = loop.step(index, (index - 1) % loop.count)
        assert step.motion is not None
        shown = replace(step, mask=loop.shows(index, engine))
        yield engine.finish(shown, engine.image(step.frame), layers[index].to(engine.device)), step.motion


def render_loop(loop: LoopView, engine: Engine) -> Generator[tuple[Tensor, Motion]]:
    """Dream a loop and finish it in one go (see `dream_loop` and `finish_loop`)."""
    height, width = loop.step(loop.order[0], None).luma.shape
    with tempfile.TemporaryDirectory() as folder, closing(LayerStore(Path(folder), height, width)) as layers:
        for _ in dream_loop(loop, engine, layers):
            pass
        yield from finish_loop(loop, engine, layers)
