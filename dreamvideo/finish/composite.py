"""Combines a frame and its dream layer into the finished picture: saturation, blend mode, strength, mask."""

from __future__ import annotations

import torch
from torch import Tensor

from ..recipe import Finish
from .blend import blend, luminosity, set_luminosity

LUMA_WEIGHTS = (0.2126, 0.7152, 0.0722)  # of red, green and blue in BT.709


def composite(
    image: Tensor, layer: Tensor, finish: Finish, below: Tensor | None = None, mask: Tensor | None = None
) -> Tensor:
    """Return the finished picture of a frame, RGB in [0, 1], (3, H, W).

    Args:
        image, layer: the image that was dreamed on and its dream layer (dream minus image), (3, H, W) each.
        finish: the recipe's section.
        below: the frame to blend over, which also shows where the mask is 0; `image` if None. They differ in a
            feedback dream, whose image is one flat colour.
        mask: how much of the dream shows, (H, W) in [0, 1]; where it is 0 the result is exactly `below`.
    """
    below = image if below is None else below
    layer = _saturated(layer, finish.color)
    if finish.blend == "add":
        picture = (image + finish.strength * layer).clamp(0, 1)
    else:
        blended = blend(finish.blend, below, (image + layer).clamp(0, 1))
        picture = (below + finish.strength * (blended - below)).clamp(0, 1)
    if finish.keep_color:
        picture = set_luminosity(below, luminosity(picture))
    return picture if mask is None else torch.lerp(below, picture, mask)


def _saturated(layer: Tensor, saturation: float) -> Tensor:
    """Return a layer with its saturation changed: 0 makes it grey, 1 leaves it as it is."""
    if saturation == 1:
        return layer
    gray = torch.einsum("c,chw->hw", torch.tensor(LUMA_WEIGHTS).to(layer), layer)
    return gray + saturation * (layer - gray)
