"""How steady and how strong a dream is, measured against its source.

The motion that judges a dream is found in the source alone, and by another method than the one that carried it.
"""

from __future__ import annotations

import cv2
import torch
from torch import Tensor

from . import flow
from .flow import Field, Gray, Motion

SURE = 0.9  # trust above which a pixel counts


def reference_flow(current: Gray, previous: Gray) -> Field:
    """Return a flow (H, W, 2) to judge by: Farnebäck 2003, wide, refined as in Brox 2004."""
    rough = cv2.calcOpticalFlowFarneback(current, previous, None, 0.5, 6, 31, 5, 7, 1.5, 0)
    return cv2.VariationalRefinement_create().calc(current, previous, rough)


def reference_motion(current: Gray, previous: Gray) -> Motion:
    """Return the motion from `previous` to `current` by the reference flow, both ways, with its trust."""
    return flow.estimate(current, previous, reference_flow)


def temporal_error(current: Tensor, previous: Tensor, motion: Motion) -> float:
    """Return the mean absolute difference between a picture and the one before carried onto it, where trust is sure.

    Args:
        current, previous: RGB in [0, 1], (3, H, W).
        motion: from `previous` to `current`.

    Source: the temporal loss of Ruder, Dosovitskiy & Brox 2016, per channel and pixel.
    """
    sure = (motion.trust > SURE).to(current)
    difference = (current - flow.warp(previous, motion.flow)).abs().mean(0, keepdim=True)
    return float((sure * difference).sum() / sure.sum().clamp_min(1))


class Flicker:
    """Takes source and dream frame by frame and knows the flicker index so far; keeps only the last pair.

    The flicker index is (E(dream) − E(source)) / S: the temporal error that dreaming added, as a share of its strength
    S = mean |dream − source|. 0 is rock-steady. Read it beside the objective: no dream has no flicker.
    """

    def __init__(self) -> None:
        self._last: tuple[Gray, Tensor, Tensor] | None = None
        self._dream: list[float] = []
        self._source: list[float] = []
        self._strength: list[float] = []

    def add(self, gray: Gray, source: Tensor, dream: Tensor) -> None:
        """Take the next frame: luma (H, W) of the source, source and dream RGB in [0, 1], (3, H, W)."""
        if self._last is not None:
            motion = reference_motion(gray, self._last[0]).to(source.device)
            self._source.append(temporal_error(source, self._last[1], motion))
            self._dream.append(temporal_error(dream, self._last[2], motion))
        self._strength.append(float((dream - source).abs().mean()))
        self._last = gray, source, dream

    @property
    def strength(self) -> float:
        """Mean |dream − source| over all frames."""
        return float(torch.tensor(self._strength).mean())

    @property
    def index(self) -> float:
        """The flicker index over all frames."""
        added = torch.tensor(self._dream).mean() - torch.tensor(self._source).mean()
        return float(added) / max(self.strength, 1e-9)
