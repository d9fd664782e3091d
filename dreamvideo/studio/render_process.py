"""The process of one render: `python -m dreamvideo.studio.render_process FOLDER NUMBER`; it outlives the studio."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from ..jobs.events import Event
from ..media.atomic import write_file
from ..recipe import Recipe
from .problems import problem_text
from .renders import DONE, FAILED, Render, Renders

EVERY = 0.7  # s from one status to the next
NEWEST_HEIGHT = 360  # px of the newest frame
CHECKPOINT = 12  # frames: what is there so far can be watched early


class Status:
    """Writes how far a render is, and its newest frame, for the studio to read.

    Args:
        renders, render: what is rendered.
    """

    def __init__(self, renders: Renders, render: Render):
        self._renders, self._render = renders, render
        self._written = 0.0
        self._notices: list[str] = []
        self._begun: tuple[float, int] | None = None

    def __call__(self, event: Event) -> None:
        """Take an event of the render."""
        if event.notice:
            self._notices.append(event.notice)
        now = time.monotonic()
        if event.picture is not None and self._begun is None:
            self._begun = now, event.done
        if event.notice or now - self._written > EVERY or event.done == event.total:
            self._written = now
            self._write(event, now)

    def _write(self, event: Event, now: float) -> None:
        each = 0.0
        if self._begun is not None and event.done > self._begun[1]:
            each = (now - self._begun[0]) / (event.done - self._begun[1])
        status: dict[str, Any] = {
            "done": event.done, "total": event.total, "phase": event.phase, "notices": self._notices, "each": each,
        }  # fmt: skip
        write_file(self._renders.path(self._render, ".status.json"), json.dumps(status).encode())
        if event.picture is not None:
            self._show(event.picture)

    def _show(self, picture: Any) -> None:
        from ..media.tensors import quantise
        from .pictures import jpeg

        write_file(self._renders.path(self._render, ".jpg"), jpeg(quantise(picture, 8), NEWEST_HEIGHT))


def main(folder: str, number: str) -> None:
    """Do a render of the studio, or go on with it."""
    renders = Renders(Path(folder))
    render = renders.get(number)
    try:
        lock = FileLock(renders.path(render, ".lock"))
        lock.acquire(timeout=2)  # the studio looks whether it is held
    except Timeout:
        return
    try:  # what came of it is noted before the lock goes: a studio would begin it again in between
        error, stopped = _render(renders, render, renders.path(render, ".stop"))
        if error:
            renders.update(renders.get(number), state=FAILED, error=error)
        elif not stopped:
            renders.update(renders.get(number), state=DONE)
    finally:
        lock.release()


def _render(renders: Renders, render: Render, stop: Path) -> tuple[str, bool]:
    """Render; return what went wrong, and whether it was stopped before its end."""
    from ..jobs.api import dream_video

    try:
        result = dream_video(
            render.source, render.output, Recipe.from_toml(render.recipe), checkpoint=CHECKPOINT,
            audio_cache=renders.audio_cache, on_event=Status(renders, render), stop=stop.exists,
        )  # fmt: skip
    except Exception as error:  # the page shows it
        return problem_text(error), False
    return "", result.stopped


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
