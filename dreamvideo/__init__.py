"""dreamvideo turns films, frame sequences and pictures into deep dreams.

    from dreamvideo import Recipe, dream_video
    dream_video("input.mp4", "out.mp4", Recipe().set("dream.step=0.02"))

Importing it is cheap: what needs torch is loaded when first asked for.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from .errors import DreamError, ModelError, RecipeError, SinkError, SourceError
from .recipe import Recipe

if TYPE_CHECKING:
    from .job import Event, Result, assemble_now, dream_image, dream_video, preview, resume
    from .looks import layers, sweep
    from .media import Frame, open_sink, open_source
    from .pipeline import Engine, render
    from .report import Report, measure
    from .sheet import Sheet

__version__ = "0.1.0"

_LAZY = {
    **dict.fromkeys(("Event", "Result", "assemble_now", "dream_image", "dream_video", "preview", "resume"), "job"),
    **dict.fromkeys(("Frame", "open_sink", "open_source"), "media"),
    **dict.fromkeys(("Engine", "render"), "pipeline"),
    **dict.fromkeys(("layers", "sweep"), "looks"),
    "Sheet": "sheet",
    **dict.fromkeys(("Report", "measure"), "report"),
}

__all__ = [
    "DreamError", "Engine", "Event", "Frame", "ModelError", "Recipe", "RecipeError", "Report", "Result",
    "Sheet", "SinkError", "SourceError", "assemble_now", "dream_image", "dream_video", "layers", "measure",
    "open_sink", "open_source", "preview", "render", "resume", "sweep",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f".{_LAZY[name]}", __name__), name)
