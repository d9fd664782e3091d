"""The one loop that everything is rendered by."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from contextlib import closing
from dataclasses import replace

from torch import Tensor

from ..media.readers.frame import Frame
from .engine import Engine, OnOctave
from .outpaint import Outpainter
from .prefetch import prefetch
from .process_settings import configure_process
from .shots import Rule
from .state import State
from .tracker import TrackedFrame
from .two_passes import with_fills


def render(
    frames: Iterable[Frame],
    engine: Engine,
    state: State | None = None,
    shots: Rule | None = None,
    on_octave: OnOctave | None = None,
) -> Generator[tuple[Tensor, State]]:
    """Dream frames one after the other, each from the dream that the last one left, carried along.

    Args:
        frames: in order of time; read ahead on another thread, a few at a time.
        engine: see `Engine`.
        state: where an earlier call stopped; None starts with a full dream. The frames then have to begin with the one
            that its tracking names: the next, or in two passes the first of the next one's stretch.
        shots: marks the frames with which shots begin (see `video.shots`); by the recipe if None.
        on_octave: is told the number of every frame and its dream at each octave's size, (3, h, w).

    Yields:
        The dreamed picture, float RGB in [0, 1], (3, H, W), on the engine's device, and the state after it.

    Source: the dream layer carried by L_t = warp(L_{t−1}) + ascent; flow confidence after Ruder et al. 2016.
    """
    configure_process(engine.recipe.network)
    tracking, first = (state.tracking, state.index) if state else (None, -1)
    with closing(engine), closing(prefetch(engine.track(frames, tracking, shots))) as followed:
        in_two = engine.recipe.temporal.passes == 2 and engine.recipe.temporal.flow != "none"
        outpainter: Outpainter | None = None
        for tracked in with_fills(followed, engine, tracking) if in_two else followed:
            if tracked.frame.index < first:  # dreamed before, and read again for what comes after it
                continue
            filled = tracked
            if tracked.frame.feedback and tracked.path is not None and state is not None:
                outpainter = outpainter or _outpainter(engine, tracked, state)
                filled = replace(tracked, fill=outpainter.fill(tracked.frame.index, state))
                state = replace(state, outpainted=outpainter.outpainted)
            picture, state = engine.dream(filled, state, on_octave)
            state = replace(state, index=tracked.frame.index + 1, tracking=tracked.tracking)
            yield picture, state


def _outpainter(engine: Engine, tracked: TrackedFrame, state: State) -> Outpainter:
    """Return what dreams ahead of the camera, from where an earlier call left it."""
    assert tracked.path is not None
    outpainter = engine.outpainter(tracked.path)
    outpainter.outpainted = state.outpainted
    return outpainter
