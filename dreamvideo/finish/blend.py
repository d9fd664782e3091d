"""Blend modes (screen, multiply, overlay, …), and the alpha layer that turns one picture into another.

Source of the modes: Compositing and Blending Level 1 (W3C), sections 10.1 and 10.2. Pictures are float RGB in [0, 1],
(3, H, W), and are blended as they are encoded: sRGB values are not linearised.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

LUMINOSITY_WEIGHTS = (0.3, 0.59, 0.11)  # of red, green and blue in the non-separable modes
ALPHA_LEVELS = 65535  # alpha is written with 16 bits


def luminosity(picture: Tensor) -> Tensor:
    """Return the luminosity of a picture, (1, H, W): W3C's `Lum`."""
    return torch.einsum("c,chw->hw", torch.tensor(LUMINOSITY_WEIGHTS).to(picture), picture)[None]


def set_luminosity(picture: Tensor, target: Tensor) -> Tensor:
    """Return a picture with another luminosity, `target` (1, H, W): W3C's `SetLum`, then `ClipColor`.

    The same amount is added to all three channels, so hue and chroma stay. Where that leaves [0, 1], the colour is
    moved towards the grey of its luminosity until it fits, which keeps its hue.
    """
    shifted = picture + (target - luminosity(picture))
    low, high = shifted.amin(0, keepdim=True), shifted.amax(0, keepdim=True)
    chroma = shifted - target
    below_zero = target / (target - low).clamp_min(1e-9)
    above_one = (1 - target) / (high - target).clamp_min(1e-9)
    kept = torch.where(low < 0, below_zero, torch.ones_like(below_zero))  # the share of the chroma that fits
    kept = torch.where(high > 1, torch.minimum(kept, above_one), kept)
    return (target + kept * chroma).clamp(0, 1)


def _hard_light(below: Tensor, above: Tensor) -> Tensor:
    return torch.where(above <= 0.5, 2 * below * above, _screen(below, 2 * above - 1))


def _soft_light(below: Tensor, above: Tensor) -> Tensor:
    bright = torch.where(below <= 0.25, ((16 * below - 12) * below + 4) * below, below.sqrt())
    darker = below - (1 - 2 * above) * below * (1 - below)
    return torch.where(above <= 0.5, darker, below + (2 * above - 1) * (bright - below))


def _screen(below: Tensor, above: Tensor) -> Tensor:
    return below + above - below * above


MODES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "screen": _screen,
    "multiply": torch.mul,
    "overlay": lambda below, above: _hard_light(above, below),
    "soft-light": _soft_light,
    "hard-light": _hard_light,
    "lighten": torch.maximum,
    "darken": torch.minimum,
    "difference": lambda below, above: (below - above).abs(),
    "luminosity": lambda below, above: set_luminosity(below, luminosity(above)),
    "color": lambda below, above: set_luminosity(above, luminosity(below)),
}


def blend(mode: str, below: Tensor, above: Tensor) -> Tensor:
    """Return `above` blended over `below` by one of `MODES`: W3C's B(Cb, Cs), where `below` is the backdrop Cb."""
    return MODES[mode](below, above)


def alpha_layer(picture: Tensor, below: Tensor) -> Tensor:
    """Return the layer that, laid over `below` by its alpha, gives `picture`: straight RGBA in [0, 1], (4, H, W).

    Of all alphas that can do it, this takes the smallest: the maximum over the channels of (P − I) / (1 − I) where the
    picture P is brighter than I below, and of (I − P) / I where it is darker. It is rounded up to 16 bits first, so
    that the layer's colour, (P − (1 − α) I) / α, is exact for the alpha that is written. Where nothing changed, alpha
    and colour are 0.
    """
    change = picture - below
    headroom = torch.where(change > 0, 1 - below, below)
    alpha = (change.abs() / headroom.clamp_min(1e-9)).amax(0, keepdim=True).clamp(max=1)
    alpha = (alpha * ALPHA_LEVELS).ceil() / ALPHA_LEVELS
    colour = below + change / alpha.clamp_min(1 / ALPHA_LEVELS)
    return torch.cat([torch.where(alpha > 0, colour, torch.zeros_like(colour)).clamp(0, 1), alpha])
