"""Executors, and the plain one: frames dreamed here, one after the other."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from typing import Protocol

import torch

from ..pipeline import Engine
from ..stage import Stage
from .events import Event, Listener, Stop
from .folder import RunFolder
from .plan import Plan
from .worker import Task, Worker


class Executor(Protocol):
    """Dreams the frames of a plan.

    Attributes:
        apart: whether every shot should be a task of its own.
    """

    apart: bool

    def make_ready(self, staged: Stage, threads: int) -> None:
        """Get ready to dream by a recipe, so that what is wrong with it is known before anything else is done.

        Raises:
            DreamError: it names what cannot be had.
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

    def __init__(self) -> None:
        self._engine: Engine | None = None

    def make_ready(self, staged: Stage, threads: int) -> None:
        """See `Executor`."""
        torch.set_num_threads(threads)
        self._engine = Engine(staged.recipe, staged.timeline)

    def run(
        self, plan: Plan, tasks: Sequence[Task], folder: RunFolder, staged: Stage, checkpoint: int,
        on_event: Listener, stop: Stop,
    ) -> int:  # fmt: skip
        """See `Executor`."""
        worker = Worker(plan, (staged, self._engine) if self._engine else None)
        done = plan.count - sum(task.stop - task.first for task in tasks)
        on_event(Event(done, plan.count))
        for task in tasks:
            if stop():
                break
            with closing(worker.dream(task, folder.path, checkpoint, stop)) as dreamed:
                for got in dreamed:
                    done += got.index >= task.first
                    for notice in got.notices:
                        on_event(Event(done, plan.count, notice))
                    if got.piece is not None and got.state is not None:
                        folder.keep(got.piece, got.state)
                    on_event(Event(done, plan.count))
        return done
