"""Pictures as pixels of 8 or 16 bits, and their luma; nothing here needs torch (see `tensors`)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import cv2
import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8] | NDArray[np.uint16]  # RGB (H, W, 3), over the full range of their type
Gray = NDArray[np.uint8]
Field = NDArray[np.float32]


def luma_8bit(pixels: Pixels) -> Gray:
    """Return the luma of RGB pixels (H, W, 3) of 8 or 16 bits as uint8 (H, W)."""
    return cv2.cvtColor(to_8bit(pixels), cv2.COLOR_RGB2GRAY)


def to_8bit(pixels: Pixels) -> NDArray[np.uint8]:
    """Return pixels of 8 or 16 bits as uint8, the upper byte of 16 bits, in the same shape."""
    return (pixels >> 8 if pixels.dtype == np.uint16 else pixels).astype(np.uint8, copy=False)


@contextmanager
def quiet_opencv() -> Iterator[None]:
    """Keep OpenCV from logging to the terminal; errors are reported as exceptions instead."""
    usual = cv2.utils.logging.setLogLevel(0)
    try:
        yield
    finally:
        cv2.utils.logging.setLogLevel(usual)
