"""From paths to paths: films dreamed piece by piece, so that nothing is lost, and single pictures at once."""

from __future__ import annotations

from .events import Event, Result
from .run import assemble_now, dream_video, resume
from .single import dream_image, preview

__all__ = ["Event", "Result", "assemble_now", "dream_image", "dream_video", "preview", "resume"]
