"""Frames read ahead of where they are needed."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Generator, Iterable, Iterator
from typing import NoReturn, TypeVar

T = TypeVar("T")
AHEAD = 3  # frames decoded and measured for motion before the network needs them


def prefetch(items: Iterable[T], depth: int = AHEAD) -> Generator[T]:
    """Yield what `items` yields, computed on another thread up to `depth` items early.

    An error raised there is raised here in its place. Closing this generator ends the thread and closes `items`.
    """
    ahead: queue.Queue[Callable[[], T] | None] = queue.Queue(depth)
    closed = threading.Event()

    def put(outcome: Callable[[], T] | None) -> bool:
        while not closed.is_set():
            try:
                ahead.put(outcome, timeout=0.1)
                return True
            except queue.Full:
                pass
        return False

    def work() -> None:
        source: Iterator[T] | None = None
        try:
            source = iter(items)
            for item in source:
                if not put(lambda item=item: item):  # type: ignore[misc]
                    break
            put(None)
        except BaseException as error:  # carried over to the reader, who is the one to judge it
            put(_raiser(error))
        finally:
            getattr(source, "close", lambda: None)()

    worker = threading.Thread(target=work, name="read-ahead", daemon=True)
    worker.start()
    try:
        while (outcome := ahead.get()) is not None:
            yield outcome()
    finally:
        closed.set()
        worker.join()


def _raiser(error: BaseException) -> Callable[[], NoReturn]:
    def fail() -> NoReturn:
        raise error

    return fail
