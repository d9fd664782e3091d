"""Ground that the camera is about to uncover, dreamed ahead and in one piece.

Where a view widens, every frame brings a rim a few pixels wide. Mirrored into it frame by frame, a dream is drawn out
into streaks. So it is dreamed ahead: a whole margin at once, as it will be seen some frames later, in harmony with what
borders on it; until then every frame takes its rim from there.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from . import camera, compose, flow
from .camera import Matrix
from .compose import State

if TYPE_CHECKING:
    from .pipeline import Engine

MARGIN = 0.3  # share of a picture that is dreamed ahead at most
RIM = 0.0005  # share of a picture uncovered by a frame, below which nothing need be done


class Ahead:
    """Dreams ahead of a camera.

    Args:
        engine: see `Engine`.
        order: the frames, in the order they are dreamed.
        between: a frame's view of the one before it in that order, (3, 3).
        image: the picture of a frame, (3, H, W), without its dream.
    """

    def __init__(
        self,
        engine: Engine,
        order: Sequence[int],
        between: Callable[[int, int], Matrix],
        image: Callable[[int, State], Tensor],
    ):
        self._engine, self._order, self._between, self._image = engine, order, between, image
        self._place = {index: place for place, index in enumerate(order)}
        self._until = -1  # place of the frame that is dreamed already
        self._layer: Tensor | None = None

    def fill(self, index: int, state: State) -> Tensor | None:
        """Return a ripe layer (3, H, W) for a frame, to take where it uncovers ground; None where it uncovers none.

        `state` is the one that the frame before it left.
        """
        height, width = state.layer.shape[-2:]
        place = self._place[index]
        if place == 0 or _uncovered(self._view(place, place - 1), width, height) < RIM:
            return None
        if place > self._until or self._layer is None:
            self._until, self._layer = self._reach(place, state)
        here = np.linalg.inv(self._view(self._until, place))
        return flow.warp(self._layer, camera.motion(here.astype(float), width, height).flow.to(self._layer.device))

    def _view(self, place: int, before: int) -> Matrix:
        """Return a frame's view of an earlier one, (3, 3), both by their places in the order."""
        view = np.eye(3)
        for p in range(before + 1, place + 1):
            view = view @ self._between(self._order[p], self._order[p - 1])
        return view

    def _reach(self, place: int, state: State) -> tuple[int, Tensor]:
        """Dream the frame furthest ahead of which no more than a margin is uncovered; return its place and layer."""
        height, width = state.layer.shape[-2:]
        until, view = place, self._view(place, place - 1)
        while until + 1 < len(self._order):
            further = view @ self._between(self._order[until + 1], self._order[until])
            if _uncovered(further, width, height) > MARGIN:
                break
            until, view = until + 1, further
        index, device = self._order[until], state.layer.device
        now, image = self._engine.score.at(index), self._image(self._order[until], state)
        motion = camera.motion(view, width, height).to(device)
        carried = compose.seed(state, image, motion, replace(now.temporal, persistence=1.0))
        steps = now.dream.step * (1 - motion.trust)
        return until, self._engine.dreamer(image, index, carried.layer, now.dream.iterations, steps)


def _uncovered(view: Matrix, width: int, height: int) -> float:
    """Return the share of a view's picture that was not in sight before."""
    at = camera.grid(view, width, height)
    inside = (at[0] >= -0.5) & (at[0] <= width - 0.5) & (at[1] >= -0.5) & (at[1] <= height - 0.5)
    return 1 - float(torch.count_nonzero(inside)) / inside.numel()
