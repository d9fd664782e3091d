"""Tone: adds a dream to a frame as light adds up, without clipping, and keeps the picture behind it readable.

Pictures are float RGB in [0, 1], (3, H, W), as they are encoded (sRGB or BT.709); where a layer is 0 they stay exactly
as they are. Everything is a function of the single frame, smooth in the frame and its layer, so a steady dream stays
steady.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from ..curves.functions import smoothstep

LUMA_WEIGHTS = (0.2126, 0.7152, 0.0722)  # of red, green and blue in BT.709
MARGIN = 0.012  # how near to black and white a dream may come; 3 of 255 levels
CHROMA_ROOM = 0.5  # share of an image's own chroma that its light leaves room for
CHROMA_GAIN = 1.1  # makes up for what the gamut takes
LARGEST_FIT = 4.0  # above which the gamut is as good as infinite
EPSILON = 1e-6
TOUCHED = 0.004  # change of a channel from which on the dreamed picture counts, and not its frame
SHOULDER = 0.05  # range below white, and above black, over which a picture without a frame behind it is compressed
LIGHT_SIGMA = 0.03  # of the short side: what is larger is the picture's light
LIGHT_KEPT = 0.6  # share of a layer's light that is held back
DETAIL_SIGMA = 0.012  # of the short side: the largest detail that counts as texture
AREA_SIGMA = 0.02  # of the short side: the area over which texture is measured
SMOOTH, TEXTURED = 0.004, 0.03  # standard deviations of luma (white is 1) of an area without and with full texture
BLUR_SIGMA = 3.0  # px; for a wider Gaussian the plane is shrunk first


def luma(picture: Tensor) -> Tensor:
    """Return the luma of a picture or layer, (1, H, W)."""
    return torch.einsum("c,chw->hw", torch.tensor(LUMA_WEIGHTS).to(picture), picture)[None]


def add_soft(image: Tensor, layer: Tensor) -> Tensor:
    """Return a picture with a layer added, (3, H, W): contrast fades out towards black and white, and hues stay.

    The change of luma is compressed into the room that the image leaves it, x / √(1 + x²) of it; for saturated colours
    there is less room, so that they do not turn pale. Chroma is added as it is, then scaled down where the colour would
    leave the gamut, towards the grey of its luma, which keeps its hue.
    """
    gray, change = luma(image), luma(layer)
    chroma = image - gray
    highest, lowest = chroma.amax(0, keepdim=True), chroma.amin(0, keepdim=True)
    above, below = 1 - MARGIN - gray - CHROMA_ROOM * highest, gray - MARGIN + CHROMA_ROOM * lowest
    room = torch.where(change > 0, above, below).clamp_min_(0)
    dreamed = gray + change * room / torch.hypot(room, change).clamp_min_(EPSILON)
    chroma = chroma.add_(layer).sub_(change).mul_(CHROMA_GAIN)
    highest, lowest = chroma.amax(0, keepdim=True), chroma.amin(0, keepdim=True)
    above = (1 - MARGIN - dreamed).clamp_min_(0) / highest.clamp_min_(EPSILON)
    below = (dreamed - MARGIN).clamp_min_(0) / lowest.neg_().clamp_min_(EPSILON)
    fits = torch.minimum(above, below).clamp_max_(LARGEST_FIT)  # multiple of the chroma that the gamut holds
    # x / (1 + x⁸)^⅛ compresses late; squares and roots take a fifth of the time of powers
    share = fits / fits.square().square_().square_().add_(1).sqrt_().sqrt_().sqrt_()
    size = layer.abs().amax(0, keepdim=True)
    touched = size / (size.square() + TOUCHED**2).sqrt_()
    return torch.lerp(image, chroma.mul_(share).add_(dreamed), touched).clamp_(0, 1)


def shoulder(picture: Tensor) -> Tensor:
    """Return a picture whose lights and darks are compressed into [0, 1], smoothly from `SHOULDER` on."""
    room = SHOULDER - MARGIN
    above, below = (picture - (1 - SHOULDER)).clamp_min(0), (SHOULDER - picture).clamp_min(0)
    return picture - (above - above / (1 + above / room)) + (below - below / (1 + below / room))


def even_light(layer: Tensor) -> Tensor:
    """Return a layer (3, H, W) that changes the light of whole areas less: a share of its blurred luma is taken out."""
    return layer - LIGHT_KEPT * blurred(luma(layer), LIGHT_SIGMA * min(layer.shape[-2:]))


def texture(image: Tensor) -> Tensor:
    """Return how textured each part of an image is, (1, H, W): 0 on skin and sky, 1 on fur, leaves and edges."""
    short = min(image.shape[-2:])
    gray = luma(image)
    detail = gray - blurred(gray, DETAIL_SIGMA * short)
    deviation = blurred(detail.square(), AREA_SIGMA * short).clamp_min(0).sqrt()
    share: Tensor = smoothstep((deviation - SMOOTH) / (TEXTURED - SMOOTH))
    return share


def blurred(plane: Tensor, sigma: float) -> Tensor:
    """Return a plane (1, H, W) blurred by a Gaussian of `sigma` px; for a wide one it is shrunk meanwhile."""
    shrink = max(int(sigma / BLUR_SIGMA), 1)
    x = plane[None]
    if shrink > 1:
        x = F.avg_pool2d(x, shrink, ceil_mode=True, count_include_pad=False)
        # shrinking and enlarging blur a little themselves: by the variances of a box and of linear interpolation
        sigma = math.sqrt(sigma**2 - (shrink**2 - 1) / 12 - shrink**2 / 6) / shrink
    radius = max(math.ceil(3 * sigma), 1)
    kernel = torch.exp(-0.5 * (torch.arange(-radius, radius + 1, device=plane.device) / max(sigma, 1e-3)) ** 2)
    kernel = (kernel / kernel.sum()).to(plane.dtype)[None, None]
    x = F.conv2d(F.pad(x, (radius, radius, 0, 0), "replicate"), kernel[:, :, None])
    x = F.conv2d(F.pad(x, (0, 0, radius, radius), "replicate"), kernel[..., None])
    if shrink > 1:
        height, width = plane.shape[-2:]
        size = x.shape[-2] * shrink, x.shape[-1] * shrink
        x = F.interpolate(x, size=size, mode="bilinear", align_corners=False)[..., :height, :width]
    return x[0]
