"""Pixels and tensors: conversions between 8 bits, 16 bits, luma and float."""

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
    """Return the 8-bit luma of RGB pixels (H, W, 3), 8 or 16 bits."""
    return cv2.cvtColor(to_8bit(pixels), cv2.COLOR_RGB2GRAY)


def to_8bit(pixels: Pixels) -> NDArray[np.uint8]:
    """Return pixels of 8 or 16 bits as 8 bits."""
    return (pixels >> 8 if pixels.dtype == np.uint16 else pixels).astype(np.uint8, copy=False)


def to_tensor(pixels: Pixels, device: torch.device = CPU) -> Tensor:
    """Return RGB pixels (H, W, 3), 8 or 16 bits, as float32 in [0, 1], (3, H, W), on a device."""
    # of unsigned integers, PyTorch knows little more than 8 bits
    sendable = pixels if pixels.dtype == np.uint8 else pixels.astype(np.float32)
    sent = to_device(torch.from_numpy(np.require(sendable, requirements=["C", "W"])), device)
    return sent.permute(2, 0, 1).float() / np.iinfo(pixels.dtype).max


def to_device(tensor: Tensor, device: torch.device) -> Tensor:
    """Return a tensor on another device; to a GPU it goes by pinned memory, so that nobody waits for it to arrive."""
    if device.type == "cuda":
        return tensor.pin_memory().to(device, non_blocking=True)
    return tensor.to(device)


@contextmanager
def quiet_opencv() -> Iterator[None]:
    """Keep OpenCV from writing to the terminal: what it cannot do is told in a line of ours."""
    usual = cv2.utils.logging.setLogLevel(0)
    try:
        yield
    finally:
        cv2.utils.logging.setLogLevel(usual)


def quantise(image: Tensor, depth: int) -> Pixels:
    """Return a picture, float RGB(A) (C, H, W), as pixels (H, W, C), 8 or 16 bits: clamped and rounded, here alone."""
    top = 2**depth - 1
    levels = (image.clamp(0, 1) * top).round().permute(1, 2, 0)
    if depth == 8:  # made small where it is, before it travels
        return levels.to(torch.uint8).cpu().numpy()
    return levels.cpu().numpy().astype(np.uint16)
