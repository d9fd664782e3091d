"""The engine, built once, and the one loop that everything is rendered by."""

from __future__ import annotations

from .engine import Engine, Step, as_image, seen
from .reading import read_ahead
from .rendering import STRETCH, render

__all__ = ["STRETCH", "Engine", "Step", "as_image", "read_ahead", "render", "seen"]
