"""Jitter: the image is shifted, rotated and zoomed at random before each ascent step."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from ..recipe import Dream

MAX_OCTAVES = 64  # of one frame, in the seed of its jitter


def draw_jitter(recipe: Dream, index: int, octave: int, count: int) -> Tensor:
    """Draw the jitter of an octave's ascent steps.

    A dream carried from frame to frame needs other shifts on every frame: one that always ascends at the same few fits
    those alone, and shows the network's own grid.

    Args:
        recipe: how far to shift, rotate and zoom, and the seed.
        index: of the frame.
        octave: counted from the smallest.
        count: of ascent steps.

    Returns:
        (count, 4), on the CPU: the shift (dy, dx), px, the rotation, radians, and the zoom, 1 for none.
    """
    generator = torch.Generator().manual_seed((recipe.seed * 1_000_003 + index) * MAX_OCTAVES + octave)
    shifts = torch.randint(-recipe.jitter, recipe.jitter + 1, (count, 2), generator=generator)
    rotation, zoom = 2 * torch.rand(count, 2, generator=generator).T - 1  # in [−1, 1)
    rotation = math.radians(recipe.jitter_rotate) * rotation
    return torch.cat([shifts, rotation[:, None], recipe.jitter_scale ** zoom[:, None]], 1)


def rotates(recipe: Dream) -> bool:
    """Tell whether the jitter rotates or zooms at all."""
    return recipe.jitter_rotate > 0 or recipe.jitter_scale > 1


def rotated(image: Tensor, rotation: Tensor, zoom: Tensor) -> Tensor:
    """Return images (N, C, H, W) rotated about their centre, radians, and zoomed, mirrored beyond their edges."""
    height, width = image.shape[-2:]
    cos, sin = rotation.cos() / zoom, rotation.sin() / zoom
    rows = [cos, -sin * (height / width), 0 * cos, sin * (width / height), cos, 0 * cos]
    grid = F.affine_grid(torch.stack(rows).view(1, 2, 3), [1, 1, height, width], align_corners=False)
    return F.grid_sample(image, grid, "bilinear", "reflection", align_corners=False)


def rolled(image: Tensor, shift: Tensor) -> Tensor:
    """Return images (N, C, H, W) shifted by (dy, dx), px, a tensor (2,); what leaves at one edge enters at the other.

    On a GPU the shift is not read back to the CPU, which would wait for all the work in progress.
    """
    if not shift.is_cpu:
        return _rolled_on_device(image, shift)
    return image.roll(shift.tolist(), (-2, -1))


def _rolled_on_device(image: Tensor, shift: Tensor) -> Tensor:
    for axis, by in zip((-2, -1), shift, strict=True):
        side = image.shape[axis]
        image = image.index_select(axis, (torch.arange(side, device=image.device) - by) % side)
    return image
