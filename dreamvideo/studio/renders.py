"""The renders of the studio: each a file in its folder, so that they outlive the page and the studio itself.

    dreams/.studio/renders/
        0001.json           what is rendered, and what came of it
        0001.status.json    how far it is, written by its process
        0001.jpg            its newest frame, written by its process
        0001.stop           there to ask its process to save what is done and end
        0001.lock           held by its process
        0001.log            what its process printed

The frames are kept in the output's run folder, from which a render is continued.
"""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from ..errors import DreamError, SinkError, one_line
from ..jobs.run_folder import run_folder
from ..media.atomic import write_file

WAITING, PAUSED, FAILED, DONE = "waiting", "paused", "failed", "done"
NUMBER = re.compile(r"\d{4,}")


@dataclass(frozen=True)
class Render:
    """A render that was asked for.

    Attributes:
        number: its name.
        source, output: paths.
        recipe: as TOML.
        asked: when, seconds since 1970.
        state: "waiting" (or at work), "paused", "failed" or "done".
        error: why it failed.
    """

    number: str
    source: str
    output: str
    recipe: str
    asked: float
    state: str = WAITING
    error: str = ""

    @property
    def work(self) -> Path:
        """Its run folder."""
        return run_folder(self.output, None)


class Renders:
    """The renders in a folder; one is at work at a time.

    Args:
        folder: where they are kept; the analysis of their music is kept beside it.
    """

    def __init__(self, folder: Path):
        self.folder, self.audio_cache = folder, folder.parent / "heard"
        self._children: dict[str, subprocess.Popen[bytes]] = {}

    def add(self, source: str, output: str, recipe: str) -> Render:
        """Queue a render.

        Raises:
            SinkError: the output exists, or another render writes it.
        """
        if Path(output).exists() or any(one.output == output and one.state != DONE for one in self.all()):
            raise SinkError(f"{Path(output).name} exists already: choose another name")
        last = max((int(one.number) for one in self.all()), default=0)
        render = Render(f"{last + 1:04d}", source, output, recipe, time.time())
        self._write(render)
        return render

    def all(self) -> list[Render]:
        """Return all renders, the oldest first."""
        return list(self._read())

    def _read(self) -> Iterator[Render]:
        for file in sorted(self.folder.glob("*.json")):
            if not NUMBER.fullmatch(file.stem):
                continue
            with contextlib.suppress(OSError, ValueError, TypeError):
                yield Render(**json.loads(file.read_text(encoding="utf-8")))

    def get(self, number: str) -> Render:
        """Return a render.

        Raises:
            DreamError: there is none of that number.
        """
        found = next((one for one in self.all() if one.number == number), None)
        if found is None:
            raise DreamError("this render is not there any more")
        return found

    def update(self, render: Render, **changes: Any) -> Render:
        """Change a render, and return it."""
        changed = replace(render, **changes)
        self._write(changed)
        return changed

    def _write(self, render: Render) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        write_file(self.path(render, ".json"), json.dumps(asdict(render), indent=1).encode())

    def path(self, render: Render, suffix: str) -> Path:
        """Return the path of one of a render's files."""
        return self.folder / f"{render.number}{suffix}"

    def is_at_work(self, render: Render) -> bool:
        """Tell whether a process works on a render, be it of this studio or of one before."""
        child = self._children.get(render.number)
        if child is not None and child.poll() is None:
            return True
        lock = FileLock(self.path(render, ".lock"))
        try:
            lock.acquire(timeout=0)
        except Timeout:
            return True
        lock.release()
        return False

    def status(self, render: Render) -> dict[str, Any]:
        """Return what its process wrote last: done, total, phase, notices, seconds a frame."""
        try:
            found: dict[str, Any] = json.loads(self.path(render, ".status.json").read_text(encoding="utf-8"))
            return found
        except (OSError, ValueError):
            return {}

    def pause(self, render: Render) -> None:
        """Ask a render to save what is done, and to wait until it is resumed."""
        self.update(render, state=PAUSED)
        self.path(render, ".stop").touch()

    def resume(self, render: Render) -> None:
        """Let a paused or failed render go on when its turn comes."""
        self.path(render, ".stop").unlink(missing_ok=True)
        self.update(render, state=WAITING, error="")

    def cancel(self, render: Render) -> None:
        """Throw a render away, with the frames that are done; its output, if it is complete, stays.

        Raises:
            DreamError: its process has not ended yet.
        """
        if render.state != DONE:
            self.pause(render)
            if self.is_at_work(render):
                raise DreamError("it is saving its last frame: try again in a moment")
            if (render.work / "plan.json").exists() or (render.work / "lock").exists():
                shutil.rmtree(render.work, ignore_errors=True)
        for suffix in (".json", ".status.json", ".jpg", ".stop", ".lock", ".log"):
            self.path(render, suffix).unlink(missing_ok=True)

    def tend(self) -> None:
        """Note what has ended, and begin the next render if none is at work."""
        unfinished = [render for render in self.all() if render.state != DONE]
        if any(self.is_at_work(render) for render in unfinished):
            return
        for render in unfinished:
            child = self._children.pop(render.number, None)
            if child is not None and child.returncode and render.state == WAITING:
                self.update(render, state=FAILED, error=self._last_words(render))
        if waiting := next((one for one in self.all() if one.state == WAITING), None):
            self._begin(waiting)

    def _begin(self, render: Render) -> None:
        self.path(render, ".stop").unlink(missing_ok=True)
        command = [sys.executable, "-m", "dreamvideo.studio.render_process", str(self.folder), render.number]
        with open(self.path(render, ".log"), "wb") as log:
            self._children[render.number] = subprocess.Popen(  # of a session of its own: it outlives the studio
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )

    def _last_words(self, render: Render) -> str:
        """Return why a process ended that left no reason."""
        lines = self.path(render, ".log").read_text(errors="replace").strip().splitlines()
        return one_line(lines[-1]) if lines else "it was ended by the system, perhaps for want of memory: resume it"

    def stop_all(self) -> int:
        """Ask all that are at work to save what is done and end; return how many there are."""
        at_work = [render for render in self.all() if self.is_at_work(render)]
        for render in at_work:
            self.path(render, ".stop").touch()
        return len(at_work)
