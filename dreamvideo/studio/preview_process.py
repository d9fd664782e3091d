"""The process that dreams the page's previews, one at a time; the network stays loaded in it."""

from __future__ import annotations

import os
import queue
import threading
from ctypes import c_longlong
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..recipe import Recipe
from .pictures import jpeg
from .problems import problem_text

if TYPE_CHECKING:
    from .dreams import Dreams, Wanted


@dataclass(frozen=True)
class Task:
    """Something to be dreamed, or worked out.

    Attributes:
        number: of the task, above 0, rising.
        kind: "still", "stretch", "cell", "estimate", "watch", "layers" or "warm".
        source, frame, recipe: as for `dreams.Wanted`; the recipe as TOML.
        options: what the kind needs besides.
    """

    number: int
    kind: str
    source: str = ""
    frame: int = 0
    recipe: str = ""
    options: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Answer:
    """What a task has come to so far.

    Attributes:
        number: of the task.
        ended: whether this is its last answer.
        error: why it failed; empty if it did not.
        data: plain data for the page.
        picture: a JPEG; empty for none.
    """

    number: int
    ended: bool = False
    error: str = ""
    data: dict[str, Any] = field(default_factory=dict)
    picture: bytes = b""


def run(connection: Connection, cancelled: c_longlong, audio_cache: str) -> None:
    """Do the tasks that come over a connection, until it is closed.

    Args:
        connection: brings `Task`, takes `Answer`.
        cancelled: shared memory: the number of the task that is not wanted any more.
        audio_cache: a folder in which the analysis of music is kept.
    """
    import signal

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the studio's, which closes the connection
    tasks: queue.SimpleQueue[Task] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(connection, tasks), daemon=True).start()
    from .dreams import Dreams

    current = 0
    dreams = Dreams(Path(audio_cache), lambda: cancelled.value == current)
    while True:
        task = tasks.get()
        current = task.number
        _do(task, dreams, connection)


def _listen(connection: Connection, tasks: queue.SimpleQueue[Task]) -> None:
    """Take tasks; end the process where the studio is gone."""
    try:
        while True:
            tasks.put(connection.recv())
    except (EOFError, OSError):
        os._exit(0)


def _do(task: Task, dreams: Dreams, connection: Connection) -> None:
    from .dreams import CancelledError

    error = ""
    try:
        KINDS[task.kind](task, dreams, connection)
    except CancelledError:
        error = "cancelled"
    except Exception as problem:  # the page shows it, and the process goes on
        error = problem_text(problem)
    connection.send(Answer(task.number, True, error))


def _wanted(task: Task) -> Wanted:
    from .dreams import Wanted

    return Wanted(task.source, task.frame, Recipe.from_toml(task.recipe))


def _still(task: Task, dreams: Dreams, connection: Connection) -> None:
    for shown in dreams.still(_wanted(task), task.options.get("full_size", False)):
        data = {
            "level": shown.level, "levels": shown.levels, "done": shown.done, "total": shown.total,
            "size": shown.size, "full": shown.full, "notices": shown.notices,
        }  # fmt: skip
        picture = b"" if shown.picture is None else jpeg(shown.picture)
        connection.send(Answer(task.number, data=data, picture=picture))


def _stretch(task: Task, dreams: Dreams, connection: Connection) -> None:
    for done, total in dreams.stretch(_wanted(task), task.options["seconds"], Path(task.options["output"])):
        connection.send(Answer(task.number, data={"done": done, "total": total}))


def _cell(task: Task, dreams: Dreams, connection: Connection) -> None:
    connection.send(Answer(task.number, picture=jpeg(dreams.cell(_wanted(task)))))


def _estimate(task: Task, dreams: Dreams, connection: Connection) -> None:
    from ..jobs.estimate import estimate

    found = estimate(task.source, task.options["output"], Recipe.from_toml(task.recipe), overwrite=True)
    connection.send(Answer(task.number, data={"text": found.text(), "seconds": found.seconds}))


def _watch(task: Task, dreams: Dreams, connection: Connection) -> None:
    from ..jobs.api import assemble_now

    assemble_now(task.options["folder"], into=task.options["output"], overwrite=True)


def _layers(task: Task, dreams: Dreams, connection: Connection) -> None:
    from ..networks.load import network_layers

    connection.send(Answer(task.number, data={"layers": list(network_layers(task.options["model"]))}))


def _warm(task: Task, dreams: Dreams, connection: Connection) -> None:
    """Load what every preview needs while the user is still choosing a film."""
    dreams.warm()


KINDS = {
    "still": _still, "stretch": _stretch, "cell": _cell, "estimate": _estimate, "watch": _watch, "layers": _layers,
    "warm": _warm,
}  # fmt: skip
