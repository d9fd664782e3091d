"""Where the dream meets the frame: the seed a frame starts from, and the picture it ends as."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from . import flow
from .flow import Gray, Motion, warp
from .media import Frame
from .recipe import Finish, Temporal

RIPENING = 4  # frames that uncovered ground goes on being dreamed at the full step before it counts as dreamed


@dataclass(frozen=True)
class State:
    """What travels from frame to frame, at full resolution and precision.

    Attributes:
        layer: the dream layer L = dream − frame, (3, H, W).
        ripeness: how far each pixel is dreamed, (1, H, W): 0 fresh, 1 fully.
        level: the root mean square of the shot's first, full dream layer, which later ones never exceed.
        luma: the frame itself, 8-bit luma (H, W), for the motion of the next.
    """

    layer: Tensor
    ripeness: Tensor
    level: float
    luma: Gray


def seed(state: State, motion: Motion, temporal: Temporal) -> State:
    """Carry the dream along: the last layer and its ripeness, warped onto the current frame and weighed by trust.

    Adding the warped layer to the current frame is lost-detail injection in time: the frame keeps its own detail and
    the dream its own, and neither is resampled with the other.
    """
    layer = warp(state.layer, motion.flow) * motion.trust * temporal.persistence
    ripeness = warp(state.ripeness, motion.flow, "bilinear") * motion.trust
    level = float(layer.square().mean().sqrt())
    if level > state.level:  # a still scene would otherwise burn in, brighter every frame
        layer = layer * (state.level / level)
    return replace(state, layer=layer, ripeness=ripeness)


def effort(carried: State, step: float, temporal: Temporal) -> Tensor:
    """Return the step of every pixel (1, H, W): a full one on fresh ground, a gentle one where the dream is ripe."""
    gentle = step * temporal.refine_step
    return step + (gentle - step) * carried.ripeness


def settle(frame: Frame, image: Tensor, layer: Tensor, carried: State | None) -> State:
    """Return the state after a frame: the part of the layer (3, H, W) that shows, and one frame more of ripeness."""
    layer, luma = (image + layer).clamp(0, 1) - image, flow.gray(frame.pixels)
    if carried is None:
        return State(layer, torch.ones_like(image[:1]), float(layer.square().mean().sqrt()), luma)
    return State(layer, (carried.ripeness + 1 / RIPENING).clamp(max=1), carried.level, luma)


def finish(image: Tensor, layer: Tensor, finish: Finish) -> Tensor:
    """Return the picture: frame plus dream layer (3, H, W) at the recipe's strength, in [0, 1]."""
    return (image + finish.strength * layer).clamp(0, 1)
