"""Ground that the camera is about to uncover, dreamed ahead and in one segment.

Where a view widens, every frame brings a rim a few pixels wide. Mirrored into it frame by frame, a dream is drawn out
into streaks. So it is dreamed ahead: a whole margin at once, as it will be seen some frames later, in harmony with what
borders on it; until then every frame takes its rim from there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..curves.animate import Animation
from ..dream.octaves import Dreamer
from . import camera, carry, flow
from .camera import Matrix
from .state import State

MARGIN = 0.3  # share of a picture that is dreamed ahead at most
BAND, HELD = 0.08, 0.5  # share of the short side over which two dreams meet; confidence that counts as in sight
FURTHEST = 240  # frames that are looked ahead at most
POINTS = 65  # across and down, by which it is told how much is uncovered
RIM = 0.0005  # share of a picture uncovered by a frame, below which nothing need be done


class Outpainter:
    """Dreams ahead of a camera.

    Args:
        dreamer: of the engine.
        animation: the recipe over time.
        order: the frames, in the order they are dreamed.
        between: a frame's view of the one before it in that order, (3, 3).
        image: the picture of a frame, (3, H, W), without its dream.

    Attributes:
        outpainted: the place of the furthest frame that is dreamed already, and its layer (3, H, W).
    """

    def __init__(
        self,
        dreamer: Dreamer,
        animation: Animation,
        order: Sequence[int],
        between: Callable[[int, int], Matrix],
        image: Callable[[int, State], Tensor],
    ):
        self._dreamer, self._animation = dreamer, animation
        self._order, self._between, self._image = order, between, image
        self._place = {index: place for place, index in enumerate(order)}
        self.outpainted: tuple[int, Tensor] | None = None

    def fill(self, index: int, state: State) -> Tensor | None:
        """Return a ripe layer (3, H, W) for a frame, to take where it uncovers ground; None where it uncovers none.

        `state` is the one that the frame before it left.
        """
        height, width = state.layer.shape[-2:]
        place = self._place[index]
        if place == 0 or _uncovered_share(self._view(place, place - 1), width, height) < RIM:
            return None
        if self.outpainted is None or place > self.outpainted[0]:
            self.outpainted = self._reach(place, state)
        return self._from_ahead(place)

    def join(self, index: int, state: State, kept: Mapping[int, Tensor]) -> Tensor:
        """Return a fill for a frame of a later round of a loop: the layers of the round before, which the dream that
        comes round grows into over a band, so that no seam is left where one meets the other.
        """
        place = self._place[index]
        if place == 0:
            self.outpainted = self._reach(0, state, kept)
        return kept[index] if self.outpainted is None or place > self.outpainted[0] else self._from_ahead(place)

    def _from_ahead(self, place: int) -> Tensor:
        assert self.outpainted is not None
        until, layer = self.outpainted
        height, width = layer.shape[-2:]
        here = np.linalg.inv(self._view(until, place))
        return flow.warp(layer, camera.camera_motion(here.astype(float), width, height).flow.to(layer.device))

    def _view(self, place: int, before: int) -> Matrix:
        """Return a frame's view of an earlier one, (3, 3), both by their places in the order."""
        view = np.eye(3)
        for p in range(before + 1, place + 1):
            view = view @ self._between(self._order[p], self._order[p - 1])
        return view

    def _reach(self, place: int, state: State, kept: Mapping[int, Tensor] | None = None) -> tuple[int, Tensor]:
        """Dream the frame furthest ahead of which no more than a margin is uncovered; return its place and layer.

        What is dreamed is the margin; or, where that has been dreamed (`kept`), the band in which the two meet.
        """
        height, width = state.layer.shape[-2:]
        until, view = place, self._view(place, place - 1)
        most = _uncovered_share(view, width, height)
        while until + 1 < min(len(self._order), place + FURTHEST):
            further = view @ self._between(self._order[until + 1], self._order[until])
            found = _uncovered_share(further, width, height)
            if not most <= found <= MARGIN:  # a view that turns back uncovers no more
                break
            until, view, most = until + 1, further, found
        index, device = self._order[until], state.layer.device
        now, image = self._animation.at(index), self._image(self._order[until], state)
        motion = camera.camera_motion(view, width, height).to(device)
        carried = carry.warp_state(state, image, motion, replace(now.temporal, persistence=1.0))
        layer, share = carried.layer, 1 - motion.confidence
        if kept is not None:
            there = kept[index].to(device)
            grown = _band(motion.confidence.cpu().numpy()[0]).to(device)
            layer, share = there + grown * (layer - there), share * (4 * grown).clamp(max=1)
        layer = self._dreamer(image, index, layer, now.dream.iterations, now.dream.step * share)
        return until, layer.contiguous()


def _band(held: NDArray[np.float32]) -> Tensor:
    """Return 1 where ground was in sight, (1, H, W), falling off to 0 over a band outside of it."""
    outside = (held < HELD).astype(np.uint8)
    away = cv2.distanceTransform(outside, cv2.DIST_L2, 5)
    near = np.clip(1 - away / (BAND * min(held.shape)), 0, 1)
    return torch.from_numpy((near * near * (3 - 2 * near)).astype(np.float32))[None]


def _uncovered_share(view: Matrix, width: int, height: int) -> float:
    """Return the share of a view's picture that was not in sight before."""
    x, y = camera.project(view, *np.meshgrid(np.linspace(0, width - 1, POINTS), np.linspace(0, height - 1, POINTS)))
    inside = (x >= -0.5) & (x <= width - 0.5) & (y >= -0.5) & (y <= height - 0.5)
    return 1 - float(inside.mean())
