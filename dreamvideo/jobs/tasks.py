"""Finds out which frames of a render are still missing, and cuts them into tasks that can be dreamed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from .plan import Plan
from .run_folder import Segment

StateBefore = Callable[[int], tuple[int, bytes] | None]  # the latest state at or before a frame, with its frame


@dataclass(frozen=True)
class Task:
    """Consecutive frames to be dreamed.

    Attributes:
        first, stop: the frames that are wanted, `stop` excluded; all by one recipe.
        begin: the frame to begin with, at or before `first`: that of the state, or the first of a shot.
        state: the state to start from, as bytes; None at the beginning of a shot.
    """

    first: int
    stop: int
    begin: int
    state: bytes | None = None


def missing_tasks(plan: Plan, segments: Sequence[Segment], state_before: StateBefore, by_shot: bool) -> list[Task]:
    """Return the tasks that can be begun now; those that continue from frames that are missing, too, are left out.

    Args:
        plan: of the render.
        segments: the finished segments, in order.
        state_before: finds the state that dreaming can start from (see `RunFolder.state`).
        by_shot: whether every shot becomes a task of its own, which need not wait for others.
    """
    tasks = _all_tasks(plan, segments, state_before, by_shot)
    return [task for task in tasks if not _begins_in_another_part(plan, task)]


def frame_to_dream_again(
    plan: Plan, segments: Sequence[Segment], state_before: StateBefore, by_shot: bool
) -> int | None:
    """Return the first frame that is finished but has to be dreamed again, with all after it; None if there is none.

    A recipe that takes over from another one starts from a state that the other one left. If that state is lost, what
    led to it is dreamed again, as it was.

    Args:
        plan, segments, state_before, by_shot: as for `missing_tasks`.
    """
    tasks = _all_tasks(plan, segments, state_before, by_shot)
    missing_up_to = {task.stop for task in tasks}
    lost = [task for task in tasks if _begins_in_another_part(plan, task) and task.first not in missing_up_to]
    return min((task.begin for task in lost), default=None)


def _all_tasks(plan: Plan, segments: Sequence[Segment], state_before: StateBefore, by_shot: bool) -> list[Task]:
    """Cut all missing frames where a part begins, and for tasks `by_shot` where a shot does."""
    borders = {part.first for part in plan.parts} | (set(plan.cuts) if by_shot else set())
    tasks, at = list[Task](), 0
    for first, stop in [*((segment.first, segment.stop) for segment in segments), (plan.count, plan.count)]:
        if first > at:
            ends = [at, *sorted(border for border in borders if at < border < first), first]
            tasks += [_task(plan, state_before, *span) for span in pairwise(ends)]
        at = stop
    return tasks


def _task(plan: Plan, state_before: StateBefore, first: int, stop: int) -> Task:
    """Return a task that begins with the latest frame that can be started from."""
    shot = plan.shot(first)
    found = state_before(first) if first > shot else None
    return Task(first, stop, *found) if found and found[0] > shot else Task(first, stop, shot)


def _begins_in_another_part(plan: Plan, task: Task) -> bool:
    """Tell whether a task would begin with frames of another recipe than its own."""
    return task.begin < plan.part(task.first).first
