"""Which frames are still missing, cut into tasks."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from .plan import Plan
from .run_folder import RunFolder


def missing_tasks(plan: Plan, folder: RunFolder, by_shot: bool) -> list[Task]:
    """Return what is still to be dreamed, and can be begun now: what goes on from frames that are missing, too, waits.

    Args:
        plan, folder: of the render.
        by_shot: whether every shot is a task of its own, which others need not wait for.
    """
    borders = {part.first for part in plan.parts} | (set(plan.cuts) if by_shot else set())
    while True:
        tasks: list[Task] = []
        at = 0
        for first, stop in [
            *((segment.first, segment.stop) for segment in folder.segments()),
            (plan.count, plan.count),
        ]:
            if first > at:
                ends = [at, *sorted(border for border in borders if at < border < first), first]
                tasks += [task for span in pairwise(ends) if (task := _task(plan, folder, *span))]
            at = stop
        across = [task for task in tasks if task.begin < plan.part(task.first).first]  # begun by another recipe
        waiting = [task for task in across if any(other.stop == task.first for other in tasks)]
        if waiting == across:
            return [task for task in tasks if task not in waiting]
        for task in across:  # the state between two recipes is gone: what led to it is dreamed again, as it was
            folder.drop(task.begin)


def _task(plan: Plan, folder: RunFolder, first: int, stop: int) -> Task:
    """Return a task that begins with the latest frame whose beginning is known."""
    shot = plan.shot(first)
    found = folder.state(first) if first > shot else None
    return Task(first, stop, *found) if found and found[0] > shot else Task(first, stop, shot)


@dataclass(frozen=True)
class Task:
    """Frames to be dreamed.

    Attributes:
        first, stop: those that are wanted, `stop` left out; all by one recipe.
        begin: the frame to begin with: that of the state, or the first of a shot.
        state: what it goes on from, as bytes; None for nothing.
    """

    first: int
    stop: int
    begin: int
    state: bytes | None = None
