"""Motion between frames: how far each pixel came, and how far that can be believed.

Flow is in pixels, x then y, defined on the current frame's grid and pointing to the previous frame, so that
`warp(previous, flow)` lies on the current frame.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from torch import Tensor

from ..media.pixels import Field, Gray, to_device

Method = Callable[[Gray, Gray], Field]  # (current, previous) → flow (H, W, 2)
NOISE, FAINT = 2.0, 0.3  # 8-bit levels by which a block of a repeated frame, and all of it, may differ
FINE = 300  # px; the least short side that motion is searched in, where a frame has as much
SMALLEST = 16  # px; DIS takes no smaller pictures


@dataclass(frozen=True)
class Motion:
    """What moved between two frames.

    Attributes:
        flow: (2, H, W), px, x then y, from the current frame's pixels to where they were in the previous one.
        confidence: (1, H, W) in [0, 1]: 1 where the flow holds, 0 where the ground was uncovered or the flow is lost.
    """

    flow: Tensor
    confidence: Tensor

    def to(self, device: torch.device) -> Motion:
        """Return the same motion on another device."""
        return Motion(to_device(self.flow, device), to_device(self.confidence, device))


def dis(current: Gray, previous: Gray) -> Field:
    """Return dense inverse search flow (Kroeger et al. 2016), shape (H, W, 2), searched down to `FINE` px.

    OpenCV's presets stop at half the size. On small frames the full size halves the error, and with it the flicker; at
    1280x720 it takes four times as long, for 4 % less flicker in a slow pan and 16 % less in fast motion.
    """
    search = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    search.setVariationalRefinementAlpha(60.0)
    return _searched(search, _finest(current), current, previous)


def coarse_dis(current: Gray, previous: Gray) -> Field:
    """Return dense inverse search flow, shape (H, W, 2), at half the size of `dis`: good enough to check it by."""
    search = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    return _searched(search, _finest(current) + 1, current, previous)


def _finest(picture: Gray) -> int:
    """Return how often a picture is halved before it has the size that motion is searched in."""
    return max(int(math.log2(min(picture.shape) / FINE)), 0)


def _searched(search: cv2.DISOpticalFlow, finest: int, current: Gray, previous: Gray) -> Field:
    h, w = current.shape
    search.setFinestScale(finest)
    grow = (0, max(SMALLEST - h, 0), 0, max(SMALLEST - w, 0))
    if any(grow):
        current, previous = (cv2.copyMakeBorder(g, *grow, cv2.BORDER_REPLICATE) for g in (current, previous))
    return search.calc(current, previous, None)[:h, :w]


def variational(current: Gray, previous: Gray) -> Field:
    """Return variational flow (Brox et al. 2004), shape (H, W, 2): from small to large, three warps a size.

    Three times as slow as `dis`, and twice as near on grainy film.
    """
    h, w = current.shape
    steps = max(int(math.log(min(h, w) / SMALLEST, 1.25)), 0)
    sizes = [(max(round(w * 0.8**k), 1), max(round(h * 0.8**k), 1)) for k in reversed(range(steps + 1))]
    refinement = cv2.VariationalRefinement_create()
    flow = np.zeros((*sizes[0][::-1], 2), np.float32)
    for size in sizes:
        grow = np.array([size[0] / flow.shape[1], size[1] / flow.shape[0]], np.float32)
        flow = cv2.resize(flow, size) * grow
        now, before = (cv2.resize(g, size, interpolation=cv2.INTER_AREA) for g in (current, previous))
        for _ in range(3):
            flow = refinement.calc(now, before, flow)
            flow = cv2.merge([cv2.medianBlur(part, 5) for part in cv2.split(flow)])
    return flow


METHODS: dict[str, tuple[Method, Method]] = {"dis": (dis, coarse_dis), "variational": (variational, coarse_dis)}


def is_repeat(current: Gray, previous: Gray) -> bool:
    """Tell whether two frames (H, W) show the same: no 8×8 block, nor the whole, differs by more than coding does."""
    difference = cv2.absdiff(current, previous)
    h, w = difference.shape
    blocks = cv2.resize(difference.astype(np.float32), (max(w // 8, 1), max(h // 8, 1)), interpolation=cv2.INTER_AREA)
    return bool(blocks.max() < NOISE and blocks.mean() < FAINT)


def estimate_motion(current: Gray, previous: Gray, method: Method = dis, check: Method = coarse_dis) -> Motion:
    """Return the motion from `previous` to `current`, both 8-bit luma of shape (H, W), with its confidence.

    The flow is `method`'s; `check` gives the one in the other direction, which it is trusted by.
    """
    backward, forward = method(current, previous), check(previous, current)
    flow = torch.from_numpy(np.ascontiguousarray(backward.transpose(2, 0, 1)))
    return Motion(flow, torch.from_numpy(flow_confidence(backward, forward))[None])


def flow_confidence(backward: Field, forward: Field, feather: float = 1.5) -> Field:
    """Return how far a backward flow (current → previous) can be believed, shape (H, W), 0 … 1.

    0 where it leaves the frame, where the forward flow does not lead back, and at motion edges; feathered by a
    Gaussian of `feather` px that only ever lowers it.

    Source: Sundaram, Brox & Keutzer 2010; constants as in Ruder, Dosovitskiy & Brox 2016, but for that of motion edges
    (0.02, not 0.002), which takes noise on flat ground for edges.
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
    smooth = _squares(*slopes) <= 0.01 * length + 0.02
    held = (inside & returns & smooth).astype(np.float32)
    return held * cv2.GaussianBlur(held, (0, 0), feather)


def _squares(*planes: Field) -> Field:
    total = planes[0] * planes[0]
    for plane in planes[1:]:
        total += plane * plane
    return total


def warp(image: Tensor, flow: Tensor, sharp: bool = True) -> Tensor:
    """Return image (C, H, W) sampled at p + flow(p), flow (2, H, W) in px; mirrored beyond its edges.

    Args:
        image: float, on any device.
        flow: on the same device.
        sharp: by Lanczos' window of eight pixels, since what is carried from frame to frame is resampled on every one;
            else bilinear, which keeps within the range of its values.
    """
    h, w = image.shape[-2:]
    x = torch.arange(w, device=image.device) + flow[0]
    y = torch.arange(h, device=image.device)[:, None] + flow[1]
    if image.device.type != "cpu":
        return _sampled(image, x, y, 4 if sharp else 1)
    how = cv2.INTER_LANCZOS4 if sharp else cv2.INTER_LINEAR
    at = x.numpy(), y.numpy()
    planes = [cv2.remap(plane, *at, how, borderMode=cv2.BORDER_REFLECT_101) for plane in image.numpy()]
    return torch.from_numpy(np.stack(planes))


def _sampled(image: Tensor, x: Tensor, y: Tensor, reach: int) -> Tensor:
    """Sample an image (C, H, W) at (x, y), (H, W) each, by Lanczos' window of `reach`, 1 for bilinear: the same as
    OpenCV does on a CPU, for tensors that live elsewhere.
    """
    height, width = image.shape[-2:]
    left, top = x.floor(), y.floor()
    taps = range(1 - reach, reach + 1)
    across = _weights(torch.stack([x - left - k for k in taps]), reach)
    down = _weights(torch.stack([y - top - k for k in taps]), reach)
    rows = [_mirrored(top.long() + k, height) for k in taps]
    columns = [_mirrored(left.long() + k, width) for k in taps]
    out = torch.zeros_like(image)
    for row, tall in zip(rows, down, strict=True):
        for column, wide in zip(columns, across, strict=True):
            out += image[:, row, column] * (tall * wide)
    return out


def _weights(distance: Tensor, reach: int) -> Tensor:
    weights = 1 - distance.abs() if reach == 1 else torch.sinc(distance) * torch.sinc(distance / reach)
    return weights / weights.sum(0)


def _mirrored(index: Tensor, size: int) -> Tensor:
    """Reflect an index about the first and last pixel, as often as it takes."""
    period = max(2 * (size - 1), 1)
    index = index.remainder(period)
    return torch.minimum(index, period - index) if size > 1 else torch.zeros_like(index)
