"""A loop dreamed round and round until it closes, and its frames finished."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Generator, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from torch import Tensor

from .. import compose
from ..compose import State
from ..flow import Motion
from ..metrics import seam_error, temporal_error
from ..pipeline import Engine
from .circles import Circle, gently
from .layers import Kept, Layers

ROUNDS = 2  # times that all is dreamed
GENTLE = 0.4  # most that later rounds are driven (see `compose.Governor`)
CLOSING = 0.25  # share of a third time that what still differs is given back over


def work(count: int) -> int:
    """Return how many frames are dreamed for a loop of so many."""
    return ROUNDS * count + math.ceil(CLOSING * count)


def dream(circle: Circle, engine: Engine, layers: Layers, state: State | None = None) -> Generator[State]:
    """Dream a loop round and round.

    Args:
        circle: its frames.
        engine: see `Engine`.
        layers: where the layers of its frames are kept.
        state: where an earlier call left off; None begins.

    Yields:
        The state after every frame that is dreamed; its `index` counts them, up to `work`.
    """
    last = work(circle.count) - ROUNDS * circle.count
    ahead = circle.ahead(engine)
    if ahead is not None and state is not None:
        ahead.reach = state.reach
    for done in range(state.index if state else 0, work(circle.count)):
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
            state = replace(state, governor=replace(state.governor, drive=min(state.governor.drive, GENTLE)))
        *_, state = engine.carry(step, state)
        layer = state.layer
        if turn == ROUNDS:
            kept = layers[index].to(engine.device)
            layer = compose.between(layer, kept, gently(place / last))
        layers[index] = layer
        state = replace(state, index=done + 1, reach=ahead.reach if ahead else None)
        yield state


def finish(
    circle: Circle, engine: Engine, layers: Kept, indices: Sequence[int] | None = None
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


def render(circle: Circle, engine: Engine) -> Generator[tuple[Tensor, Motion]]:
    """Dream a loop and finish it, in one go (see `dream` and `finish`)."""
    height, width = circle.step(circle.order[0], None).luma.shape
    with tempfile.TemporaryDirectory() as folder, closing(Layers(Path(folder), height, width)) as layers:
        for _ in dream(circle, engine, layers):
            pass
        yield from finish(circle, engine, layers)


class Errors:
    """The temporal error of every frame of a loop, from the one before; that of the first once all are there."""

    def __init__(self) -> None:
        self._first: tuple[Tensor, Motion] | None = None
        self._last: Tensor | None = None
        self._found: list[float] = []

    def add(self, picture: Tensor, motion: Motion) -> None:
        """Take the next picture, (3, H, W), and the motion from the one before."""
        picture = picture.cpu()
        if self._first is None or self._last is None:
            self._first = picture, motion
        else:
            self._found.append(temporal_error(picture, self._last, motion))
        self._last = picture

    @property
    def seam(self) -> float:
        """The error from the last frame to the first over the median of the others."""
        if self._first is None or self._last is None:
            return math.nan
        return seam_error(temporal_error(self._first[0], self._last, self._first[1]), self._found)
