"""Renders many films from a list, one after the other; called again, it skips those that are finished."""

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
from ..media.atomic import write_file
from ..recipe import Recipe, preset_tables, read_tables, read_text
from .api import dream_video
from .checkpoint import CHECKPOINT_FRAMES
from .events import Event, Listener, Result, Stop, ignore, never
from .executor import Executor
from .fingerprint import inputs
from .run_folder import run_folder

BEGUN = "begun "  # prefix of the digest of a job that was begun and is not known to be finished
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
    def digest(self) -> str:
        """A digest of everything that its output depends on."""
        words = [self.input, self.output, self.layer_out, self.save_octaves, self.recipe.to_toml()]
        data = json.dumps([words, inputs(self.input, self.recipe)]).encode()
        return hashlib.blake2b(data, digest_size=16).hexdigest()


@dataclass(frozen=True)
class Outcome:
    """What came of a job.

    Attributes:
        job: the job.
        result: what was rendered; None if it was finished before, or failed.
        error: why it failed; empty if it did not.
    """

    job: Job
    result: Result | None = None
    error: str = ""


def read_jobs(path: str | Path) -> list[Job]:
    """Read a list of jobs: TOML with a `[[job]]` for each, and sections of the recipe that all jobs share.

    A job has an `input` and an `output`. It may have a `preset`, a `recipe` file, sections of its own like
    `[job.dream]`, which override these, a `layer_out` and `save_octaves`. Paths are taken as on the command line.

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
    given = {key: job.get(key, "") for key in PATHS}
    for key, value in given.items():
        if not isinstance(value, str) or (key in ("input", "output") and not value):
            raise RecipeError(f"write {key} = and a name in quotes")
    recipe = Recipe().merge(shared)
    if given["preset"]:
        recipe = recipe.merge(preset_tables(given["preset"]))
    if given["recipe"]:
        recipe = recipe.merge(read_tables(given["recipe"]))
    own = {key: value for key, value in job.items() if key not in PATHS}
    if wrong := [key for key, value in own.items() if not isinstance(value, dict)]:
        raise RecipeError(f"a job has no {wrong[0]!r}: it has {', '.join(PATHS)}, and sections of the recipe")
    return Job(given["input"], given["output"], recipe.merge(own), given["layer_out"], given["save_octaves"])


def run_batch(
    path: str | Path,
    *,
    overwrite: bool = False,
    work: str | Path | None = None,
    keep_work: bool = False,
    checkpoint: int = CHECKPOINT_FRAMES,
    executor: Callable[[], Executor | None] = lambda: None,
    on_event: Listener = ignore,
    stop: Stop = never,
) -> list[Outcome]:
    """Render a list of jobs, one after the other; called again, continue where it was interrupted.

    Finished jobs are recorded next to the list, in jobs.toml.done: a job that is finished and has not changed since is
    skipped. A job that fails does not keep the others from being rendered.

    Args:
        path: of the list (see `read_jobs`).
        executor: returns the executor for a job.
        overwrite, work, keep_work, checkpoint, on_event, stop: as for `dream_video`.

    Returns:
        What came of every job, up to the one in which it was stopped.

    Raises:
        RecipeError: the list cannot be read.
    """
    outcomes, record = list[Outcome](), _Record(Path(f"{path}.done"))
    jobs = read_jobs(path)
    for number, job in enumerate(jobs, 1):
        try:
            digest = job.digest
            if record.is_finished(job, digest, overwrite, work):
                outcomes.append(Outcome(job))
                continue
            record.begin(job, digest)
            on_event(Event(0, 1, f"job {number} of {len(jobs)}: {job.output}"))
            result = dream_video(
                job.input, job.output, job.recipe, overwrite=overwrite, layer_out=job.layer_out,
                save_octaves=job.save_octaves, work=work, keep_work=keep_work, checkpoint=checkpoint,
                executor=executor(), on_event=on_event, stop=stop,
            )  # fmt: skip
            if not result.stopped:
                record.finish(job, digest)
        except (
            DreamError,
            OSError,
            MemoryError,
            RuntimeError,
        ) as error:  # PyTorch raises RuntimeError where memory runs out
            record.forget(job)
            outcomes.append(Outcome(job, error=str(error)))
            on_event(Event(0, 1, f"{job.output} failed: {error}"))
            continue
        outcomes.append(Outcome(job, result))
        if result.stopped:
            break
    return outcomes


class _Record:
    """The record of finished jobs, in a file: for each output, the digest of its job."""

    def __init__(self, path: Path):
        self._path = path
        try:
            self._digests: dict[str, str] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
        except (OSError, ValueError) as error:
            raise DreamError(f"{path} cannot be read ({error}): remove it, and all jobs are rendered again") from error

    def is_finished(self, job: Job, digest: str, overwrite: bool, work: str | Path | None) -> bool:
        """Tell whether a job's output is there, and was made by the same job.

        A job that was only begun is finished, too, if its output is there and no run folder is left: it was interrupted
        between finishing the output and recording it. If outputs may be overwritten, that output may be an older one.
        """
        recorded = self._digests.get(os.path.abspath(job.output), "")
        begun = recorded == BEGUN + digest and not overwrite and not run_folder(job.output, work).exists()
        return os.path.exists(job.output) and (recorded == digest or begun)

    def begin(self, job: Job, digest: str) -> None:
        """Record that a job is begun, unless its output exists: then that is not its own."""
        if not os.path.exists(job.output):
            self._write({os.path.abspath(job.output): BEGUN + digest})

    def finish(self, job: Job, digest: str) -> None:
        """Record that a job is finished."""
        self._write({os.path.abspath(job.output): digest})

    def forget(self, job: Job) -> None:
        """Remove the record of a job that failed."""
        if self._digests.pop(os.path.abspath(job.output), None):
            self._write({})

    def _write(self, more: Mapping[str, str]) -> None:
        self._digests |= more
        write_file(self._path, json.dumps(self._digests, indent=1).encode())
