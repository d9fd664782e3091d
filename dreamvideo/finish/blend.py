"""How one picture is laid over another, and what has to be laid over one to make it the other.

Source of the modes: Compositing and Blending Level 1 (W3C), sections 10.1 and 10.2. Pictures are float RGB in [0, 1],
(3, H, W), as they are encoded: no light is made linear.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

LUM = (0.3, 0.59, 0.11)  # of the non-separable modes
DEEP = 65535  # levels of a layer's cover


def lum(picture: Tensor) -> Tensor:
    """Return the luminosity of a picture, (1, H, W)."""
    return torch.einsum("c,chw->hw", torch.tensor(LUM).to(picture), picture)[None]


def with_lum(picture: Tensor, luminosity: Tensor) -> Tensor:
    """Return a picture brought to a luminosity (1, H, W): `SetLum`, and `ClipColor` where that leaves [0, 1].

    The same is added to all three channels, so chroma and hue stay; where there is no room for that, the colour is
    drawn towards the grey of its luminosity, which keeps its hue.
    """
    moved = picture + (luminosity - lum(picture))
    low, high = moved.amin(0, keepdim=True), moved.amax(0, keepdim=True)
    colour = moved - luminosity
    under = luminosity / (luminosity - low).clamp_min(1e-9)
    over = (1 - luminosity) / (high - luminosity).clamp_min(1e-9)
    share = torch.where(low < 0, under, torch.ones_like(under))
    share = torch.where(high > 1, torch.minimum(share, over), share)
    return (luminosity + share * colour).clamp(0, 1)


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
    "luminosity": lambda below, above: with_lum(below, lum(above)),
    "color": lambda below, above: with_lum(above, lum(below)),
}


def blend(mode: str, below: Tensor, above: Tensor) -> Tensor:
    """Return one picture blended over another by a mode of `MODES`: W3C's B(Cb, Cs), `below` the backdrop Cb."""
    return MODES[mode](below, above)


def alpha_layer(picture: Tensor, below: Tensor) -> Tensor:
    """Return what, laid over one picture by its alpha, makes another of it: straight RGBA in [0, 1], (4, H, W).

    The cover is the least that can do it, α = max over the channels of (P − I) / (1 − I) where the picture P is
    brighter than I below, (I − P) / I where it is darker; rounded up to 16 bits, so that the colour which goes with it,
    (P − (1 − α) I) / α, is exact for what is written. Where nothing changed both are 0.
    """
    change = picture - below
    room = torch.where(change > 0, 1 - below, below)
    cover = (change.abs() / room.clamp_min(1e-9)).amax(0, keepdim=True).clamp(max=1)
    cover = (cover * DEEP).ceil() / DEEP
    colour = below + change / cover.clamp_min(1 / DEEP)
    return torch.cat([torch.where(cover > 0, colour, torch.zeros_like(colour)).clamp(0, 1), cover])
