"""What an executor does for a render, and the plain one, which dreams one frame after the other in this process."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from typing import Protocol

from ..recipe import Recipe
from ..video.engine import Engine
from ..video.process_settings import configure_process
from .events import Control, Event
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
        """Return what the frames of a recipe are dreamed with.

        Raises:
            DreamError: the recipe names a device that cannot be used.
        """

    def make_ready(self, setup: Setup, fresh: Plan) -> float | None:
        """Prepare to dream by a recipe, so that mistakes in it are found before any work is done.

        Args:
            setup: what is rendered.
            fresh: a plan for it, whose shots are not known yet.

        Returns:
            The plan's `memory_budget` from now on.

        Raises:
            DreamError: the recipe names a network, layer or file that cannot be had.
        """

    def run(self, plan: Plan, tasks: Sequence[Task], folder: RunFolder, setup: Setup, control: Control) -> int:
        """Dream all tasks, and keep every segment as soon as it is finished.

        Args:
            plan, tasks: what to dream.
            folder: keeps the segments.
            setup: what is rendered, as set up on this machine.
            control: as for `dream_video`.

        Returns:
            How many of the plan's frames are finished.

        Raises:
            DreamError: a frame cannot be dreamed or kept.
        """


class Inline:
    """Dreams task after task in this process, with all cores."""

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

    def run(self, plan: Plan, tasks: Sequence[Task], folder: RunFolder, setup: Setup, control: Control) -> int:
        """See `Executor`."""
        ready = self._engine if self._built_for == (plan.precision, plan.memory_budget) else None
        worker = Worker(plan, (setup, ready) if ready else None)
        done = folder.done
        control.on_event(Event(done, plan.count))
        for task in tasks:
            if control.stop():
                break
            with closing(worker.dream(task, folder.path, control.checkpoint, control.stop)) as dreamed:
                for got in dreamed:
                    done += got.index >= task.first
                    for notice in got.notices:
                        control.on_event(Event(done, plan.count, notice))
                    if got.segment is not None and got.state is not None:
                        folder.keep(got.segment, got.state)
                    control.on_event(Event(done, plan.count, picture=got.picture))
        return done
