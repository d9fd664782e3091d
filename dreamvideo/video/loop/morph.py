"""Morphs one frame into another: both are warped part of the way along the optical flow, then mixed."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from ...media.pixels import Field, luma_8bit
from .. import flow

SWITCH = 5.0  # how many times as fast the mix changes over where the two frames do not match


def morph(one: NDArray[Any], other: NDArray[Any], share: float) -> NDArray[Any]:
    """Return the picture between two, RGB (H, W, 3): `one` at a share of 0, `other` at 1.

    Where the frames do not match, the mix changes over quickly halfway, so that no ghosts show.

    Source: frame interpolation by bidirectional flow (Baker et al. 2011), with flow confidence for occlusion.
    """
    a, b = luma_8bit(one), luma_8bit(other)
    there, back = flow.dis(a, b), flow.dis(b, a)
    quick = min(max((share - 0.5) * SWITCH + 0.5, 0.0), 1.0)
    confidence = cv2.blur(flow.flow_confidence(back, there), (5, 5))[..., None]
    part = quick + confidence * (share - quick)
    mixed = (1 - part) * _warp_part(one, there, share) + part * _warp_part(other, back, 1 - share)
    return np.clip(mixed.round(), 0, np.iinfo(one.dtype).max).astype(one.dtype)


def _warp_part(pixels: NDArray[Any], field: Field, part: float) -> Field:
    """Return a picture moved part of the way along a flow (H, W, 2) to the other picture, as float32."""
    height, width = pixels.shape[:2]
    x, y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    at = x - part * field[..., 0], y - part * field[..., 1]
    return cv2.remap(pixels, *at, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT_101).astype(np.float32)
