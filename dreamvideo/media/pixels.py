"""Converts pictures between pixels of 8 or 16 bits, luma, and float tensors."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

CPU = torch.device("cpu")

Pixels = NDArray[np.uint8] | NDArray[np.uint16]  # RGB (H, W, 3), over the full range of their type
Gray = NDArray[np.uint8]
Field = NDArray[np.float32]


def luma_8bit(pixels: Pixels) -> Gray:
    """Return the luma of RGB pixels (H, W, 3) of 8 or 16 bits as uint8 (H, W)."""
    return cv2.cvtColor(to_8bit(pixels), cv2.COLOR_RGB2GRAY)


def to_8bit(pixels: Pixels) -> NDArray[np.uint8]:
    """Return pixels of 8 or 16 bits as uint8, the upper byte of 16 bits, in the same shape."""
    return (pixels >> 8 if pixels.dtype == np.uint16 else pixels).astype(np.uint8, copy=False)


def to_tensor(pixels: Pixels, device: torch.device = CPU) -> Tensor:
    """Return RGB pixels (H, W, 3) of 8 or 16 bits as float32 in [0, 1], (3, H, W), on a device."""
    # PyTorch can do little with unsigned integers of more than 8 bits
    sendable = pixels if pixels.dtype == np.uint8 else pixels.astype(np.float32)
    sent = to_device(torch.from_numpy(np.require(sendable, requirements=["C", "W"])), device)
    return sent.permute(2, 0, 1).float() / np.iinfo(pixels.dtype).max


def to_device(tensor: Tensor, device: torch.device) -> Tensor:
    """Return a tensor on another device; to a GPU it is copied from pinned memory, without waiting for it to arrive."""
    if device.type == "cuda":
        return tensor.pin_memory().to(device, non_blocking=True)
    return tensor.to(device)


@contextmanager
def quiet_opencv() -> Iterator[None]:
    """Keep OpenCV from logging to the terminal; errors are reported as exceptions instead."""
    usual = cv2.utils.logging.setLogLevel(0)
    try:
        yield
    finally:
        cv2.utils.logging.setLogLevel(usual)


def quantise(image: Tensor, depth: int) -> Pixels:
    """Return a float picture as integer pixels: the only place where pictures are clamped and rounded.

    Args:
        image: RGB or RGBA in [0, 1], (C, H, W).
        depth: bits per channel; the pixels, (H, W, C), are uint8 for 8, else uint16 holding `depth` bits.
    """
    highest = 2**depth - 1
    levels = (image.clamp(0, 1) * highest).round().permute(1, 2, 0)
    if depth == 8:  # reduced on its own device, before it is copied
        return levels.to(torch.uint8).cpu().numpy()
    return levels.cpu().numpy().astype(np.uint16)
