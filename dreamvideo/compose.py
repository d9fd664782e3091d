"""Where the dream meets the frame: the seed a frame starts from, and the picture it ends as."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from . import flow
from .flow import Gray, Motion, warp
from .media import Frame
from .recipe import Finish, Temporal

PROBE = 0.1  # strength of the dream that a frame's room is measured with
RIPENING = 4  # frames that uncovered ground goes on being dreamed at the full step before it counts as dreamed


@dataclass(frozen=True)
class State:
    """What travels from frame to frame, at full resolution and precision.

    Attributes:
        layer: the dream layer L = dream − frame, (3, H, W).
        ripeness: how far each pixel is dreamed, (1, H, W): 0 fresh, 1 fully.
        level: the root mean square of the shot's first, full dream layer, in a frame with room for all of it; later
            ones never exceed that.
        luma: the frame itself, 8-bit luma (H, W), for the motion of the next.
    """

    layer: Tensor
    ripeness: Tensor
    level: float
    luma: Gray


def seed(state: State, image: Tensor, motion: Motion, temporal: Temporal) -> State:
    """Carry the dream along: the last layer and its ripeness, warped onto the current frame and weighed by trust.

    Adding the warped layer to the current frame is lost-detail injection in time: the frame keeps its own detail and
    the dream its own, and neither is resampled with the other.
    """
    layer = warp(state.layer, motion.flow) * motion.trust * temporal.persistence
    ripeness = warp(state.ripeness, motion.flow, "bilinear") * motion.trust
    level, most = rms(layer), state.level * room(image)
    if level > most:  # a still scene would otherwise burn in, brighter every frame
        layer = layer * (most / level)
    return replace(state, layer=layer, ripeness=ripeness)


def effort(carried: State, step: float, temporal: Temporal) -> Tensor:
    """Return the step of every pixel (1, H, W): a full one on fresh ground, a gentle one where the dream is ripe."""
    gentle = step * temporal.refine_step
    return step + (gentle - step) * carried.ripeness


def settle(frame: Frame, image: Tensor, layer: Tensor, carried: State | None) -> State:
    """Return the state after a frame: the part of the layer (3, H, W) that shows, and one frame more of ripeness."""
    layer, luma = (image + layer).clamp(0, 1) - image, flow.gray(frame.pixels)
    if carried is None:
        return State(layer, torch.ones_like(image[:1]), rms(layer) / room(image), luma)
    return State(layer, (carried.ripeness + 1 / RIPENING).clamp(max=1), carried.level, luma)


def rms(layer: Tensor) -> float:
    """Return the root mean square of a layer."""
    return float(layer.square().mean().sqrt())


def room(image: Tensor) -> float:
    """Return the share of a dream that shows on an image in [0, 1]: 1 on mid-grey, less towards black and white.

    A shot that fades in gives its first dream little room; what it holds back there must not bind the rest.
    """
    up, down = (image + PROBE).clamp(max=1) - image, image - (image - PROBE).clamp(min=0)
    return max(math.sqrt((rms(up) ** 2 + rms(down) ** 2) / 2) / PROBE, 1e-3)


def finish(image: Tensor, layer: Tensor, finish: Finish) -> Tensor:
    """Return the picture: frame plus dream layer (3, H, W) at the recipe's strength, in [0, 1]."""
    return (image + finish.strength * layer).clamp(0, 1)
