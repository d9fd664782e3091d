"""Computes items of an iterable ahead of time on another thread: how frames are read before the network needs them."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Generator, Iterable
from typing import Generic, NoReturn, TypeVar

T = TypeVar("T")
AHEAD = 3  # frames that are decoded and their motion computed before the network needs them


def prefetch(items: Iterable[T], depth: int = AHEAD) -> Generator[T]:
    """Yield what `items` yields, computed on another thread up to `depth` items early.

    An error raised there is raised here in its place. Closing this generator ends the thread and closes `items`.
    """
    reader = _ReadAhead(items, depth)
    try:
        threading.Thread(target=reader.run, name="read-ahead", daemon=True).start()
        while (result := reader.results.get()) is not None:
            yield result()
    finally:
        reader.close()


class _ReadAhead(Generic[T]):
    """Fills a queue from an iterable until it is closed.

    Attributes:
        results: functions that each return an item or raise the error that ended the iterable; None after the last.
    """

    def __init__(self, items: Iterable[T], depth: int):
        self._items = items
        self.results: queue.Queue[Callable[[], T] | None] = queue.Queue(depth)
        self._closed = threading.Event()
        self._running = threading.Lock()

    def run(self) -> None:
        """Read all items; called on the thread that reads ahead."""
        with self._running:
            if not self._closed.is_set():
                self._read()

    def close(self) -> None:
        """End `run` and wait for its end; should the thread begin only later, it reads nothing.

        Joining the thread would not do: Ctrl-C may have come while it was being started.
        """
        self._closed.set()
        with self._running:
            pass

    def _read(self) -> None:
        source = None
        try:
            source = iter(self._items)
            for item in source:
                if not self._put(lambda item=item: item):  # type: ignore[misc]
                    break
            self._put(None)
        except BaseException as error:  # raised again where the item is asked for
            self._put(_raiser(error))
        finally:
            getattr(source, "close", lambda: None)()

    def _put(self, result: Callable[[], T] | None) -> bool:
        """Wait for a free place in the queue and fill it; return whether that came before `close`."""
        while not self._closed.is_set():
            try:
                self.results.put(result, timeout=0.1)
                return True
            except queue.Full:
                pass
        return False


def _raiser(error: BaseException) -> Callable[[], NoReturn]:
    def fail() -> NoReturn:
        raise error

    return fail
