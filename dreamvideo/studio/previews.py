"""Runs the preview process: gives it one task at a time, the newest first, and passes on what it dreams."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import multiprocessing
import threading
from collections.abc import Callable
from ctypes import c_longlong
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from .preview_process import Answer, Task, run

FIRST = {
    "still": 0,
    "stretch": 1,
    "watch": 1,
    "layers": 2,
    "estimate": 2,
    "cell": 3,
    "warm": 4,
}  # which kind is dreamed first
REPLACED = {  # what a new task of a page puts an end to
    "still": ("still", "stretch"),
    "stretch": ("stretch", "still"),
    "estimate": ("estimate", "still", "stretch"),
    "cells": ("cell",),
    "leave": ("still", "stretch", "estimate", "cell"),
}
Listener = Callable[[Answer], None]


@dataclass(frozen=True)
class _Waiting:
    """A task with the page that it is for, and what is told how it goes on."""

    task: Task
    client: str
    listener: Listener


class Previews:
    """The preview process, and the tasks that wait for it.

    Args:
        audio_cache: a folder in which the analysis of music is kept.
    """

    def __init__(self, audio_cache: Path):
        self._audio_cache = audio_cache
        self._numbers = itertools.count(1)
        self._waiting: list[_Waiting] = []
        self._current: _Waiting | None = None
        self._process: Any = None
        self._connection: Connection | None = None

    def start(self) -> None:
        """Start the process, and let it load the network; from the event loop that it is to report to."""
        self._loop = asyncio.get_running_loop()
        self.submit("warm", "", lambda answer: None)

    def stop(self) -> None:
        """End the process."""
        if self._connection is not None:
            connection, self._connection = self._connection, None
            connection.close()
            self._process.terminate()

    def _start_process(self) -> Connection:
        context = multiprocessing.get_context("spawn")
        self._cancelled: c_longlong = context.RawValue(c_longlong, 0)
        ours, theirs = context.Pipe()
        arguments = (theirs, self._cancelled, str(self._audio_cache))
        self._process = context.Process(target=run, args=arguments, daemon=True, name="dreamvideo previews")
        self._process.start()
        theirs.close()
        threading.Thread(target=self._listen, args=(ours,), daemon=True).start()
        return ours

    def submit(self, kind: str, client: str, listener: Listener, **task: Any) -> int:
        """Queue a task, and end what it replaces; return its number.

        Args:
            kind: see `Task`.
            client: the page that it is for.
            listener: called with every answer, in the event loop.
            task: the other fields of `Task`.
        """
        self.replace(kind, client)
        number = next(self._numbers)
        self._waiting.append(_Waiting(Task(number, kind, **task), client, listener))
        self._begin()
        return number

    def replace(self, kind: str, client: str) -> None:
        """Forget the tasks of a page that a new one of a kind replaces; the one at work is ended at once."""
        ended = REPLACED.get(kind, ())
        forgotten = [one for one in self._waiting if one.client == client and one.task.kind in ended]
        self._waiting = [one for one in self._waiting if one not in forgotten]
        for one in forgotten:
            one.listener(Answer(one.task.number, True, "cancelled"))
        now = self._current
        if now is not None and now.client == client and now.task.kind in ended:
            self._cancelled.value = now.task.number
        elif (
            kind == "still" and now is not None and now.task.kind == "cell" and self._cancelled.value != now.task.number
        ):
            self._cancelled.value = now.task.number  # it is begun again after the still
            self._waiting.append(replace(now, task=replace(now.task, number=next(self._numbers))))
            self._current = replace(now, listener=lambda answer: None)

    def _begin(self) -> None:
        """Give the process the next task; it is started if it does not run."""
        if self._current is None and self._waiting:
            self._connection = self._connection or self._start_process()
            self._current = min(self._waiting, key=lambda one: (FIRST[one.task.kind], one.task.number))
            self._waiting.remove(self._current)
            with contextlib.suppress(OSError):  # it has just died, which is noticed by `_listen`
                self._connection.send(self._current.task)

    def _listen(self, connection: Connection) -> None:
        """Pass answers on to the event loop, on a thread of its own."""
        with contextlib.suppress(RuntimeError):  # the event loop has ended
            try:
                while True:
                    answer = connection.recv()
                    self._loop.call_soon_threadsafe(self._take, answer)
            except (EOFError, OSError):
                self._loop.call_soon_threadsafe(self._lose, connection)

    def _take(self, answer: Answer) -> None:
        now = self._current
        if now is None or now.task.number != answer.number:
            return
        now.listener(answer)
        if answer.ended:
            self._current = None
            self._begin()

    def _lose(self, connection: Connection) -> None:
        """Go on after the process has died, as where memory ran out: what it was at is given up."""
        if self._connection is not connection:  # it was stopped
            return
        self._connection = None
        now, self._current = self._current, None
        if now is not None:
            gone = "the preview was ended by the system, perhaps for want of memory: take a smaller size"
            now.listener(Answer(now.task.number, True, gone))
        self._begin()
