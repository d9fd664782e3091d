"""What a render can be for, in words, and the file type and parameters that this means."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Format:
    """An output that the page offers.

    Attributes:
        name: what the page calls it by.
        label, help: in words, for the user.
        suffix: of the file; "/" for a folder of frames.
        film: whether it is one for films; else for single pictures.
        recipe: the parameters that it needs.
    """

    name: str
    label: str
    help: str
    suffix: str
    film: bool = True
    recipe: dict[str, dict[str, Any]] = field(default_factory=dict)


FORMATS = (
    Format("web", "For the web", "MP4 with H.264, plays everywhere", ".mp4"),
    Format("small", "For the web, smaller", "WebM with VP9", ".webm"),
    Format("edit", "For editing", "MOV with ProRes 422 HQ", ".mov"),
    Format("archive", "Lossless", "MKV with FFV1, exactly what was dreamed", ".mkv"),
    Format("vj", "For VJs", "MOV with HAP, plays on the graphics card", ".mov", recipe={"encoding": {"codec": "hap"}}),
    Format("frames", "Frames", "a folder of PNG pictures", "/"),
    Format("loop", "Animation", "animated WebP, for chats and pages", ".webp"),
    Format("gif", "GIF", "256 colours, plays everywhere", ".gif"),
    Format("png", "Picture", "PNG, lossless", ".png", film=False),
    Format("jpg", "Picture, smaller", "JPEG", ".jpg", film=False),
    Format("tif", "Picture for editing", "TIFF, 16 bits where the source has them", ".tif", film=False),
)
BY_NAME = {one.name: one for one in FORMATS}
