"""Gradient ascent on the phases of a picture's Fourier spectrum, whose magnitudes are kept.

What a pixel ascent adds, it adds at every frequency as the network likes it. Here every frequency keeps the strength
that it has in the picture, and only where its waves lie is dreamed: so a dream is as rich in detail as a photo is.

Source: MACO, Fel et al. 2023 ("Unlocking Feature Visualization for Deeper Networks with MAgnitude Constrained
Optimization"): random crops, noise, Adam; its magnitudes are ImageNet's mean, these are the picture's own.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from .gradient import CORRELATED_COLORS

STEPS = 6  # ascent steps, as a multiple of the recipe's iterations
RADIANS = 6.0  # that a phase moves in one, as a multiple of the recipe's step
CROPS = 2  # of the picture, in one step
SIDE = 224  # px; short side that a crop is resized to: what the networks were trained with
OVERHANG = 0.25  # share of a crop by which one may be drawn beyond the picture, and is then moved inside
NOISE = 0.05  # deviation of the noise added to a crop, so that no single frequency fits the network alone
COLORFUL = 2.0  # most that a colour varies, as a multiple of lightness; on average of photos, both are the same
DECAY, SQUARE_DECAY, EPSILON = 0.9, 0.999, 1e-12  # of Adam (Kingma & Ba 2015)


@dataclass(frozen=True)
class Spectrum:
    """A picture's Fourier spectrum, in colours that are independent in photos.

    Attributes:
        magnitude: of every frequency, (3, H, W // 2 + 1).
        phase: of every frequency, radians, of the same shape.
        mean: of every colour, (3, 1, 1).
        size: (H, W).
    """

    magnitude: Tensor
    phase: Tensor
    mean: Tensor
    size: tuple[int, int]

    @classmethod
    def of(cls, image: Tensor) -> Spectrum:
        """Return the spectrum of an image (3, H, W).

        A colour that is stronger, compared with lightness, than in any photo is weakened, and the picture keeps its
        contrast: so noise turns natural.
        """
        colors = torch.linalg.solve(_colors(image), image.flatten(1)).view_as(image)
        mean = colors.mean((1, 2), keepdim=True)
        waves = torch.fft.rfft2(colors - mean, norm="ortho")
        magnitude = waves.abs()
        strength = magnitude.square().mean((1, 2)).sqrt()
        share = (COLORFUL * strength[0] / strength.clamp_min(EPSILON)).clamp_max(1)
        contrast = [torch.linalg.vector_norm(_colors(image) * amount) for amount in (strength, strength * share)]
        magnitude = magnitude * (share * contrast[0] / contrast[1].clamp_min(EPSILON))[:, None, None]
        return cls(magnitude, waves.angle(), mean, (image.shape[-2], image.shape[-1]))

    def picture(self, phase: Tensor) -> Tensor:
        """Return the picture (3, H, W) of these magnitudes and other phases."""
        colors = torch.fft.irfft2(torch.polar(self.magnitude, phase), s=self.size, norm="ortho") + self.mean
        return (_colors(colors) @ colors.flatten(1)).view_as(colors)


def ascend_phases(
    image: Tensor, gradient: Callable[[Tensor], Tensor], steps: int, radians: float, generator: torch.Generator
) -> Tensor:
    """Return a picture of an image's magnitudes, whose phases have followed the gradient of an objective.

    Args:
        image: RGB in [0, 1], (3, H, W), whose phases are the first.
        gradient: returns the normalised gradient of the objective at a picture (1, 3, h, w), in the same shape.
        steps: how many, of `CROPS` crops each.
        radians: how far a phase moves in one step.
        generator: draws the crops and the noise; on the CPU.

    Returns:
        RGB of the same shape; not clamped.
    """
    spectrum = Spectrum.of(image)
    phase, first, second = spectrum.phase, torch.zeros_like(spectrum.phase), torch.zeros_like(spectrum.phase)
    for step in range(1, steps + 1):
        phase = phase.detach().requires_grad_()
        with torch.enable_grad():
            picture = spectrum.picture(phase)
            crops = [_crop(picture, generator) for _ in range(CROPS)]
        towards = [gradient(crop.detach() + _noise(crop, generator)) for crop in crops]
        (slope,) = torch.autograd.grad(crops, phase, towards)
        first = torch.lerp(slope, first, DECAY)
        second = torch.lerp(slope.square(), second, SQUARE_DECAY)
        mean, deviation = first / (1 - DECAY**step), (second / (1 - SQUARE_DECAY**step)).sqrt()
        phase = phase.detach() + radians * mean / (deviation + EPSILON)
    return spectrum.picture(phase.detach())


def pixels(height: int, width: int) -> float:
    """Return how many pixels of a picture pass through the network for every iteration of the recipe, at most."""
    side = min(SIDE, height, width)
    return STEPS * CROPS * side**2 * max(height, width) / min(height, width)


def _crop(picture: Tensor, generator: torch.Generator) -> Tensor:
    """Return a random part of a picture (3, H, W), from all of it to where a pixel is one, as (1, 3, h, w)."""
    short = min(picture.shape[-2:])
    smallest = min(SIDE / short, 1.0)
    share = smallest ** float(torch.rand((), generator=generator))
    spans = [_span(length, share, generator) for length in picture.shape[-2:]]
    part = picture[None, :, spans[0], spans[1]]
    return _resized(part, SIDE / min(part.shape[-2:]))


def _span(length: int, share: float, generator: torch.Generator) -> slice:
    """Draw a share of a length: the ends are as likely inside it as the middle."""
    count = max(round(length * share), 1)
    begin = (1 + 2 * OVERHANG) * float(torch.rand((), generator=generator)) - OVERHANG
    start = min(max(round(begin * (length - count)), 0), length - count)
    return slice(start, start + count)


def _resized(part: Tensor, factor: float) -> Tensor:
    if factor >= 1:  # a smaller picture is dreamed as it is
        return part
    size = [math.ceil(side * factor) for side in part.shape[-2:]]
    return F.interpolate(part, size, mode="bilinear", antialias=True, align_corners=False)


def _noise(crop: Tensor, generator: torch.Generator) -> Tensor:
    return NOISE * torch.randn(crop.shape, generator=generator).to(crop)


def _colors(like: Tensor) -> Tensor:
    """Return the matrix (3, 3) from independent colours to RGB, on the device of a tensor."""
    return torch.tensor(CORRELATED_COLORS).to(like)
