"""Converts pictures between pixels of 8 or 16 bits and float tensors."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from .pixels import Pixels

CPU = torch.device("cpu")


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
