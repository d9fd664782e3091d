"""Executors, and the plain one: frames dreamed here, one after the other."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from typing import Protocol

from ..recipe import Recipe
from ..video.engine import Engine
from ..video.process import configure_process
from .events import Event, Listener, Stop
from .fingerprint import Environment, environment
from .plan import Plan
from .run_folder import RunFolder
from .setup import Setup
from .tasks import Task
from .worker import Worker


class Executor(Protocol):
    """Dreams the frames of a plan.

    Attributes:
        by_shot: whether every shot should be a task of its own.
    """

    by_shot: bool

    def environment(self, recipe: Recipe) -> Environment:
        """Return what frames of a recipe are dreamed with.

        Raises:
            DreamError: the recipe names a device that cannot be used.
        """

    def make_ready(self, setup: Setup, fresh: Plan) -> float | None:
        """Get ready to dream by a recipe, so that what is wrong with it is known before anything else is done.

        Args:
            setup: what it is set up as.
            fresh: a plan for it, whose shots are not known yet.

        Returns:
            The plan's `room`, as it is from now on.

        Raises:
            DreamError: it names what cannot be had.
        """

    def run(
        self, plan: Plan, tasks: Sequence[Task], folder: RunFolder, setup: Setup, checkpoint: int,
        on_event: Listener, stop: Stop,
    ) -> int:  # fmt: skip
        """Dream all tasks, and keep every segment as it comes.

        Args:
            plan, tasks: what to dream.
            folder: where segments are kept.
            setup: what the plan is set up as, on this machine.
            checkpoint: frames that a segment has at most.
            on_event: told after every frame.
            stop: asked after every frame; once it says yes, what is done is kept, and nothing more dreamed.

        Returns:
            Frames that are finished, of all that the plan has.

        Raises:
            DreamError: a frame cannot be dreamed or kept.
        """


class Inline:
    """Dreams task after task in this process, with all the cores there are."""

    by_shot = False

    def __init__(self) -> None:
        self._engine: Engine | None = None
        self._built_for: tuple[str, float | None] = ("", None)

    def environment(self, recipe: Recipe) -> Environment:
        """See `Executor`."""
        return environment(recipe)

    def make_ready(self, setup: Setup, fresh: Plan) -> float | None:
        """See `Executor`."""
        configure_process(fresh.recipe().network, fresh.threads)
        self._engine = Engine(fresh.settled(setup.recipe), setup.timeline, fresh.memory_budget)
        self._built_for = fresh.precision, self._engine.dreamer.memory_budget
        return self._engine.dreamer.memory_budget

    def run(
        self, plan: Plan, tasks: Sequence[Task], folder: RunFolder, setup: Setup, checkpoint: int,
        on_event: Listener, stop: Stop,
    ) -> int:  # fmt: skip
        """See `Executor`."""
        ready = self._engine if self._built_for == (plan.precision, plan.memory_budget) else None
        worker = Worker(plan, (setup, ready) if ready else None)
        done = sum(len(segment.checksums) for segment in folder.segments())
        on_event(Event(done, plan.count))
        for task in tasks:
            if stop():
                break
            with closing(worker.dream(task, folder.path, checkpoint, stop)) as dreamed:
                for got in dreamed:
                    done += got.index >= task.first
                    for notice in got.notices:
                        on_event(Event(done, plan.count, notice))
                    if got.segment is not None and got.state is not None:
                        folder.keep(got.segment, got.state)
                    on_event(Event(done, plan.count))
        return done
