"""Writes on another thread while the caller goes on."""

from __future__ import annotations

import collections
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

from .pixels import Pixels


class WriteBehind:
    """Does work on another thread, in order, while the caller goes on; at most two segments wait."""

    def __init__(self, work: Callable[[Pixels], None]):
        self._work, self._waiting = work, collections.deque[Future[None]]()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="write-behind")

    def __call__(self, pixels: Pixels) -> None:
        """Hand over the next segment; raises what an earlier one raised."""
        while len(self._waiting) >= 2:
            self._waiting.popleft().result()
        self._waiting.append(self._thread.submit(self._work, pixels))

    def finish(self) -> None:
        """Wait until all is done; raises what any of it raised."""
        while self._waiting:
            self._waiting.popleft().result()

    def stop(self) -> None:
        """End the thread; what has not begun is dropped."""
        self._thread.shutdown(wait=True, cancel_futures=True)
