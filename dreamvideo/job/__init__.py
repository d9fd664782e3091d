"""From paths to paths: films dreamed piece by piece, so that nothing is lost, and single pictures at once."""

from __future__ import annotations

from .batch import run_batch
from .cluster import Cluster
from .events import Event, Result
from .folder import run_folder
from .inline import Executor, Inline
from .run import assemble_now, dream_video, resume
from .single import dream_image, preview

__all__ = [
    "Cluster", "Event", "Executor", "Inline", "Result", "assemble_now", "dream_image", "dream_video", "preview",
    "resume", "run_batch", "run_folder",
]  # fmt: skip
