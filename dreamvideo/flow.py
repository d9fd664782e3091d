"""Motion between frames: how far each pixel came, and how far that can be believed.

Flow is in pixels, x then y, defined on the current frame's grid and pointing to the previous frame, so that
`warp(previous, flow)` lies on the current frame.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

Gray = NDArray[np.uint8]
Field = NDArray[np.float32]


SMALLEST = 16  # px; DIS takes no smaller pictures


@dataclass(frozen=True)
class Motion:
    """What moved between two frames.

    Attributes:
        flow: (2, H, W), px, x then y, from the current frame's pixels to where they were in the previous one.
        trust: (1, H, W) in [0, 1]: 1 where the flow holds, 0 where the ground was uncovered or the flow is lost.
    """

    flow: Tensor
    trust: Tensor

    def to(self, device: torch.device) -> Motion:
        """Return the same motion on another device."""
        return Motion(self.flow.to(device), self.trust.to(device))


def dis(current: Gray, previous: Gray) -> Field:
    """Return dense inverse search flow (Kroeger et al. 2016), shape (H, W, 2)."""
    h, w = current.shape
    grow = (0, max(SMALLEST - h, 0), 0, max(SMALLEST - w, 0))
    if any(grow):
        current, previous = (cv2.copyMakeBorder(g, *grow, cv2.BORDER_REPLICATE) for g in (current, previous))
    flow = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM).calc(current, previous, None)
    return flow[:h, :w]


def farneback(current: Gray, previous: Gray) -> Field:
    """Return polynomial expansion flow (Farnebäck 2003), shape (H, W, 2)."""
    return cv2.calcOpticalFlowFarneback(current, previous, None, 0.5, 5, 21, 3, 7, 1.5, 0)


METHODS: dict[str, Callable[[Gray, Gray], Field]] = {"dis": dis, "farneback": farneback}


def gray(pixels: NDArray[np.uint8] | NDArray[np.uint16]) -> Gray:
    """Return the 8-bit luma of RGB pixels (H, W, 3), 8 or 16 bits."""
    if pixels.dtype == np.uint16:
        pixels = (pixels >> 8).astype(np.uint8)
    return cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)


def estimate(current: Gray, previous: Gray, method: Callable[[Gray, Gray], Field] = dis) -> Motion:
    """Return the motion from `previous` to `current`, both 8-bit luma of shape (H, W), with its trust."""
    backward, forward = method(current, previous), method(previous, current)
    flow = torch.from_numpy(np.ascontiguousarray(backward.transpose(2, 0, 1)))
    return Motion(flow, torch.from_numpy(trust(backward, forward))[None])


def trust(backward: Field, forward: Field, feather: float = 1.5) -> Field:
    """Return how far a backward flow (current → previous) can be believed, shape (H, W), 0 … 1.

    0 where it leaves the frame, where the forward flow does not lead back, and at motion edges; feathered by a
    Gaussian of `feather` px that only ever lowers it.

    Source: Sundaram, Brox & Keutzer 2010; constants as in Ruder, Dosovitskiy & Brox 2016.
    """
    h, w = backward.shape[:2]
    ax, ay = cv2.split(backward)
    at_x = ax + np.arange(w, dtype=np.float32)
    at_y = ay + np.arange(h, dtype=np.float32)[:, None]
    inside = (at_x >= -0.5) & (at_x <= w - 0.5) & (at_y >= -0.5) & (at_y <= h - 0.5)
    bx, by = cv2.split(cv2.remap(forward, at_x, at_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE))
    length = ax * ax + ay * ay
    returns = _squares(ax + bx, ay + by) < 0.01 * (length + _squares(bx, by)) + 0.5
    slopes = [cv2.Sobel(part, cv2.CV_32F, *axis, ksize=1, scale=0.5) for part in (ax, ay) for axis in ((1, 0), (0, 1))]
    smooth = _squares(*slopes) <= 0.01 * length + 0.002
    held = (inside & returns & smooth).astype(np.float32)
    return held * cv2.GaussianBlur(held, (0, 0), feather)


def _squares(*planes: Field) -> Field:
    total = planes[0] * planes[0]
    for plane in planes[1:]:
        total += plane * plane
    return total


def warp(image: Tensor, flow: Tensor, mode: str = "bicubic") -> Tensor:
    """Return image (C, H, W) sampled at p + flow(p), flow (2, H, W) in px; beyond the edge, the edge's own pixel."""
    if image.device.type == "mps":  # whose grid_sample lacks border padding in some versions
        return warp(image.cpu(), flow.cpu(), mode).to(image.device)
    h, w = image.shape[-2:]
    x = torch.arange(w, device=image.device) + flow[0]
    y = torch.arange(h, device=image.device)[:, None] + flow[1]
    grid = torch.stack((2 * x / max(w - 1, 1) - 1, 2 * y / max(h - 1, 1) - 1), -1)
    return F.grid_sample(image[None], grid[None], mode, "border", align_corners=True)[0]
