"""Films whose frames show their number, as stripes of black and white, so that a frame can be told after any coding."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from conftest import ffmpeg

BITS = 8


def numbered(size: str = "64x48", rate: int = 25) -> list[str]:
    """Return ffmpeg's input of an endless film whose frame k shows k: stripe i is white where bit i is set."""
    stripes = f"geq=lum='16+219*mod(floor(N/pow(2,floor(X*{BITS}/W))),2)':cb=128:cr=128"
    return ["-f", "lavfi", "-i", f"color=black:s={size}:r={rate},format=yuv420p,{stripes}"]


def tone(rate: int = 48000) -> list[str]:
    """Return ffmpeg's input of an endless tone."""
    return ["-f", "lavfi", "-i", f"sine=r={rate}"]


def number(pixels: np.ndarray) -> int:
    """Return the number that a frame (H, W, 3) shows."""
    height, width = pixels.shape[:2]
    middle = pixels[height // 2 - 2 : height // 2 + 2].mean(axis=(0, 2)) / np.iinfo(pixels.dtype).max
    return sum(2**k for k in range(BITS) if middle[int((k + 0.5) * width / BITS)] > 0.5)


def make(path: Path, *options: Any, frames: int = 20, size: str = "64x48", rate: int = 25, sound: bool = False) -> Path:
    """Write a numbered film, with a tone or without; return its path."""
    inputs = numbered(size, rate) + (tone() if sound else [])
    length = ["-t", frames / rate] if sound else []
    ffmpeg(*inputs, *length, "-frames:v", frames, *options, path)
    return path


def joined(path: Path, *parts: Path) -> Path:
    """Write files one behind the other, as `cat` does; return the path."""
    path.write_bytes(b"".join(part.read_bytes() for part in parts))
    return path
