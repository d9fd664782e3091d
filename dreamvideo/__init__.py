"""dreamvideo turns films, frame sequences and pictures into deep dreams.

    from dreamvideo import Recipe, dream_video
    dream_video("input.mp4", "out.mp4", Recipe().set("dream.step=0.02"))

Importing the package is fast: modules that need torch are imported when one of their names is first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from .errors import DreamError, ModelError, RecipeError, SinkError, SourceError
from .recipe import Recipe

if TYPE_CHECKING:
    from .analysis.measure import measure
    from .analysis.report import Report
    from .jobs.api import assemble_now, dream_video, resume
    from .jobs.events import Event, Result
    from .jobs.preview import preview
    from .jobs.still import dream_image
    from .media.readers.frame import Frame
    from .media.readers.selection import Selection
    from .media.readers.source import open_source
    from .media.writers.codecs import EncoderOptions
    from .media.writers.sink import open_sink
    from .sheets.contact_sheet import Sheet
    from .sheets.layer_atlas import layers
    from .sheets.sweep import sweep
    from .video.engine import Engine
    from .video.render import render

__version__ = "0.2.0"

_WHERE = {
    "EncoderOptions": "media.writers.codecs",
    "Engine": "video.engine",
    "Event": "jobs.events",
    "Frame": "media.readers.frame",
    "Report": "analysis.report",
    "Result": "jobs.events",
    "Selection": "media.readers.selection",
    "Sheet": "sheets.contact_sheet",
    "assemble_now": "jobs.api",
    "dream_image": "jobs.still",
    "dream_video": "jobs.api",
    "layers": "sheets.layer_atlas",
    "measure": "analysis.measure",
    "open_sink": "media.writers.sink",
    "open_source": "media.readers.source",
    "preview": "jobs.preview",
    "render": "video.render",
    "resume": "jobs.api",
    "sweep": "sheets.sweep",
}

__all__ = [
    "DreamError", "EncoderOptions", "Engine", "Event", "Frame", "ModelError", "Recipe", "RecipeError", "Report",
    "Result", "Selection", "Sheet", "SinkError", "SourceError", "assemble_now", "dream_image", "dream_video", "layers",
    "measure", "open_sink", "open_source", "preview", "render", "resume", "sweep",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f".{_WHERE[name]}", __name__), name)
