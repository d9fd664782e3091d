"""Executors, and the plain one: frames dreamed here, one after the other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from ..recipe import Recipe
from ..stage import Stage
from .events import Event, Listener, Stop
from .folder import RunFolder
from .plan import Means, Plan, means
from .worker import Task, Worker


class Executor(Protocol):
    """Dreams the frames of a plan.

    Attributes:
        apart: whether every shot should be a task of its own.
    """

    apart: bool

    def means(self, recipe: Recipe) -> Means:
        """Return what frames of a recipe are dreamed with.

        Raises:
            DreamError: the recipe names a device that cannot be used.
        """

    def run(
        self, plan: Plan, tasks: Sequence[Task], folder: RunFolder, staged: Stage, checkpoint: int,
        on_event: Listener, stop: Stop,
    ) -> int:  # fmt: skip
        """Dream all tasks, and keep every piece as it comes.

        Args:
            plan, tasks: what to dream.
            folder: where pieces are kept.
            staged: what the plan is set up as, on this machine.
            checkpoint: frames that a piece has at most.
            on_event: told after every frame.
            stop: asked after every frame; once it says yes, what is done is kept, and nothing more dreamed.

        Returns:
            Frames that are finished, of all that the plan has.

        Raises:
            DreamError: a frame cannot be dreamed or kept.
        """


class Inline:
    """Dreams task after task in this process, with all the cores there are."""

    apart = False

    def means(self, recipe: Recipe) -> Means:
        """See `Executor`."""
        return means(recipe)

    def run(
        self, plan: Plan, tasks: Sequence[Task], folder: RunFolder, staged: Stage, checkpoint: int,
        on_event: Listener, stop: Stop,
    ) -> int:  # fmt: skip
        """See `Executor`."""
        worker = Worker(plan, staged) if tasks else None
        done = plan.count - sum(task.stop - task.first for task in tasks)
        for task in tasks:
            assert worker is not None
            if stop():
                break
            for got in worker.dream(task, folder.path, checkpoint, stop):
                done += got.index >= task.first
                for notice in got.notices:
                    on_event(Event(done, plan.count, notice))
                if got.piece is not None and got.state is not None:
                    folder.keep(got.piece, got.state)
                on_event(Event(done, plan.count))
        return done


inline = Inline()
