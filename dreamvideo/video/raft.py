"""RAFT: optical flow by a network, torchvision's, with its published weights or a file of one's own."""

from __future__ import annotations

import functools
import math
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
import torch.nn.functional as F

from ..dream.cuda_graphs import RECORDING
from ..errors import ModelError
from ..media.pixels import Field, Gray
from ..media.tensors import to_device
from ..networks.torchvision_zoo import published_weights
from ..networks.weights import load_weights, read_weights
from ..recipe import Temporal
from . import flow

NAMES = {"raft": "raft_large", "raft-small": "raft_small"}  # in the recipe, and in torchvision
MOST_PIXELS = 960 * 540  # larger frames are shrunk: the memory RAFT takes grows with the square of their pixels
STRIDE, LEAST_SIDE = 8, 128  # px; RAFT takes sides that are multiples of it, and no smaller ones


def pick_methods(temporal: Temporal, device: torch.device) -> flow.Methods:
    """Return the methods for the flow and for checking it that a recipe names; DIS's where it names none.

    Raises:
        ModelError: the weights of a network cannot be read, do not fit, or cannot be downloaded.
    """
    if temporal.flow in NAMES:
        raft = load_raft(temporal.flow, temporal.flow_weights, device)
        return raft, raft
    return flow.METHODS["dis" if temporal.flow == "none" else temporal.flow]


@functools.lru_cache(maxsize=1)
def load_raft(name: str, weights: str, device: torch.device) -> Raft:
    """Return a RAFT network on a device.

    Args:
        name: of `NAMES`.
        weights: empty for torchvision's default, the name of others it offers like "C_T_SKHT_K_V2", or a file.
        device: to compute on.

    Raises:
        ModelError: the weights cannot be read, do not fit, or cannot be downloaded.
    """
    import torchvision.models as zoo

    network, offered = zoo.get_model(NAMES[name], weights=None), zoo.get_model_weights(NAMES[name])
    if weights and weights not in offered.__members__:
        if not Path(weights).exists():
            names = ", ".join(offered.__members__)
            raise ModelError(f"{name} has no weights {weights!r}: take one of {names}, or the name of a file")
        load_weights(network, read_weights(weights), weights)
    else:
        published = offered[weights] if weights else offered.DEFAULT
        remedy = "bring the file yourself with --flow-weights FILE.pth, or take --flow dis"
        load_weights(network, published_weights(name, published, remedy), published.url)
    return Raft(network.to(device), device)


class Raft:
    """RAFT as a method for the flow (see `flow.Method`).

    The film's luma stands for all three channels, since flow is followed on luma everywhere in this project.

    Args:
        network: torchvision's RAFT, on the device.
        device: to compute on.

    Source: Teed & Deng 2020.
    """

    def __init__(self, network: Any, device: torch.device):
        self._network, self._device = network.eval().requires_grad_(False), device

    @torch.inference_mode()
    def __call__(self, current: Gray, previous: Gray) -> Field:
        """Return the flow from `current` to `previous`, 8-bit luma (H, W) each: (H, W, 2), px, x then y."""
        h, w = current.shape
        size = _network_size(w, h)
        pair = torch.stack([_shrunk(picture, size) for picture in (current, previous)])
        padding = [p for side in size for p in _padding(side)]
        with RECORDING:  # frames are read on a thread of their own
            x = F.pad(to_device(pair, self._device)[:, None] / 127.5 - 1, padding, mode="replicate")
            x = x.expand(-1, 3, -1, -1)
            found = self._network(x[:1], x[1:])[-1][0].cpu()
        left, top = padding[0], padding[2]
        field = found[:, top : top + size[1], left : left + size[0]].permute(1, 2, 0).numpy()
        if size == (w, h):
            return np.ascontiguousarray(field)
        return cv2.resize(field, (w, h)) * np.array([w / size[0], h / size[1]], np.float32)


def _network_size(width: int, height: int) -> tuple[int, int]:
    """Return the width and height at which the network sees frames, px: `MOST_PIXELS` at most."""
    scale = min(math.sqrt(MOST_PIXELS / (width * height)), 1.0)
    return max(round(width * scale), 1), max(round(height * scale), 1)


def _shrunk(picture: Gray, size: tuple[int, int]) -> torch.Tensor:
    """Return a picture at a width and height no larger than its own, float32 (h, w)."""
    return torch.from_numpy(cv2.resize(picture, size, interpolation=cv2.INTER_AREA).astype(np.float32))


def _padding(side: int) -> tuple[int, int]:
    """Return the pixels to add before and after a side, so that the network takes it."""
    missing = max(math.ceil(side / STRIDE) * STRIDE, LEAST_SIDE) - side
    return missing // 2, missing - missing // 2
