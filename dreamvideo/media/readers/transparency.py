"""Lays transparent pixels over a background, for outputs that can hold no alpha channel."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..pixels import Pixels
from .selection import RGB

LAID_OVER = "its transparent parts are laid over {} (--background): keep them with {}"
HOLDERS = ".mov, .mkv, .webm, .webp, .png"


def over(pixels: Pixels, alpha: Pixels, background: RGB) -> Pixels:
    """Return pixels laid over a colour.

    Args:
        pixels: RGB (H, W, 3), 8 or 16 bits, not multiplied by their alpha.
        alpha: (H, W), of the same type.
        background: RGB of 8 bits.
    """
    top = np.iinfo(pixels.dtype).max
    share = alpha[..., None].astype(np.float32) / top
    under = np.array(background, np.float32) * (top / 255)
    laid: Any = (pixels * share + under * (1 - share)).round()
    return laid.astype(np.uint8 if pixels.dtype == np.uint8 else np.uint16)


def kept_or_over(pixels: Pixels, alpha: Pixels, background: RGB | None) -> tuple[Pixels, Pixels | None]:
    """Return pixels with their alpha, or if there is a background, laid over that and without (see `over`)."""
    return (pixels, alpha) if background is None else (over(pixels, alpha, background), None)


def laid_over(background: RGB) -> str:
    """Return the notice that tells what became of transparent pixels."""
    return LAID_OVER.format("black" if background == (0, 0, 0) else f"#{bytes(background).hex()}", HOLDERS)
