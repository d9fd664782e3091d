"""Outpainting: dreams the area that a widening camera is about to show, in one piece, before it comes into sight.

Where a view widens, each frame disoccludes a rim a few pixels wide. A dream that is mirrored into this rim frame by
frame is drawn out into streaks. Instead, a whole margin is dreamed at once, as it will be seen some frames later and in
harmony with what borders on it; until that frame, every frame takes its rim from there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import cv2
import numpy as np
import torch
from torch import Tensor

from ..curves.animate import Animation
from ..curves.functions import smoothstep
from ..dream.octaves import Dreamer
from ..media.pixels import Field
from . import camera, carry
from .camera import Matrix
from .flow import in_frame
from .state import State
from .warp import warp

MARGIN = 0.3  # largest share of a picture that is outpainted at once
BAND = 0.08  # share of the short side over which two dreams blend
SEEN = 0.5  # confidence from which on a pixel counts as seen before
FURTHEST = 240  # most frames that are looked ahead
POINTS = 65  # points across and down that measure how much of a view is disoccluded
LEAST_RIM = 0.0005  # share of a picture that a frame disoccludes, below which nothing need be done


class Outpainter:
    """Dreams ahead of a moving camera.

    Args:
        dreamer: the engine's.
        animation: the recipe over time.
        order: the frames' numbers in the order in which they are dreamed. A place is an index into it.
        between: returns a frame's view of the one before it in that order, (3, 3).
        image: returns the picture of a frame, (3, H, W), without its dream.

    Attributes:
        outpainted: the place of the furthest frame that is dreamed already, and its layer (3, H, W); None before any.
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
        self._places = {index: place for place, index in enumerate(order)}
        self.outpainted: tuple[int, Tensor] | None = None

    def fill(self, index: int, state: State) -> Tensor | None:
        """Return a converged layer (3, H, W) to fill a frame's disoccluded area with; None where there is none.

        Args:
            index: the frame's number.
            state: after the frame before it.
        """
        height, width = state.layer.shape[-2:]
        place = self._places[index]
        if place == 0 or _disoccluded_share(self._view(place, place - 1), width, height) < LEAST_RIM:
            return None
        if self.outpainted is None or place > self.outpainted[0]:
            self.outpainted = self._dream_ahead(place, state)
        return self._seen_from(place)

    def join(self, index: int, state: State, kept: Mapping[int, Tensor]) -> Tensor:
        """Return a fill for a frame of a loop's second lap, made of the layers of the first lap (`kept`).

        At the start of the lap, the dream that arrives there is grown into those layers over a band, so that no seam
        is left where the two meet.
        """
        place = self._places[index]
        if place == 0:
            self.outpainted = self._dream_ahead(0, state, kept)
        return kept[index] if self.outpainted is None or place > self.outpainted[0] else self._seen_from(place)

    def _seen_from(self, place: int) -> Tensor:
        """Return the outpainted layer warped into the view of an earlier frame."""
        assert self.outpainted is not None
        until, layer = self.outpainted
        height, width = layer.shape[-2:]
        view = np.linalg.inv(self._view(until, place))
        return warp(layer, camera.camera_motion(view.astype(float), width, height).flow.to(layer.device))

    def _view(self, place: int, before: int) -> Matrix:
        """Return a frame's view of an earlier one, (3, 3), both by their places."""
        view = np.eye(3)
        for p in range(before + 1, place + 1):
            view = view @ self._between(self._order[p], self._order[p - 1])
        return view

    def _furthest(self, place: int, width: int, height: int) -> tuple[int, Matrix]:
        """Return the furthest place at which no more than the margin is disoccluded, and its view of the last dreamed
        frame, which is the one before `place`.
        """
        until, view = place, self._view(place, place - 1)
        share = _disoccluded_share(view, width, height)
        while until + 1 < min(len(self._order), place + FURTHEST):
            further = view @ self._between(self._order[until + 1], self._order[until])
            found = _disoccluded_share(further, width, height)
            if not share <= found <= MARGIN:  # where it falls, the camera turns back and disoccludes no more
                break
            until, view, share = until + 1, further, found
        return until, view

    def _dream_ahead(self, place: int, state: State, kept: Mapping[int, Tensor] | None = None) -> tuple[int, Tensor]:
        """Dream the frame that is furthest ahead, and return its place and layer.

        Only its disoccluded margin is dreamed; where that has been dreamed before (`kept`), only the band in which the
        state's layer and the kept one blend.
        """
        height, width = state.layer.shape[-2:]
        until, view = self._furthest(place, width, height)
        index, device = self._order[until], state.layer.device
        now, image = self._animation.at(index), self._image(self._order[until], state)
        motion = camera.camera_motion(view, width, height).to(device)
        carried = carry.warp_state(state, image, motion, replace(now.temporal, persistence=1.0))
        layer, share = carried.layer, 1 - motion.confidence
        if kept is not None:
            there = kept[index].to(device)
            grown = _blend_band(motion.confidence.cpu().numpy()[0]).to(device)
            layer, share = there + grown * (layer - there), share * (4 * grown).clamp(max=1)
        layer = self._dreamer(image, index, layer, now.dream.iterations, now.dream.step * share)
        return until, layer.contiguous()


def _blend_band(confidence: Field) -> Tensor:
    """Return 1 where a pixel was seen before, (1, H, W), falling off to 0 over a band around that area."""
    unseen = (confidence < SEEN).astype(np.uint8)
    distance = cv2.distanceTransform(unseen, cv2.DIST_L2, 5)
    return torch.from_numpy(smoothstep(1 - distance / (BAND * min(confidence.shape))).astype(np.float32))[None]


def _disoccluded_share(view: Matrix, width: int, height: int) -> float:
    """Return the share of a view that lies outside the picture that it looks at."""
    grid = np.meshgrid(np.linspace(0, width - 1, POINTS), np.linspace(0, height - 1, POINTS))
    x, y = camera.project(view, *grid)
    return 1 - float(in_frame(x, y, width, height).mean())
