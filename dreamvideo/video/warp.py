"""Warps a frame or a dream layer along the optical flow."""

from __future__ import annotations

import cv2
import numpy as np
import torch
from torch import Tensor

LANCZOS, BILINEAR = 4, 1  # pixels on either side that an interpolation takes


def warp(image: Tensor, flow: Tensor, sharp: bool = True) -> Tensor:
    """Return an image (C, H, W) warped along a flow (2, H, W), px: sampled at p + flow(p), mirrored beyond its edges.

    Args:
        image: float, on any device.
        flow: on the same device.
        sharp: interpolate by Lanczos' window of 8×8 pixels, since the dream layer is resampled on every frame and
            would grow soft; else bilinearly, which never leaves the range of the image's values.
    """
    h, w = image.shape[-2:]
    x = torch.arange(w, device=image.device) + flow[0]
    y = torch.arange(h, device=image.device)[:, None] + flow[1]
    if image.device.type != "cpu":
        return _sample(image, x, y, LANCZOS if sharp else BILINEAR)
    how = cv2.INTER_LANCZOS4 if sharp else cv2.INTER_LINEAR
    at = x.numpy(), y.numpy()
    planes = [cv2.remap(plane, *at, how, borderMode=cv2.BORDER_REFLECT_101) for plane in image.numpy()]
    return torch.from_numpy(np.stack(planes))


def _sample(image: Tensor, x: Tensor, y: Tensor, radius: int) -> Tensor:
    """Sample an image (C, H, W) at (x, y), (H, W) each, by `LANCZOS` or `BILINEAR` interpolation.

    This does on any device what `cv2.remap` does on a CPU.
    """
    height, width = image.shape[-2:]
    left, top = x.floor(), y.floor()
    taps = range(1 - radius, radius + 1)
    across = _tap_weights(torch.stack([x - left - k for k in taps]), radius)
    down = _tap_weights(torch.stack([y - top - k for k in taps]), radius)
    rows = [_reflect(top.long() + k, height) for k in taps]
    columns = [_reflect(left.long() + k, width) for k in taps]
    out = torch.zeros_like(image)
    for row, row_weight in zip(rows, down, strict=True):
        for column, column_weight in zip(columns, across, strict=True):
            out += image[:, row, column] * (row_weight * column_weight)
    return out


def _tap_weights(distance: Tensor, radius: int) -> Tensor:
    """Return the weight of each tap by its distance, (taps, H, W); they add up to 1."""
    weights = 1 - distance.abs() if radius == BILINEAR else torch.sinc(distance) * torch.sinc(distance / radius)
    return weights / weights.sum(0)


def _reflect(index: Tensor, size: int) -> Tensor:
    """Reflect indices about the first and last pixel, as many times as it takes."""
    period = max(2 * (size - 1), 1)
    index = index.remainder(period)
    return torch.minimum(index, period - index) if size > 1 else torch.zeros_like(index)
