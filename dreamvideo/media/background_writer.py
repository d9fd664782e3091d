"""Runs a writing function on another thread, so that the caller need not wait for the disk or the encoder."""

from __future__ import annotations

import collections
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

from .pixels import Pixels

MAX_WAITING = 2  # pictures queued before the caller has to wait


class BackgroundWriter:
    """Passes pictures to a function on another thread, in order.

    Args:
        write: called once per picture.
    """

    def __init__(self, write: Callable[[Pixels], None]):
        self._write, self._waiting = write, collections.deque[Future[None]]()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="background-writer")

    def __call__(self, pixels: Pixels) -> None:
        """Queue the next picture; raises what an earlier one raised."""
        while len(self._waiting) >= MAX_WAITING:
            self._waiting.popleft().result()
        self._waiting.append(self._thread.submit(self._write, pixels))

    def finish(self) -> None:
        """Wait until all pictures are written; raises what any of them raised."""
        while self._waiting:
            self._waiting.popleft().result()

    def stop(self) -> None:
        """End the thread; pictures that are still queued are dropped."""
        self._thread.shutdown(wait=True, cancel_futures=True)
