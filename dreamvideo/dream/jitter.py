"""Jitter: the picture shifted, rotated and scaled before each ascent step."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def rotated(image: Tensor, angle: Tensor, scale: Tensor) -> Tensor:
    """Return images (N, C, H, W) turned about their middle, radians, and scaled, mirrored beyond their edges."""
    height, width = image.shape[-2:]
    cos, sin = angle.cos() / scale, angle.sin() / scale
    rows = [cos, -sin * (height / width), 0 * cos, sin * (width / height), cos, 0 * cos]
    grid = F.affine_grid(torch.stack(rows).view(1, 2, 3), [1, 1, height, width], align_corners=False)
    return F.grid_sample(image, grid, "bilinear", "reflection", align_corners=False)


def rolled(image: Tensor, shift: Tensor) -> Tensor:
    """Return images (N, C, H, W) rolled round by a shift (2,), (dy, dx) in px.

    Elsewhere than on a CPU, the shift stays where it is: to ask for it would be to wait for all that is under way.
    """
    if not shift.is_cpu:
        return _rolled_on_device(image, shift)
    return image.roll(shift.tolist(), (-2, -1))


def _rolled_on_device(image: Tensor, shift: Tensor) -> Tensor:
    for axis, by in zip((-2, -1), shift, strict=True):
        side = image.shape[axis]
        image = image.index_select(axis, (torch.arange(side, device=image.device) - by) % side)
    return image
