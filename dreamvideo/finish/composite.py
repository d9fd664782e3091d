"""Lays a dream over its frame: strength, colour, blend mode, mask."""

from __future__ import annotations

import torch
from torch import Tensor

from ..recipe import Finish
from .blend import blend, lum, with_lum

LUMA = (0.2126, 0.7152, 0.0722)  # of BT.709


def composite(
    image: Tensor, layer: Tensor, finish: Finish, below: Tensor | None = None, mask: Tensor | None = None
) -> Tensor:
    """Return the picture that a dream ends as, in [0, 1], (3, H, W).

    Args:
        image, layer: what was dreamed on and what the dream adds to it, (3, H, W) each.
        finish: how it is laid over the frame.
        below: the frame that it is blended over and that a mask shows, where that is not `image`: a dream that lives
            on itself is dreamed on one colour.
        mask: where the dream shows, (H, W) in [0, 1]; where it is 0 the frame is left exactly as it is.
    """
    below = image if below is None else below
    if finish.color != 1:
        gray = torch.einsum("c,chw->hw", torch.tensor(LUMA).to(layer), layer)
        layer = gray + finish.color * (layer - gray)
    if finish.blend == "add":
        picture = (image + finish.strength * layer).clamp(0, 1)
    else:
        blended = blend(finish.blend, below, (image + layer).clamp(0, 1))
        picture = (below + finish.strength * (blended - below)).clamp(0, 1)
    if finish.keep_color:
        picture = with_lum(below, lum(picture))
    return picture if mask is None else torch.lerp(below, picture, mask)
