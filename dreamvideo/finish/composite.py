"""Combines a frame and its dream layer into the finished picture: saturation, tone, blend mode, strength, mask."""

from __future__ import annotations

import torch
from torch import Tensor

from ..recipe import Finish
from . import tone
from .blend import blend, luminosity, set_luminosity
from .palette import Palette, recolour


def composite(
    image: Tensor,
    layer: Tensor,
    finish: Finish,
    below: Tensor | None = None,
    mask: Tensor | None = None,
    palette: Palette | None = None,
) -> Tensor:
    """Return the finished picture of a frame, RGB in [0, 1], (3, H, W).

    Args:
        image, layer: the image that was dreamed on and its dream layer (dream minus image), (3, H, W) each.
        finish: the recipe's section.
        below: of a feedback dream, whose image is one flat colour: the frame, which is blended over and shows where
            the mask is 0. None where that is the image itself.
        mask: how much of the dream shows, (H, W) in [0, 1]; where it is 0 the result is exactly the frame.
        palette: the colours that the dream takes on; its own if None.
    """
    layer = _saturated(layer, finish.color)
    layer = layer if palette is None else recolour(image, layer, palette)
    feedback, frame = below is not None, image if below is None else below
    if finish.blend == "add":
        picture = add_dream(image, layer, finish, finish.strength, feedback)
    else:
        blended = blend(finish.blend, frame, add_dream(image, layer, finish, feedback=feedback))
        picture = (frame + finish.strength * (blended - frame)).clamp(0, 1)
    if finish.keep_color:
        picture = set_luminosity(frame, luminosity(picture))
    return picture if mask is None else torch.lerp(frame, picture, mask)


def add_dream(image: Tensor, layer: Tensor, finish: Finish, strength: float = 1.0, feedback: bool = False) -> Tensor:
    """Return a dream layer added to its image by the recipe's tone, RGB in [0, 1], (3, H, W).

    Args:
        image, layer, finish: as for `composite`.
        strength: factor of the layer; at 0 the image is returned as it is.
        feedback: whether the layer holds the whole picture, so that no frame behind it has to stay readable.
    """
    if finish.tone == "hard":
        return (image + strength * layer).clamp(0, 1)
    if feedback:
        return tone.shoulder(image + strength * layer)
    share = strength * (1 - finish.spare_smooth * (1 - tone.texture(image))) if finish.spare_smooth else strength
    return tone.add_soft(image, share * tone.even_light(layer))


def _saturated(layer: Tensor, saturation: float) -> Tensor:
    """Return a layer with its saturation changed: 0 makes it grey, 1 leaves it as it is."""
    if saturation == 1:
        return layer
    gray = tone.luma(layer)
    return gray + saturation * (layer - gray)
