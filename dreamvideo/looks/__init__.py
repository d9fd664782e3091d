"""Looks to choose from by eye: a picture dreamed with every layer, and by several values of a parameter or two."""

from .atlas import layers, presets
from .grid import sweep

__all__ = ["layers", "presets", "sweep"]
