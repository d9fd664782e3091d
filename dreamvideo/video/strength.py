"""Holds a shot at the strength and objective of its first dream: no burning in, no fading."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

from torch import Tensor

PROBE = 0.1  # strength of the dream that a frame's headroom is measured with
RISE = 1.03  # most that a layer is raised from frame to frame to keep its strength
GAIN, DAMPING = 5.0, 8.0  # how fast the step gain answers to an objective off its target, and to one that moves
STEP_GAIN = (0.1, 2.0)  # range of the step gain
SLACK = 0.03  # this far above its target, an objective needs no more ascent
OUTGROWN = 1.15  # this far above its target, a shot shows more than its first frame did: the target follows,
FOLLOW = 0.02  # by this share a frame, and by the share that is disoccluded
TINT = 0.1  # share of the change of a layer's mean colour that is taken back on every frame


def rms(layer: Tensor) -> float:
    """Return the root mean square of a layer."""
    return float(layer.square().mean().sqrt())


def magnitude(layer: Tensor) -> float:
    """Return the mean magnitude of a layer, which the strength of a dream is measured by."""
    return float(layer.abs().mean())


def mean_color(layer: Tensor) -> Tensor:
    """Return the mean colour of a layer or picture (3, H, W), as (3, 1, 1)."""
    return layer.mean((1, 2), keepdim=True)


@dataclass(frozen=True)
class StrengthControl:
    """Holds a shot at the strength and the objective of its first, full dream.

    Attributes:
        target_strength: the size of that dream's layer, in a frame with full headroom.
        target_objective: its objective, in such a frame; an objective goes with the square of the headroom.
        target_color: the layer's mean colour, (3, 1, 1), in such a frame.
        step_gain: step of converged areas, as a multiple of the recipe's step for carried frames.
        objective_ratio: the last frame's objective over its target.
        retarget: share of the target that has to be measured anew, since the objective has changed.
        size: how the size of a layer is measured. The root mean square weighs outliers, which suits a dream that is
            added to a film. A feedback dream is the whole picture: it begins as a photo and ends with lights and darks
            spread differently, and its mean magnitude has to stay.
    """

    target_strength: float
    target_objective: float
    target_color: Tensor
    step_gain: float = 0.5
    objective_ratio: float = 1.0
    retarget: float = 0.0
    size: Callable[[Tensor], float] = rms

    @classmethod
    def start(
        cls, image: Tensor, layer: Tensor, objective: float, size: Callable[[Tensor], float] = rms
    ) -> StrengthControl:
        """Return the control of a shot from its first frame, that frame's full dream layer, and its objective."""
        share = headroom(image)
        return cls(size(layer) / share, objective / share**2, mean_color(layer) / share, size=size)

    def after(self, image: Tensor, objective: float, disoccluded: float) -> StrengthControl:
        """Return the control after one more frame, a share of which was disoccluded.

        A proportional–derivative controller of the step gain. A shot that begins in the dark comes to show more than
        its first frame had in it; then the target follows.
        """
        if self.target_objective <= 0 or not math.isfinite(objective):  # weights below 0 leave no level to hold
            return self
        found, target = objective / headroom(image) ** 2, self.target_objective
        if self.retarget:
            target = target + self.retarget * (found - target)
            return replace(self, target_objective=target, objective_ratio=found / target, retarget=0.0)
        ratio = found / target
        answer = GAIN * (1 - ratio) + DAMPING * (self.objective_ratio - ratio)
        gain = min(max(self.step_gain * math.exp(min(answer, 1)), STEP_GAIN[0]), STEP_GAIN[1])
        if ratio >= OUTGROWN:
            target = target + min(FOLLOW + disoccluded, 1) * (found - target)
        return replace(self, target_objective=target, step_gain=gain, objective_ratio=ratio)

    def hold(self, layer: Tensor, image: Tensor, tint: float = TINT) -> Tensor:
        """Return a carried layer (3, H, W) at its target strength: raised gently, lowered at once; a share `tint` of
        the change of its mean colour is taken back.
        """
        share = headroom(image)
        layer = layer * min(self.target_strength * share / max(self.size(layer), 1e-9), RISE)
        return layer + tint * (self.target_color * share - mean_color(layer))

    @property
    def demand(self) -> float:
        """How much ascent a shot needs: 1 up to its target objective, falling to 0 a little above it."""
        return min(max((1 + SLACK - self.objective_ratio) / SLACK, 0.0), 1.0)


def headroom(image: Tensor) -> float:
    """Return the share of a dream that fits on an image in [0, 1] before it clips: 1 on mid-grey, 0.7 on black, white.

    A shot that fades in gives its first dream less headroom, which must not bind the rest. Every fourth pixel is
    measured.
    """
    image = image[:, ::2, ::2]
    up, down = (image + PROBE).clamp(max=1) - image, image - (image - PROBE).clamp(min=0)
    return math.sqrt((rms(up) ** 2 + rms(down) ** 2) / 2) / PROBE
