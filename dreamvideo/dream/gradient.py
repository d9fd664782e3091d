"""From the objective's gradient to the direction of an ascent step: gradient shaping, normalisation, regularisation."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from ..recipe import Dream

EPSILON = 1e-7  # smallest value that a gradient is divided by
LOCAL_SHARE = 1e-3  # of the largest gradient, above which a pixel is part of a local gradient
BLURS = (0.5, 1.0, 2.0)  # px; sigmas of Gaussian gradient shaping
BANDS = 4  # frequency bands of Laplacian gradient shaping
SMOOTHING = 0.01  # of total variation: differences between neighbours far below it hardly count
PULL_DISTANCE = 0.1  # from the frame, at which a pull of 1 is as strong as the normalised gradient
COLOR_WORDS = {"natural": 0.0, "rainbow": 1.0, "rgb": 1.0}
CORRELATED_COLORS = ((0.26, 0.09, 0.02), (0.27, 0.0, -0.05), (0.27, -0.09, 0.03))  # Lucid's matrix, of ImageNet


def shape_gradient(gradient: Tensor, recipe: Dream, finest: bool) -> Tensor:
    """Filter a gradient (1, 3, h, w) as the recipe says, before it is normalised.

    Laplacian shaping of the full-sized image (`finest`) is softened, too; a smaller octave is softened by resizing.
    """
    if (rainbow := rainbow_share(recipe.colors)) < 1:
        gradient = mix_colors(gradient, rainbow)
    if recipe.shaping == "gaussian":
        return gaussian(gradient)
    if recipe.shaping == "laplacian":
        gradient = laplacian(gradient)
        return soften(gradient) if finest else gradient
    return gradient


def normalise(gradient: Tensor, local: bool = False) -> Tensor:
    """Divide a gradient by its mean magnitude, so that one ascent step changes a pixel by `step` on average.

    If `local`, the mean is only over the pixels whose gradient is not negligible.

    Source: Mordvintsev, Olah & Tyka 2015.
    """
    size = gradient.abs()
    if local:
        inside = size > LOCAL_SHARE * size.max()
        return gradient / ((size * inside).sum() / inside.sum().clamp_min(1)).clamp_min(EPSILON)
    return gradient / size.mean().clamp_min(EPSILON)


def regularise(gradient: Tensor, dream: Tensor, frame: Tensor, recipe: Dream) -> Tensor:
    """Return a normalised gradient less the recipe's total variation and pull towards the frame; all (1, 3, h, w)."""
    if recipe.tv:
        gradient = gradient - recipe.tv * total_variation(dream)
    if recipe.pull:
        gradient = gradient - recipe.pull * (dream - frame) / PULL_DISTANCE
    return gradient


def gaussian(gradient: Tensor) -> Tensor:
    """Return the mean of a gradient (1, C, H, W) blurred by each of `BLURS`: smooth, and large where scales agree."""
    channels, total = gradient.shape[1], torch.zeros_like(gradient)
    for blur in BLURS:
        radius = math.ceil(3 * blur)
        kernel = torch.exp(-0.5 * (torch.arange(-radius, radius + 1, device=gradient.device) / blur) ** 2)
        kernel = (kernel / kernel.sum()).to(gradient.dtype).expand(channels, 1, 1, -1)
        rows = F.conv2d(F.pad(gradient, (radius, radius, 0, 0), "replicate"), kernel, groups=channels)
        total += F.conv2d(F.pad(rows, (0, 0, radius, radius), "replicate"), kernel.transpose(-1, -2), groups=channels)
    return total / len(BLURS)


def laplacian(gradient: Tensor, bands: int = BANDS) -> Tensor:
    """Normalise every octave band of a gradient (1, C, H, W) to RMS 1, and add the bands up again.

    Source: the Laplacian pyramid gradient normalisation of the DeepDream notebook (Mordvintsev 2015).
    """
    levels: list[Tensor] = []
    while len(levels) < bands - 1 and min(gradient.shape[-2:]) >= 4:
        low = _halve(gradient)
        levels.append(_unit_rms(gradient - _double(low, gradient.shape[-2:])))
        gradient = low
    out = _unit_rms(gradient)
    for level in reversed(levels):
        out = level.add_(_double(out, level.shape[-2:]))
    return out


def soften(gradient: Tensor) -> Tensor:
    """Filter a gradient (1, C, H, W) by [1 2 1]/4 along both axes, which removes the pixel grid's own frequency.

    Detail that alternates from pixel to pixel is lost with the first half-pixel motion, so a dream made of it fades as
    it is warped (by a tenth at the first such motion, by a fifth after twenty).
    """
    x = F.pad(gradient, (1, 1, 1, 1), "replicate")
    x = (x[..., :-2, :] + x[..., 2:, :]).add_(x[..., 1:-1, :], alpha=2)
    return (x[..., :-2] + x[..., 2:]).add_(x[..., 1:-1], alpha=2).mul_(1 / 16)


def rainbow_share(colors: float | str) -> float:
    """Return the number that a recipe's `dream.colors` stands for: 0 natural … 1 rainbow."""
    return COLOR_WORDS[colors] if isinstance(colors, str) else colors


def mix_colors(gradient: Tensor, rainbow: float) -> Tensor:
    """Return a gradient (1, 3, H, W) whose channels are combined as they are in photos.

    Args:
        gradient: of independent channels.
        rainbow: 0 takes it in decorrelated colours, those that are independent in photos; 1 leaves it as it is.

    Source: the decorrelated colours of Lucid (Olah, Mordvintsev & Schubert 2017), with its matrix.
    """
    return torch.matmul(_color_matrix(gradient.device, rainbow), gradient.flatten(2)).view_as(gradient)


@functools.cache
def _color_matrix(device: torch.device, rainbow: float) -> Tensor:
    factors = torch.tensor(CORRELATED_COLORS)
    covariance = factors @ factors.T
    return torch.lerp(covariance * (3 / covariance.trace()), torch.eye(3), rainbow).to(device)


def total_variation(image: Tensor) -> Tensor:
    """Return the gradient of an image's total variation, at every pixel of (N, C, H, W).

    Source: Rudin, Osher & Fatemi 1992, isotropic, smoothed at zero.
    """
    down, right = F.pad(image.diff(dim=-2), (0, 0, 0, 1)), F.pad(image.diff(dim=-1), (0, 1))
    size = (down.square() + right.square() + SMOOTHING**2).sqrt()
    down, right = down / size, right / size
    return F.pad(down, (0, 0, 1, 0))[..., :-1, :] - down + F.pad(right, (1, 0))[..., :-1] - right


# PyTorch's pooling and interpolation compute the same as the next two functions, several times slower.


def _halve(image: Tensor) -> Tensor:
    """Return the mean of every 2×2 pixels, (1, C, ⌈H/2⌉, ⌈W/2⌉), the last row and column repeated where odd."""
    height, width = image.shape[-2:]
    if height % 2 or width % 2:
        image = F.pad(image, (0, width % 2, 0, height % 2), "replicate")
    rows = image[..., ::2, :] + image[..., 1::2, :]
    return (rows[..., ::2] + rows[..., 1::2]).mul_(1 / 4)


def _double(image: Tensor, size: Sequence[int]) -> Tensor:
    """Return an image twice as large, bilinear, cropped to (height, width)."""
    for axis in (-1, -2):  # columns first, while the rows are few
        count = image.shape[axis]
        margins = (1, 1, 0, 0) if axis == -1 else (0, 0, 1, 1)
        padded = F.pad(image, margins, "replicate")
        shape = list(image.shape)
        shape[axis] = 2 * count
        out = image.new_empty(shape)
        for side in (0, 1):  # the left and the right half of a pixel take a quarter of the neighbour on that side
            half = out[..., side::2] if axis == -1 else out[..., side::2, :]
            torch.lerp(image, padded.narrow(axis, 2 * side, count), 1 / 4, out=half)
        image = out
    return image[..., : size[0], : size[1]]


def _unit_rms(band: Tensor) -> Tensor:
    rms = torch.linalg.vector_norm(band) / math.sqrt(band.numel())
    return band / rms.clamp_min(EPSILON)
