"""Decides when a render is saved: after so many frames, or so much time, whichever comes first."""

from __future__ import annotations

import time

CHECKPOINT_FRAMES = 25  # unless the user asks for another number
CHECKPOINT_SECONDS = 30.0  # so that a crash costs little, however long a frame takes


class SaveTimer:
    """Tells when a render has to be saved.

    Args:
        frames: that may be unsaved at most.
    """

    def __init__(self, frames: int):
        self._frames, self._saved = frames, time.monotonic()

    def due(self, unsaved: int) -> bool:
        """Tell whether to save now, with so many unsaved frames."""
        return unsaved >= self._frames or time.monotonic() - self._saved >= CHECKPOINT_SECONDS

    def restart(self) -> None:
        """Note that everything has just been saved."""
        self._saved = time.monotonic()
