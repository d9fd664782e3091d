"""Many renders from one list, one after the other; those that are done are not done again."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..curves.toml import read_toml
from ..errors import DreamError, RecipeError
from ..recipe import Recipe, preset_tables, read_tables, read_text
from .api import CHECKPOINT, dream_video
from .events import Event, Listener, Result, Stop, ignore, never
from .executor import Executor
from .fingerprint import inputs
from .run_folder import run_folder

BEGUN = "begun "  # before the digest of a job that is not known to be done
PATHS = ("input", "output", "layer_out", "save_octaves", "preset", "recipe")


@dataclass(frozen=True)
class Job:
    """One render of a list (see `dream_video`)."""

    input: str
    output: str
    recipe: Recipe
    layer_out: str = ""
    save_octaves: str = ""

    @property
    def asked(self) -> str:
        """A digest of all that its output depends on."""
        told = [self.input, self.output, self.layer_out, self.save_octaves, self.recipe.to_toml()]
        return hashlib.blake2b(json.dumps([told, inputs(self.input, self.recipe)]).encode(), digest_size=16).hexdigest()


@dataclass(frozen=True)
class Outcome:
    """What has become of a job.

    Attributes:
        job: which.
        result: what was rendered; None where it was done before, or failed.
        error: why it failed; empty where it did not.
    """

    job: Job
    result: Result | None = None
    error: str = ""


def read_jobs(path: str | Path) -> list[Job]:
    """Read a list of jobs: TOML with a `[[job]]` for each, and sections of the recipe that all of them share.

    A job has an `input` and an `output`, and may have a `preset`, a `recipe` file, sections of its own like
    `[job.dream]`, which win over these, a `layer_out` and `save_octaves`. Paths are taken as on the command line.

    Raises:
        RecipeError: it cannot be read, or two jobs have the same output.
    """
    try:
        tables: dict[str, Any] = read_toml(read_text(path, "a list of jobs in TOML"))
    except ValueError as error:
        raise RecipeError(f"cannot read the jobs in {path} ({error}): give a TOML file") from error
    jobs = tables.pop("job", None)
    if not isinstance(jobs, list) or not jobs or not all(isinstance(job, dict) for job in jobs):
        raise RecipeError(f"{path} holds no jobs: write [[job]], and under it input = … and output = …, for each")
    read = []
    for number, job in enumerate(jobs, 1):
        try:
            read.append(_job(job, tables))
        except DreamError as error:
            raise RecipeError(f"{path}, job {number}: {error}") from error
    outputs = [os.path.abspath(job.output) for job in read]
    if twice := next((name for name in outputs if outputs.count(name) > 1), None):
        raise RecipeError(f"{path} has two jobs with the output {twice}: give every job its own")
    return read


def _job(job: Mapping[str, Any], shared: Mapping[str, Mapping[str, Any]]) -> Job:
    told = {key: job.get(key, "") for key in PATHS}
    for key, value in told.items():
        if not isinstance(value, str) or (key in ("input", "output") and not value):
            raise RecipeError(f"write {key} = and a name in quotes")
    recipe = Recipe().merge(shared)
    if told["preset"]:
        recipe = recipe.merge(preset_tables(told["preset"]))
    if told["recipe"]:
        recipe = recipe.merge(read_tables(told["recipe"]))
    own = {key: value for key, value in job.items() if key not in PATHS}
    if wrong := [key for key, value in own.items() if not isinstance(value, dict)]:
        raise RecipeError(f"a job has no {wrong[0]!r}: it has {', '.join(PATHS)}, and sections of the recipe")
    return Job(told["input"], told["output"], recipe.merge(own), told["layer_out"], told["save_octaves"])


def run_batch(
    path: str | Path,
    *,
    overwrite: bool = False,
    work: str | Path | None = None,
    keep_work: bool = False,
    checkpoint: int = CHECKPOINT,
    executor: Callable[[], Executor | None] = lambda: None,
    on_event: Listener = ignore,
    stop: Stop = never,
) -> list[Outcome]:
    """Render a list of jobs, one after the other; called again, it goes on where it was cut off.

    What is done is noted beside the list, in jobs.toml.done: a job that is done, and asked for as it was then, is left
    out. One that fails does not keep the others from being rendered.

    Args:
        path: of the list (see `read_jobs`).
        executor: makes what dreams the frames of a job.
        overwrite, work, keep_work, checkpoint, on_event, stop: as for `dream_video`.

    Returns:
        What has become of every job, up to the one in which it was stopped.

    Raises:
        RecipeError: the list cannot be read.
    """
    outcomes, done = [], _Done(Path(f"{path}.done"))
    jobs = read_jobs(path)
    for number, job in enumerate(jobs, 1):
        try:
            asked = job.asked
            if done.has(job, asked, overwrite, work):
                outcomes.append(Outcome(job))
                continue
            done.note(job, BEGUN + asked)
            on_event(Event(0, 1, f"job {number} of {len(jobs)}: {job.output}"))
            result = dream_video(
                job.input, job.output, job.recipe, overwrite=overwrite, layer_out=job.layer_out,
                save_octaves=job.save_octaves, work=work, keep_work=keep_work, checkpoint=checkpoint,
                executor=executor(), on_event=on_event, stop=stop,
            )  # fmt: skip
            if not result.stopped:
                done.note(job, asked)
        except (DreamError, OSError, MemoryError, RuntimeError) as error:  # of RuntimeError, PyTorch's memory
            done.forget(job)
            outcomes.append(Outcome(job, error=str(error)))
            on_event(Event(0, 1, f"{job.output} failed: {error}"))
            continue
        outcomes.append(Outcome(job, result))
        if result.stopped:
            break
    return outcomes


class _Done:
    """The note of what is done, in a file."""

    def __init__(self, path: Path):
        self._path = path
        try:
            self._asked: dict[str, str] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
        except (OSError, ValueError) as error:
            raise DreamError(f"{path} cannot be read ({error}): remove it, and all jobs are rendered again") from error

    def has(self, job: Job, asked: str, overwrite: bool, work: str | Path | None) -> bool:
        """Tell whether a job's output is there, made as it is asked for.

        One that was begun is done, too, if its output is there and nothing is left to go on with: it was cut off
        between the two. Where outputs may be overwritten, what is there may be older.
        """
        noted = self._asked.get(os.path.abspath(job.output), "")
        begun = noted == BEGUN + asked and not overwrite and not run_folder(job.output, work).exists()
        return os.path.exists(job.output) and (noted == asked or begun)

    def note(self, job: Job, asked: str) -> None:
        """Note what a job was asked to be, or that it is begun so."""
        if os.path.exists(job.output) and asked.startswith(BEGUN):
            return  # it was there before
        self._asked[os.path.abspath(job.output)] = asked
        self._write()

    def forget(self, job: Job) -> None:
        """Note nothing of a job that failed."""
        if self._asked.pop(os.path.abspath(job.output), None):
            self._write()

    def _write(self) -> None:
        partial = self._path.with_name(self._path.name + ".part")
        partial.write_text(json.dumps(self._asked, indent=1), encoding="utf-8")
        os.replace(partial, self._path)
