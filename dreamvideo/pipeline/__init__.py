"""The engine, built once, and the one loop that everything is rendered by."""

from __future__ import annotations

from .checkpoint import pack, unpack
from .engine import Engine, Step, as_image, device, precision, seen
from .reading import read_ahead
from .rendering import STRETCH, render

__all__ = [
    "STRETCH",
    "Engine",
    "Step",
    "as_image",
    "device",
    "pack",
    "precision",
    "read_ahead",
    "render",
    "seen",
    "unpack",
]
