"""Where the dream meets the frame: the seed a frame starts from, how hard it is dreamed on, the picture it ends as."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction

import torch
from torch import Tensor

from .blend import blend, lum, with_lum
from .flow import Field, Gray, Motion, warp
from .recipe import Finish, Temporal

PROBE = 0.1  # strength of the dream that a frame's room is measured with
RIPENING = 4  # frames for which uncovered ground goes on being dreamed harder
DISTRUST = 0.05  # share of the dream that is lost where the flow is not believed: what is left fills the hole
FRESH = 0.4  # step on uncovered ground, as a share of the full one
HARDEST = 0.6  # largest share of the full step, where few iterations have to do
CALM = 0.25  # share of that step which is left in a shot that is above its goal
STILL = 0.001  # share of fresh ground below which a shot above its goal is left as it is
RISE = 1.03  # most that a layer grows from frame to frame to keep its strength
GAIN, DAMPING = 5.0, 8.0  # how fast the drive answers to an objective that is off, and to one that moves
DRIVE = (0.1, 2.0)  # range of the drive
SLACK = 0.03  # above its level by so much, an objective wants no more dreaming
OUTGROWN = 1.15  # this far above its goal, a shot shows what its first frame did not, and the goal follows,
FOLLOW = 0.02  # by this share a frame, and by the share of fresh ground
FADES, REMAINS = 2.0, 0.3  # how fast a dream makes way for another, by the share that is new; what stays at least
FRESHENS = 6.0  # how much ground is fresh to the other, by the same
ADRIFT = 4.0  # share of the goal that is found anew, as a multiple of the share of the objective that is new
TINT = 0.1  # share of a layer's change of mean colour that is taken back on every frame
LUMA = (0.2126, 0.7152, 0.0722)  # of BT.709
SAME = 1e-6  # share of an objective that counts as none
LIGHT = 0.5  # the same where the layer is all there is of the picture, and its mean the picture's light
NEED = 8.0  # iterations asked for by a frame all of whose ground is fresh, as a multiple of the usual
LEAST, MOST = 0.5, 2.0  # range of the iterations, as a multiple of the usual


def rms(layer: Tensor) -> float:
    """Return the root mean square of a layer."""
    return float(layer.square().mean().sqrt())


def magnitude(layer: Tensor) -> float:
    """Return the mean magnitude of a layer: what the strength of a dream is measured by."""
    return float(layer.abs().mean())


@dataclass(frozen=True)
class Governor:
    """Holds a shot at the strength and the objective of its first, full dream: no burning in, no fading.

    Attributes:
        level: how large that dream's layer is, in a frame with room for all of it.
        goal: its objective, in such a frame; an objective goes as the square of the room.
        colour: the layer's mean colour, (3, 1, 1), in such a frame.
        drive: how hard ripe ground is dreamed on, as a multiple of the gentle step.
        reached: the last frame's objective over its goal.
        adrift: how much of the goal has still to be found, since the objective has changed.
        size: what a layer's size is measured with. The root mean square is moved by what stands out: a little, where
            the dream is added to a film. Where it is the whole picture, which begins as a photo and has its lights and
            darks spread otherwise by the end, it is the mean magnitude that has to stay.
    """

    level: float
    goal: float
    colour: Tensor
    drive: float = 0.5
    reached: float = 1.0
    adrift: float = 0.0
    size: Callable[[Tensor], float] = rms

    @classmethod
    def start(cls, image: Tensor, layer: Tensor, objective: float, size: Callable[[Tensor], float] = rms) -> Governor:
        """Return the governor of a shot from its first frame, that frame's full dream layer, and its objective."""
        share = room(image)
        return cls(size(layer) / share, objective / share**2, _colour(layer) / share, size=size)

    def after(self, image: Tensor, objective: float, fresh: float) -> Governor:
        """Return the governor after one more frame, of whose ground a share was fresh.

        A controller of the drive, by how far off the goal is and how it moves. A shot that begins in the dark comes to
        show more than its first frame had in it; then the goal follows.
        """
        if self.goal <= 0 or not math.isfinite(objective):  # of weights below 0 there is no level to hold
            return self
        found = objective / room(image) ** 2
        if self.adrift:  # the objective is another one: what it is worth is known from here on
            goal = self.goal + self.adrift * (found - self.goal)
            return replace(self, goal=goal, reached=found / goal, adrift=0.0)
        reached = found / self.goal
        answer = GAIN * (1 - reached) + DAMPING * (self.reached - reached)
        drive = min(max(self.drive * math.exp(min(answer, 1)), DRIVE[0]), DRIVE[1])
        goal = self.goal if reached < OUTGROWN else self.goal + min(FOLLOW + fresh, 1) * (found - self.goal)
        return replace(self, goal=goal, drive=drive, reached=reached)

    def hold(self, layer: Tensor, image: Tensor, tint: float = TINT) -> Tensor:
        """Return a carried layer at its level, raised gently, lowered at once; its mean colour is led back, by a share
        of `tint`.
        """
        share = room(image)
        layer = layer * min(self.level * share / max(self.size(layer), 1e-9), RISE)
        return layer + tint * (self.colour * share - _colour(layer))

    @property
    def wanted(self) -> float:
        """How much dreaming a shot wants: 1 up to its goal, fading to 0 a little above it."""
        return min(max((1 + SLACK - self.reached) / SLACK, 0.0), 1.0)


@dataclass(frozen=True)
class Trail:
    """What the reading of a film leaves behind for its next frame.

    Attributes:
        index: number of that frame.
        luma: the frame before, 8-bit luma (H, W), which its motion is measured against; None where there is none.
        trusted: whether the last flow was believed.
        moving: of a mask of motion, its peak and itself, (H, W) each in [0, 1], and the moment they are of, s.
    """

    index: int
    luma: Gray | None = None
    trusted: bool = True
    moving: tuple[Field, Field, Fraction] | None = None


START = Trail(0)


@dataclass(frozen=True)
class State:
    """What travels from frame to frame, at full resolution and precision: a render goes on from it exactly.

    Attributes:
        layer: the dream layer L = dream − frame, (3, H, W).
        ripeness: how far each pixel is dreamed, (1, H, W): 0 fresh, 1 fully.
        governor: what holds the shot at its strength.
        shares: of every term of the objective that it was dreamed towards, by what it is.
        ground: the one colour, (3, 1, 1), of a dream that lives on itself: all else in the picture is layer then.
        reach: what is dreamed ahead of a moving camera: the place of the frame it is of, and its layer (3, H, W).
        index: number of the frame that is dreamed next.
        trail: from where on the film has to be read for that.
    """

    layer: Tensor
    ripeness: Tensor
    governor: Governor
    shares: Mapping[str, float] = field(default_factory=dict)
    ground: Tensor | None = None
    reach: tuple[int, Tensor] | None = None
    index: int = 0
    trail: Trail = START


def feed(picture: Tensor, state: State, objective: float) -> State:
    """Return the state of a dream that lives on itself from here on, begun with a picture (3, H, W).

    Its frame is the picture's mean colour, and its layer all the rest. So what holds a layer at its strength now holds
    the contrast of the picture and its brightness: it neither burns out nor fades, however often it is dreamed on.
    """
    ground = _colour(picture)
    flat, layer = ground.expand_as(picture), picture - ground
    return replace(state, layer=layer, governor=Governor.start(flat, layer, objective, magnitude), ground=ground)


def turn(carried: State, share: float) -> State:
    """Return a carried state when so much of the objective is new, 0 … 1: what was dreamed makes way in that measure,
    and its ground counts as fresh.
    """
    if share < SAME:
        return carried
    governor = replace(carried.governor, adrift=min(ADRIFT * share, 1.0))
    layer = carried.layer * max(1 - FADES * share, REMAINS)
    ripeness = carried.ripeness * max(1 - FRESHENS * share, 0.0)
    return replace(carried, layer=layer, ripeness=ripeness, governor=governor)


def between(one: Tensor, other: Tensor, share: float) -> Tensor:
    """Return the layer between two, (3, H, W) each, as strong as they are: mixing alone would weaken it."""
    mixed = one + share * (other - one)
    level = rms(one) + share * (rms(other) - rms(one))
    return mixed * (level / max(rms(mixed), 1e-9))


def seed(state: State, image: Tensor, motion: Motion, temporal: Temporal, fill: Tensor | None = None) -> State:
    """Carry the dream along: the last layer and its ripeness, warped onto the current frame.

    Adding the warped layer to the current frame is lost-detail injection in time: the frame keeps its own detail and
    the dream its own, and neither is resampled with the other. Where the flow is not believed the layer is still
    taken, for the most part: dream from nearby is a better start on uncovered ground than a hole. Better still is a
    `fill`, a ripe layer (3, H, W) of this very frame.
    """
    layer, doubt = warp(state.layer, motion.flow), 1 - motion.trust
    ripeness = warp(state.ripeness, motion.flow, sharp=False) * motion.trust
    layer = layer * (1 - DISTRUST * doubt) if fill is None else layer + (fill - layer) * doubt
    ripeness = ripeness if fill is None else ripeness + doubt
    layer = state.governor.hold(layer, image, TINT if state.ground is None else LIGHT) * temporal.persistence
    return replace(state, layer=layer, ripeness=ripeness)


def effort(carried: State, step: float, temporal: Temporal) -> tuple[int, int, Tensor]:
    """Return how a frame is dreamed on: iterations per octave and of the finest, and every pixel's step (1, H, W).

    Ripe ground is dreamed as gently as the governor allows, fresh ground harder; the more of either, the more
    iterations, since many small steps, each at another jitter, shake the dream less than few large ones. On ground
    that is ripe they do not: there the finest octave, half of the work, takes half as many, each as long as two.
    """
    governor, fresh = carried.governor, 1 - carried.ripeness
    drive = max(governor.drive * governor.wanted, temporal.morph)
    share = float(fresh.mean())
    need = min(max(LEAST, drive, NEED * share), MOST)
    still = drive == 0 and share < STILL
    iterations = 0 if still else max(round(temporal.refine * need), min(temporal.refine, 1))
    gentle = step * temporal.refine_step * drive
    full = step * min(FRESH * temporal.refine * MOST / max(iterations, 1), HARDEST) * max(governor.wanted, CALM)
    finest = iterations if need > 1 else -(-iterations // 2)
    return iterations, finest, gentle + (full - gentle) * fresh


def settle(image: Tensor, layer: Tensor, objective: float, carried: State | None) -> State:
    """Return the state after a frame: the part of the layer (3, H, W) that shows, and one frame more of ripeness."""
    layer = ((image + layer).clamp(0, 1) - image).contiguous()  # as it comes back from a disk: sums go by the order
    if carried is None:
        return State(layer, torch.ones_like(image[:1]).contiguous(), Governor.start(image, layer, objective))
    ripeness = (carried.ripeness + 1 / RIPENING).clamp(0, 1).contiguous()
    fresh = 1 - float(carried.ripeness.mean())
    return State(layer, ripeness, carried.governor.after(image, objective, fresh), ground=carried.ground)


def _colour(layer: Tensor) -> Tensor:
    return layer.mean((1, 2), keepdim=True)


def room(image: Tensor) -> float:
    """Return the share of a dream that shows on an image in [0, 1]: 1 on mid-grey, 0.7 on black and white.

    A shot that fades in gives its first dream less room; what it holds back there must not bind the rest. It is told
    from every fourth pixel.
    """
    image = image[:, ::2, ::2]
    up, down = (image + PROBE).clamp(max=1) - image, image - (image - PROBE).clamp(min=0)
    return math.sqrt((rms(up) ** 2 + rms(down) ** 2) / 2) / PROBE


def finish(
    image: Tensor, layer: Tensor, finish: Finish, below: Tensor | None = None, mask: Tensor | None = None
) -> Tensor:
    """Return the picture that a dream ends as, in [0, 1], (3, H, W).

    Args:
        image, layer: what was dreamed on and what the dream adds to it, (3, H, W) each.
        finish: how it is laid over the frame.
        below: the frame that it is blended over and that a mask shows, where that is not `image`: a dream that lives
            on itself is dreamed on one colour.
        mask: where the dream shows, (H, W) in [0, 1]; where it is 0 the frame is left exactly as it is.
    """
    below = image if below is None else below
    if finish.color != 1:
        gray = torch.einsum("c,chw->hw", torch.tensor(LUMA).to(layer), layer)
        layer = gray + finish.color * (layer - gray)
    if finish.blend == "add":
        picture = (image + finish.strength * layer).clamp(0, 1)
    else:
        blended = blend(finish.blend, below, (image + layer).clamp(0, 1))
        picture = (below + finish.strength * (blended - below)).clamp(0, 1)
    if finish.keep_color:
        picture = with_lum(below, lum(picture))
    return picture if mask is None else torch.lerp(below, picture, mask)
