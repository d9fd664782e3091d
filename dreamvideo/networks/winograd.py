"""Convolutions of three by three taps with a quarter of the multiplications, for CPUs.

A tile of four by four results takes 36 products for every pair of channels instead of 144, each a matrix product over
all tiles; before and after stand two small transforms. So a wide layer comes faster than its multiplications, counted
the usual way, could.

Source: Winograd 1980 as in Lavin & Gray, "Fast Algorithms for Convolutional Neural Networks" (2016): F(4×4, 3×3).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

TILE, TAPS, REACH = 4, 3, 6  # results, taps, and what those results see, along a side
STRIP = 6 * 2**20  # bytes of tiles that are transformed at a time: they stay in the cache
NARROW = 96  # channels from which on the products outweigh the transforms
# Rows of the transforms of what goes in, of the taps, and of what comes out.
INPUT = [[4, 0, -5, 0, 1, 0], [0, -4, -4, 1, 1, 0], [0, 4, -4, -1, 1, 0]]
INPUT += [[0, -2, -1, 2, 1, 0], [0, 2, -1, -2, 1, 0], [0, 4, 0, -5, 0, 1]]
KERNEL = [[1 / 4, 0, 0], [-1 / 6, -1 / 6, -1 / 6], [-1 / 6, 1 / 6, -1 / 6]]
KERNEL += [[1 / 24, 1 / 12, 1 / 6], [1 / 24, -1 / 12, 1 / 6], [0, 0, 1]]
OUTPUT = [[1, 1, 1, 1, 1, 0], [0, 1, -1, 2, -2, 0], [0, 1, 1, 4, 4, 0], [0, 1, -1, 8, -8, 1]]


def suits(weight: Tensor, stride: int, padding: tuple[int, int], groups: int) -> bool:
    """Tell whether a convolution with such a weight (K, C, h, w) can be made this way, and is faster so."""
    wide = min(weight.shape[:2]) >= NARROW
    plain = weight.shape[2:] == (TAPS, TAPS) and stride == 1 and padding == (1, 1) and groups == 1
    return wide and plain and weight.dtype == torch.float32 and weight.device.type == "cpu"


def spread(weight: Tensor) -> Tensor:
    """Return a weight (K, C, 3, 3) as `convolve` takes it, (36, C, K)."""
    taps = torch.tensor(KERNEL, dtype=torch.float64)
    out = torch.einsum("ai,kcij,bj->abck", taps, weight.double(), taps)
    return out.flatten(0, 1).to(weight.dtype).contiguous()


def turned(weight: Tensor) -> Tensor:
    """Return the weight that leads a gradient back through the convolution with another, (C, K, 3, 3)."""
    return weight.transpose(0, 1).flip(2, 3)


def convolve(x: Tensor, taps: Tensor, bias: Tensor | None = None, top: float | None = None) -> Tensor:
    """Return the convolution of x (1, C, H, W) with a spread weight, padded by one: (1, K, H, W), channels last.

    Where there is a `top` the result is held within [0, top].
    """
    _, channels, height, width = x.shape
    out = taps.shape[2]
    down, across = -(-height // TILE), -(-width // TILE)
    ahead, back = _square(INPUT, x), _square(OUTPUT, x)
    margins = (0, 0, 1, TILE * across + 1 - width, 1, TILE * down + 1 - height)
    picture = F.pad(x[0].permute(1, 2, 0), margins)  # (H', W', C)
    row, column, channel = picture.stride()
    rows = max(STRIP // (REACH**2 * x.element_size() * across * max(channels, out)), 1)
    result = x.new_empty(down, TILE, across, TILE, out)
    for first in range(0, down, rows):
        count = min(rows, down - first)
        seen = picture[TILE * first :]
        shape, steps = (REACH, REACH, count, across, channels), (row, column, TILE * row, TILE * column, channel)
        tiles = seen.as_strided(shape, steps, seen.storage_offset()).reshape(REACH**2, -1)
        products = torch.bmm(torch.mm(ahead, tiles).view(REACH**2, count * across, channels), taps)
        strip = torch.mm(back, products.view(REACH**2, -1)).view(TILE, TILE, count, across, out)
        strip = strip if bias is None else strip.add_(bias)
        strip = strip if top is None else strip.clamp_(0.0, top)
        result[first : first + count] = strip.permute(2, 0, 3, 1, 4)
    whole = result.view(1, TILE * down, TILE * across, out)[:, :height, :width]
    return whole.permute(0, 3, 1, 2).contiguous(memory_format=torch.channels_last)


def _square(rows: list[list[int]], like: Tensor) -> Tensor:
    """Return a transform of both sides of a tile as one matrix."""
    side = torch.tensor(rows, dtype=like.dtype)
    return torch.kron(side, side)
