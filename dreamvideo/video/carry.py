"""The dream carried to the next frame: the layer to start from, and how much gradient ascent it gets."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from ..recipe import Temporal
from .flow import Motion, warp
from .state import State
from .strength import TINT, StrengthControl, magnitude, mean_color, rms

CONVERGENCE_FRAMES = 4  # frames for which uncovered ground goes on being dreamed harder
OCCLUSION_LOSS = 0.05  # share of the dream that is lost where the flow is not believed: what is left fills the hole
DISOCCLUDED_STEP = 0.4  # step on uncovered ground, as a share of the full one
HARDEST = 0.6  # largest share of the full step, where few iterations have to do
CALM = 0.25  # share of that step which is left in a shot that is above its goal
STILL = 0.001  # share of fresh ground below which a shot above its goal is left as it is
FADES, REMAINS = 2.0, 0.3  # how fast a dream makes way for another, by the share that is new; what stays at least
RECONVERGE = 6.0  # how much ground is fresh to the other, by the same
ADRIFT = 4.0  # share of the goal that is found anew, as a multiple of the share of the objective that is new
SAME = 1e-6  # share of an objective that counts as none
LIGHT = 0.5  # the same where the layer is all there is of the picture, and its mean the picture's light
NEED = 8.0  # iterations asked for by a frame all of whose ground is fresh, as a multiple of the usual
LEAST, MOST = 0.5, 2.0  # range of the iterations, as a multiple of the usual


def start_feedback(picture: Tensor, state: State, objective: float) -> State:
    """Return the state of a dream that lives on itself from here on, begun with a picture (3, H, W).

    Its frame is the picture's mean colour, and its layer all the rest. So what holds a layer at its strength now holds
    the contrast of the picture and its brightness: it neither burns out nor fades, however often it is dreamed on.
    """
    base = mean_color(picture)
    flat, layer = base.expand_as(picture), picture - base
    return replace(state, layer=layer, control=StrengthControl.start(flat, layer, objective, magnitude), base=base)


def retarget(carried: State, share: float) -> State:
    """Return a carried state when so much of the objective is new, 0 … 1: what was dreamed makes way in that measure,
    and its ground counts as fresh.
    """
    if share < SAME:
        return carried
    control = replace(carried.control, adrift=min(ADRIFT * share, 1.0))
    layer = carried.layer * max(1 - FADES * share, REMAINS)
    convergence = carried.convergence * max(1 - RECONVERGE * share, 0.0)
    return replace(carried, layer=layer, convergence=convergence, control=control)


def blend_layers(one: Tensor, other: Tensor, share: float) -> Tensor:
    """Return the layer between two, (3, H, W) each, as strong as they are: mixing alone would weaken it."""
    mixed = one + share * (other - one)
    level = rms(one) + share * (rms(other) - rms(one))
    return mixed * (level / max(rms(mixed), 1e-9))


def warp_state(state: State, image: Tensor, motion: Motion, temporal: Temporal, fill: Tensor | None = None) -> State:
    """Carry the dream along: the last layer and its convergence, warped onto the current frame.

    Adding the warped layer to the current frame is lost-detail injection in time: the frame keeps its own detail and
    the dream its own, and neither is resampled with the other. Where the flow is not believed the layer is still
    taken, for the most part: dream from nearby is a better start on uncovered ground than a hole. Better still is a
    `fill`, a ripe layer (3, H, W) of this very frame.
    """
    layer, doubt = warp(state.layer, motion.flow), 1 - motion.confidence
    convergence = warp(state.convergence, motion.flow, sharp=False) * motion.confidence
    layer = layer * (1 - OCCLUSION_LOSS * doubt) if fill is None else layer + (fill - layer) * doubt
    convergence = convergence if fill is None else convergence + doubt
    layer = state.control.hold(layer, image, TINT if state.base is None else LIGHT) * temporal.persistence
    return replace(state, layer=layer, convergence=convergence)


def effort(carried: State, step: float, temporal: Temporal) -> tuple[int, int, Tensor]:
    """Return how a frame is dreamed on: iterations per octave and of the finest, and every pixel's step (1, H, W).

    Ripe ground is dreamed as gently as the control allows, fresh ground harder; the more of either, the more
    iterations, since many small steps, each at another jitter, jitter the dream less than few large ones. On ground
    that is ripe they do not: there the finest octave, half of the work, takes half as many, each as long as two.
    """
    control, fresh = carried.control, 1 - carried.convergence
    step_gain = max(control.step_gain * control.wanted, temporal.morph)
    share = float(fresh.mean())
    need = min(max(LEAST, step_gain, NEED * share), MOST)
    still = step_gain == 0 and share < STILL
    iterations = 0 if still else max(round(temporal.refine * need), min(temporal.refine, 1))
    gentle = step * temporal.refine_step * step_gain
    full = (
        step * min(DISOCCLUDED_STEP * temporal.refine * MOST / max(iterations, 1), HARDEST) * max(control.wanted, CALM)
    )
    finest = iterations if need > 1 else -(-iterations // 2)
    return iterations, finest, gentle + (full - gentle) * fresh


def settle(image: Tensor, layer: Tensor, objective: float, carried: State | None) -> State:
    """Return the state after a frame: the part of the layer (3, H, W) that shows, and one frame more of convergence."""
    layer = (
        (image + layer).clamp(0, 1) - image
    ).contiguous()  # as it comes back from a disk: checksums go by the order
    if carried is None:
        return State(layer, torch.ones_like(image[:1]).contiguous(), StrengthControl.start(image, layer, objective))
    convergence = (carried.convergence + 1 / CONVERGENCE_FRAMES).clamp(0, 1).contiguous()
    fresh = 1 - float(carried.convergence.mean())
    return State(layer, convergence, carried.control.after(image, objective, fresh), base=carried.base)
