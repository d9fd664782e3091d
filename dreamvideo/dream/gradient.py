"""How a gradient becomes a step, and how the picture is shaken before it is looked at."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

MOVED = 1e-3  # share of the largest gradient above which a pixel counts as moved
BLURS = (0.5, 1.0, 2.0)  # px; of Gaussian gradient shaping
ROUND = 0.01  # difference between neighbours below which total variation does not care
CORRELATED = ((0.26, 0.09, 0.02), (0.27, 0.0, -0.05), (0.27, -0.09, 0.03))
BANDS = 4  # frequency bands of Laplacian gradient shaping


def normalise(gradient: Tensor, local: bool = False) -> Tensor:
    """Divide a gradient by its mean magnitude, so that one step moves a pixel by `step` on average.

    With `local`, the mean is of the pixels that it moves at all.
    """
    size = gradient.abs()
    if local:
        moved = size > MOVED * size.max()
        return gradient / ((size * moved).sum() / moved.sum().clamp_min(1)).clamp_min(1e-7)
    return gradient / size.mean().clamp_min(1e-7)


def gaussian(gradient: Tensor) -> Tensor:
    """Return the mean of a gradient (1, C, H, W) blurred by each of `BLURS`: smooth, and large where small agrees."""
    channels, total = gradient.shape[1], torch.zeros_like(gradient)
    for blur in BLURS:
        reach = math.ceil(3 * blur)
        tap = torch.exp(-0.5 * (torch.arange(-reach, reach + 1, device=gradient.device) / blur) ** 2)
        tap = (tap / tap.sum()).to(gradient.dtype).expand(channels, 1, 1, -1)
        across = F.conv2d(F.pad(gradient, (reach, reach, 0, 0), "replicate"), tap, groups=channels)
        total += F.conv2d(F.pad(across, (0, 0, reach, reach), "replicate"), tap.transpose(-1, -2), groups=channels)
    return total / len(BLURS)


def natural(gradient: Tensor) -> Tensor:
    """Return a gradient (1, 3, H, W) as it is taken in colours that photos hold independently of each other.

    Source: the decorrelated colours of Lucid (Olah, Mordvintsev & Schubert 2017), with its matrix, of ImageNet.
    """
    return torch.einsum("ij,njhw->nihw", _covariance(gradient.device), gradient)


@functools.cache
def _covariance(device: torch.device) -> Tensor:
    matrix = torch.tensor(CORRELATED, device=device)
    return matrix @ matrix.T


def variation(image: Tensor) -> Tensor:
    """Return the gradient of the total variation of an image (N, C, H, W): what differs from its neighbours, and how.

    Source: Rudin, Osher & Fatemi 1992, isotropic, its corner rounded off.
    """
    down, right = F.pad(image.diff(dim=-2), (0, 0, 0, 1)), F.pad(image.diff(dim=-1), (0, 1))
    size = (down.square() + right.square() + ROUND**2).sqrt()
    down, right = down / size, right / size
    return F.pad(down, (0, 0, 1, 0))[..., :-1, :] - down + F.pad(right, (1, 0))[..., :-1] - right


def laplacian(gradient: Tensor, bands: int = BANDS) -> Tensor:
    """Give every octave band of a gradient (1, C, H, W) the same strength: RMS 1 per band, bands added up again.

    Source: the Laplacian pyramid gradient normalisation of the DeepDream notebook (Mordvintsev 2015).
    """
    levels: list[Tensor] = []
    while len(levels) < bands - 1 and min(gradient.shape[-2:]) >= 4:
        low = _halve(gradient)
        levels.append(_unit(gradient - _double(low, gradient.shape[-2:])))
        gradient = low
    out = _unit(gradient)
    for level in reversed(levels):
        out = level.add_(_double(out, level.shape[-2:]))
    return out


def soften(gradient: Tensor) -> Tensor:
    """Filter a gradient (1, C, H, W) by [1 2 1]/4 both ways, so that it holds nothing at the grid's own frequency.

    What alternates from pixel to pixel is lost with the first half-pixel move, and a dream made of it fades as it
    travels (by a tenth at the first such move, by a fifth after twenty).
    """
    x = F.pad(gradient, (1, 1, 1, 1), "replicate")
    x = (x[..., :-2, :] + x[..., 2:, :]).add_(x[..., 1:-1, :], alpha=2)
    return (x[..., :-2] + x[..., 2:]).add_(x[..., 1:-1], alpha=2).mul_(1 / 16)


# Pooling and interpolation say the same as what follows, at several times the cost.


def _halve(image: Tensor) -> Tensor:
    """Return the mean of every two by two pixels, (1, C, ⌈H/2⌉, ⌈W/2⌉), the last row and column repeated where odd."""
    height, width = image.shape[-2:]
    if height % 2 or width % 2:
        image = F.pad(image, (0, width % 2, 0, height % 2), "replicate")
    rows = image[..., ::2, :] + image[..., 1::2, :]
    return (rows[..., ::2] + rows[..., 1::2]).mul_(1 / 4)


def _double(image: Tensor, size: Sequence[int]) -> Tensor:
    """Return an image twice as large, bilinear, cut to (height, width)."""
    for axis in (-1, -2):  # columns first, while the rows are few
        count = image.shape[axis]
        margins = (1, 1, 0, 0) if axis == -1 else (0, 0, 1, 1)
        around = F.pad(image, margins, "replicate")
        shape = list(image.shape)
        shape[axis] = 2 * count
        out = image.new_empty(shape)
        for side in (0, 1):  # a pixel's left and right half lean towards the neighbour there
            half = out[..., side::2] if axis == -1 else out[..., side::2, :]
            torch.lerp(image, around.narrow(axis, 2 * side, count), 1 / 4, out=half)
        image = out
    return image[..., : size[0], : size[1]]


def _unit(band: Tensor) -> Tensor:
    rms = torch.linalg.vector_norm(band) / math.sqrt(band.numel())
    return band / rms.clamp_min(1e-7)
