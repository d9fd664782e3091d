"""The dream carried to the next frame: the layer it starts from, how much gradient ascent it gets, what comes of it.

The layer of the last frame is warped along the optical flow and added to the current frame: lost-detail injection in
time. The frame keeps its own detail and the dream its own, and neither is resampled with the other.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from ..dream.objective.objective import Objective, share_changed
from ..dream.octaves import Coarser
from ..recipe import Temporal
from . import camera
from .flow import Motion
from .state import State
from .strength import TINT, StrengthControl, magnitude, mean_color, rms
from .tracker import TrackedFrame
from .warp import warp

CONVERGENCE_FRAMES = 4  # frames for which a disoccluded area gets more ascent
OCCLUSION_LOSS = 0.05  # share of the layer that is lost where the flow is not reliable; the rest fills the hole
DISOCCLUDED_STEP = 0.55  # step in disoccluded areas, as a share of the full one
LARGEST_STEP = 0.55  # most of the full step, where few iterations have to do
CALM = 0.25  # share of that step which is left in a shot above its target objective
STILL = 0.001  # disoccluded share below which a shot above its target is left as it is
FADE, REMAINS = 2.0, 0.3  # how fast an old dream makes way for a new objective; share that remains at least
RECONVERGE = 6.0  # how fast convergence is given up for a new objective
RETARGET = 4.0  # share of the target objective that is measured anew, as a multiple of the share that is new
SAME = 1e-6  # share of an objective below which it counts as unchanged
FEEDBACK_TINT = 0.5  # `strength.TINT` of a feedback dream, where the layer's mean is the picture's light
NEED = 7.5  # iterations of a frame that is all disoccluded, as a multiple of the usual
FEWEST, MOST = 0.5, 2.0  # range of the iterations, as a multiple of the usual
TURNS = 4  # frames in which each of the coarser octaves has its turn: as many as an area takes to converge
MUCH = 0.25  # disoccluded share above which all octaves take part in every frame
MORPH = 2.0  # step of a dream that always moves, as a multiple of the recipe's step for carried frames


@dataclass(frozen=True)
class Start:
    """What a frame's dream starts from.

    Attributes:
        carried: the state warped onto this frame; None where a dream begins.
        layer: the layer (3, H, W) to ascend from; with `is_final`, the frame's layer itself. None: the frame alone.
        is_final: whether there is nothing to ascend.
        iterations: ascent steps per octave; of a carried dream only.
        finest: ascent steps of the finest octave.
        step: every pixel's step, (1, H, W).
        coarser: how the other octaves are ascended; None for all of them as the finest.
    """

    carried: State | None
    layer: Tensor | None
    is_final: bool = False
    iterations: int = 0
    finest: int = 0
    step: Tensor | None = None
    coarser: Coarser | None = None


def start_frame(tracked: TrackedFrame, image: Tensor, state: State | None, goal: Objective) -> Start | None:
    """Return what a frame's dream starts from; None where it takes over the last frame's dream as it is.

    Args:
        tracked: the frame, with its motion.
        image: what is dreamed on, (3, H, W).
        state: after the last frame; None at the beginning.
        goal: the frame's objective; where it is all zero, the dream is carried without ascent.
    """
    rests, motion, changed = is_zero(goal), tracked.motion, 0.0
    if state is not None and state.shares and not rests:
        changed = share_changed(state.shares, goal.shares)
    if tracked.repeats and state is not None:
        if changed < SAME:
            return None
        motion = camera.camera_motion(np.eye(3), *tracked.luma.shape[::-1])
    if state is None or motion is None or not (state.control.target_strength or tracked.frame.feedback):
        layer = torch.zeros_like(image) if rests else tracked.fill
        return Start(None, layer, is_final=layer is not None)
    numbers = tracked.numbers
    carried = warp_state(state, image, motion.to(image.device), numbers.temporal, tracked.fill)
    if changed >= SAME:
        carried = retarget(carried, changed)
    start = effort(carried, numbers.dream.step, numbers.temporal)
    return replace(start, iterations=0) if rests else start


def settle(
    image: Tensor, layer: Tensor, objective: float, carried: State | None, last: State | None, goal: Objective
) -> State:
    """Return the state after a frame.

    Args:
        image: what was dreamed on, (3, H, W).
        layer: the dream layer, (3, H, W), of which the part that fits on the image is kept.
        objective: of the dreamed picture.
        carried: see `Start`.
        last: the state before the frame; None at the beginning.
        goal: the frame's objective.
    """
    kept = (image + layer).clamp(0, 1) - image
    layer = kept.contiguous()  # in memory as it comes back from disk, since sums depend on the order
    shares = last.shares if last is not None and is_zero(goal) else goal.shares
    outpainted = None if last is None else last.outpainted
    if carried is None:
        control = StrengthControl.start(image, layer, objective)
        return State(layer, torch.ones_like(image[:1]).contiguous(), control, shares, outpainted=outpainted)
    convergence = (carried.convergence + 1 / CONVERGENCE_FRAMES).clamp(0, 1).contiguous()
    control = carried.control.after(image, objective, disoccluded=1 - float(carried.convergence.mean()))
    return State(layer, convergence, control, shares, carried.base, outpainted)


def warp_state(state: State, image: Tensor, motion: Motion, temporal: Temporal, fill: Tensor | None = None) -> State:
    """Return the last layer and its convergence warped onto the current frame, (3, H, W).

    Where the flow is not reliable the warped layer is still taken, for the most part: dream from nearby is a better
    start in a disoccluded area than a hole. Better still is a `fill`, a converged layer (3, H, W) of this very frame.
    """
    layer, doubt = warp(state.layer, motion.flow), 1 - motion.confidence
    convergence = warp(state.convergence, motion.flow, sharp=False) * motion.confidence
    layer = layer * (1 - OCCLUSION_LOSS * doubt) if fill is None else layer + (fill - layer) * doubt
    convergence = convergence if fill is None else convergence + doubt
    tint = TINT if state.base is None else FEEDBACK_TINT
    return replace(state, layer=state.control.hold(layer, image, tint) * temporal.persistence, convergence=convergence)


def effort(carried: State, step: float, temporal: Temporal) -> Start:
    """Return what a frame's dream starts from, if that is carried, and how much ascent it gets.

    Converged areas get a step as gentle as the strength control allows, disoccluded ones a larger one. Where the
    recipe's step for carried frames does not suffice, or much is disoccluded, there are more iterations, and no larger
    steps: many small ones, each at another jitter, shake the dream less than few large ones. Where all is converged,
    the finest octave takes half as many, each twice as long.

    The coarser octaves ascend only disoccluded areas, and take turns: that is half of the work saved, and steadier.
    Where the dream is to change (a morph, a feedback dream, a new objective), all take part in every frame.
    """
    control, disoccluded = carried.control, 1 - carried.convergence
    gain = max(control.step_gain * control.demand, temporal.morph)
    share = float(disoccluded.mean())
    need = min(max(FEWEST, gain, NEED * share), MOST)
    still = gain == 0 and share < STILL
    iterations = 0 if still else max(round(temporal.refine * need), min(temporal.refine, 1))
    gentle = step * temporal.refine_step * max(min(gain, 1.0), MORPH * temporal.morph)
    most = min(DISOCCLUDED_STEP * temporal.refine * MOST / max(iterations, 1), LARGEST_STEP)
    full = step * most * max(control.demand, CALM)
    finest = iterations if need > 1 else -(-iterations // 2)
    more = (full - gentle) * disoccluded
    coarser = None
    if carried.base is None and not temporal.morph and share < MUCH:
        coarser = Coarser(more, TURNS if share >= STILL else 0)
    return Start(carried, carried.layer, False, iterations, finest, gentle + more, coarser)


def retarget(carried: State, share: float) -> State:
    """Return a carried state when a share of the objective is new, 0 … 1: the old dream makes way in that measure, and
    counts as not converged.
    """
    return replace(
        carried,
        layer=carried.layer * max(1 - FADE * share, REMAINS),
        convergence=carried.convergence * max(1 - RECONVERGE * share, 0.0),
        control=replace(carried.control, retarget=min(RETARGET * share, 1.0)),
    )


def start_feedback(picture: Tensor, state: State, objective: float) -> State:
    """Return the state of a dream that feeds on its own last picture from here on, begun with a picture (3, H, W).

    Its frame is the picture's mean colour, and its layer all the rest. So what holds a layer at its strength now holds
    the picture's contrast and brightness: it neither burns out nor fades, however often it is dreamed on.
    """
    base = mean_color(picture)
    flat, layer = base.expand_as(picture), picture - base
    return replace(state, layer=layer, control=StrengthControl.start(flat, layer, objective, magnitude), base=base)


def blend_layers(one: Tensor, other: Tensor, share: float) -> Tensor:
    """Return the layer between two, (3, H, W) each, as strong as they are: mixing alone would weaken it."""
    mixed = one + share * (other - one)
    level = rms(one) + share * (rms(other) - rms(one))
    return mixed * (level / max(rms(mixed), 1e-9))


def is_zero(goal: Objective) -> bool:
    """Tell whether all weights of an objective are 0: there is nothing to ascend, and the dream is carried as it is."""
    return not any(term.weight for term in goal.terms)
