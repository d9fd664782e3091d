"""Winograd convolution on CPUs: 3×3 kernels with a quarter of the multiplications.

A tile of 4×4 outputs takes 36 products per pair of channels instead of 144, each product part of one matrix product
over all tiles; a small transform stands before and after. So a wide layer takes less time than its multiplications,
counted the direct way, could.

Source: Winograd 1980 as in Lavin & Gray, "Fast Algorithms for Convolutional Neural Networks" (2016): F(4×4, 3×3).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

TILE, KERNEL_SIDE, INPUT_SIDE = 4, 3, 6  # outputs, kernel taps, and inputs of a tile, along a side
STRIP_BYTES = 6 * 2**20  # of tiles transformed at a time, so that they stay in the cache
MIN_CHANNELS = 96  # from which the products outweigh the transforms
# Rows of the transforms of input, kernel and output: Bᵀ, G and Aᵀ in the paper.
INPUT = [[4, 0, -5, 0, 1, 0], [0, -4, -4, 1, 1, 0], [0, 4, -4, -1, 1, 0]]
INPUT += [[0, -2, -1, 2, 1, 0], [0, 2, -1, -2, 1, 0], [0, 4, 0, -5, 0, 1]]
KERNEL = [[1 / 4, 0, 0], [-1 / 6, -1 / 6, -1 / 6], [-1 / 6, 1 / 6, -1 / 6]]
KERNEL += [[1 / 24, 1 / 12, 1 / 6], [1 / 24, -1 / 12, 1 / 6], [0, 0, 1]]
OUTPUT = [[1, 1, 1, 1, 1, 0], [0, 1, -1, 2, -2, 0], [0, 1, 1, 4, 4, 0], [0, 1, -1, 8, -8, 1]]


def supports(weight: Tensor, stride: int, padding: tuple[int, int], groups: int) -> bool:
    """Tell whether a convolution with a weight (K, C, h, w) can be computed this way, and is faster for it."""
    wide = min(weight.shape[:2]) >= MIN_CHANNELS
    plain = weight.shape[2:] == (KERNEL_SIDE, KERNEL_SIDE) and stride == 1 and padding == (1, 1) and groups == 1
    return wide and plain and weight.dtype == torch.float32 and weight.device.type == "cpu"


def transform_weight(weight: Tensor) -> Tensor:
    """Return a weight (K, C, 3, 3) as `convolve` takes it, (36, C, K)."""
    kernel = torch.tensor(KERNEL, dtype=torch.float64)
    out = torch.einsum("ai,kcij,bj->abck", kernel, weight.double(), kernel)
    return out.flatten(0, 1).to(weight.dtype).contiguous()


def backward_weight(weight: Tensor) -> Tensor:
    """Return the weight (C, K, 3, 3) whose convolution leads a gradient back through that with `weight`."""
    return weight.transpose(0, 1).flip(2, 3)


def convolve(x: Tensor, weight: Tensor, bias: Tensor | None = None, ceiling: float | None = None) -> Tensor:
    """Return the convolution, padded by one, of x (1, C, H, W) with a transformed weight: (1, K, H, W), channels last.

    With a `ceiling`, the result is clamped to [0, ceiling].
    """
    _, channels, height, width = x.shape
    out = weight.shape[2]
    down, across = -(-height // TILE), -(-width // TILE)
    to_products, from_products = _two_sided(INPUT, x), _two_sided(OUTPUT, x)
    margins = (0, 0, 1, TILE * across + 1 - width, 1, TILE * down + 1 - height)
    padded = F.pad(x[0].permute(1, 2, 0), margins)  # (H', W', C)
    row, column, channel = padded.stride()
    rows = max(STRIP_BYTES // (INPUT_SIDE**2 * x.element_size() * across * max(channels, out)), 1)
    result = x.new_empty(down, TILE, across, TILE, out)
    for first in range(0, down, rows):
        count = min(rows, down - first)
        strip = padded[TILE * first :]
        shape = (INPUT_SIDE, INPUT_SIDE, count, across, channels)
        steps = (row, column, TILE * row, TILE * column, channel)
        tiles = strip.as_strided(shape, steps, strip.storage_offset()).reshape(INPUT_SIDE**2, -1)
        products = torch.bmm(torch.mm(to_products, tiles).view(INPUT_SIDE**2, count * across, channels), weight)
        y = torch.mm(from_products, products.view(INPUT_SIDE**2, -1)).view(TILE, TILE, count, across, out)
        y = y if bias is None else y.add_(bias)
        y = y if ceiling is None else y.clamp_(0.0, ceiling)
        result[first : first + count] = y.permute(2, 0, 3, 1, 4)
    whole = result.view(1, TILE * down, TILE * across, out)[:, :height, :width]
    return whole.permute(0, 3, 1, 2).contiguous(memory_format=torch.channels_last)


def _two_sided(rows: list[list[int]], like: Tensor) -> Tensor:
    """Return the transform of both sides of a tile as one matrix."""
    side = torch.tensor(rows, dtype=like.dtype)
    return torch.kron(side, side)
