"""Holds a shot at the strength and objective of its first dream."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

from torch import Tensor

PROBE = 0.1  # strength of the dream that a frame's room is measured with
RISE = 1.03  # most that a layer grows from frame to frame to keep its strength
GAIN, DAMPING = 5.0, 8.0  # how fast the step_gain answers to an objective that is off, and to one that moves
STEP_GAIN = (0.1, 2.0)  # range of the step_gain
SLACK = 0.03  # above its level by so much, an objective wants no more dreaming
OUTGROWN = 1.15  # this far above its goal, a shot shows what its first frame did not, and the goal follows,
FOLLOW = 0.02  # by this share a frame, and by the share of fresh ground
TINT = 0.1  # share of a layer's change of mean colour that is taken back on every frame


def rms(layer: Tensor) -> float:
    """Return the root mean square of a layer."""
    return float(layer.square().mean().sqrt())


def magnitude(layer: Tensor) -> float:
    """Return the mean magnitude of a layer: what the strength of a dream is measured by."""
    return float(layer.abs().mean())


@dataclass(frozen=True)
class StrengthControl:
    """Holds a shot at the strength and the objective of its first, full dream: no burning in, no fading.

    Attributes:
        level: how large that dream's layer is, in a frame with room for all of it.
        goal: its objective, in such a frame; an objective goes as the square of the room.
        colour: the layer's mean colour, (3, 1, 1), in such a frame.
        step_gain: how hard ripe ground is dreamed on, as a multiple of the gentle step.
        reached: the last frame's objective over its goal.
        adrift: how much of the goal has still to be found, since the objective has changed.
        size: what a layer's size is measured with. The root mean square is moved by what stands out: a little, where
            the dream is added to a film. Where it is the whole picture, which begins as a photo and has its lights and
            darks spread otherwise by the end, it is the mean magnitude that has to stay.
    """

    level: float
    goal: float
    colour: Tensor
    step_gain: float = 0.5
    reached: float = 1.0
    adrift: float = 0.0
    size: Callable[[Tensor], float] = rms

    @classmethod
    def start(
        cls, image: Tensor, layer: Tensor, objective: float, size: Callable[[Tensor], float] = rms
    ) -> StrengthControl:
        """Return the control of a shot from its first frame, that frame's full dream layer, and its objective."""
        share = headroom(image)
        return cls(size(layer) / share, objective / share**2, mean_color(layer) / share, size=size)

    def after(self, image: Tensor, objective: float, fresh: float) -> StrengthControl:
        """Return the control after one more frame, of whose ground a share was fresh.

        A controller of the step gain, by how far off the goal is and how it moves. A shot that begins in the dark comes
        to show more than its first frame had in it; then the goal follows.
        """
        if self.goal <= 0 or not math.isfinite(objective):  # of weights below 0 there is no level to hold
            return self
        found = objective / headroom(image) ** 2
        if self.adrift:  # the objective is another one: what it is worth is known from here on
            goal = self.goal + self.adrift * (found - self.goal)
            return replace(self, goal=goal, reached=found / goal, adrift=0.0)
        reached = found / self.goal
        answer = GAIN * (1 - reached) + DAMPING * (self.reached - reached)
        step_gain = min(max(self.step_gain * math.exp(min(answer, 1)), STEP_GAIN[0]), STEP_GAIN[1])
        goal = self.goal if reached < OUTGROWN else self.goal + min(FOLLOW + fresh, 1) * (found - self.goal)
        return replace(self, goal=goal, step_gain=step_gain, reached=reached)

    def hold(self, layer: Tensor, image: Tensor, tint: float = TINT) -> Tensor:
        """Return a carried layer at its level, raised gently, lowered at once; its mean colour is led back, by a share
        of `tint`.
        """
        share = headroom(image)
        layer = layer * min(self.level * share / max(self.size(layer), 1e-9), RISE)
        return layer + tint * (self.colour * share - mean_color(layer))

    @property
    def wanted(self) -> float:
        """How much dreaming a shot wants: 1 up to its goal, fading to 0 a little above it."""
        return min(max((1 + SLACK - self.reached) / SLACK, 0.0), 1.0)


def mean_color(layer: Tensor) -> Tensor:
    return layer.mean((1, 2), keepdim=True)


def headroom(image: Tensor) -> float:
    """Return the share of a dream that shows on an image in [0, 1]: 1 on mid-grey, 0.7 on black and white.

    A shot that fades in gives its first dream less room; what it holds back there must not bind the rest. It is told
    from every fourth pixel.
    """
    image = image[:, ::2, ::2]
    up, down = (image + PROBE).clamp(max=1) - image, image - (image - PROBE).clamp(min=0)
    return math.sqrt((rms(up) ** 2 + rms(down) ** 2) / 2) / PROBE
