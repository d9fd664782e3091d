"""Plans made, gone on with and changed, and what of them is still to be dreamed."""

from __future__ import annotations

import dataclasses
import math
import os
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

from .. import camera, media, shots
from ..errors import DreamError, RecipeError, SourceError
from ..media.piece import checksum
from ..recipe import Recipe, parse_time
from ..score import Score
from ..stage import Stage
from .events import Event, Listener, Stop
from .folder import RunFolder
from .plan import Means, Part, Plan, absolute, differences, digest, inputs, located
from .worker import ROWS, Task

ALONE = 25  # frames dreamed without flow that make a piece of work
SAME_VIEW = 0.25  # px by which a camera may differ where a render goes on by another recipe
NAMED = 4  # differences that are named
FIXED = (  # what cannot change where a render goes on by another recipe
    "source was", "output was", "layer-out was", "save-octaves was", "clip.", "camera.loop", "camera.then_zoom",
    "temporal.cuts", "temporal.flow",
)  # fmt: skip


@dataclass(frozen=True)
class Wanted:
    """What is to be rendered, as the user says it (see `dream_video`).

    Attributes:
        comment: the recipe to be written into the output, if it is not that of the render.
    """

    source: str
    output: str
    recipe: Recipe
    overwrite: bool
    layer_out: str
    save_octaves: str
    keep: Path | None
    comment: str = ""


def new_plan(wanted: Wanted, staged: Stage, depth: int, folder: RunFolder, means: Means) -> Plan:
    """Return a plan whose shots are not known yet.

    Args:
        wanted: by the user.
        staged: what that is set up as.
        depth: bits per channel that are kept of frames.
        folder: the run folder.
        means: what frames are dreamed with.
    """
    recipe, info = wanted.recipe, staged.info
    return Plan(
        source=wanted.source if wanted.source.startswith("noise:") else os.path.abspath(wanted.source),
        output=os.path.abspath(wanted.output) + ("/" if wanted.output.endswith("/") else ""),
        layer_out=wanted.layer_out and os.path.abspath(wanted.layer_out),
        save_octaves=wanted.save_octaves and os.path.abspath(wanted.save_octaves),
        keep=str((wanted.keep or folder.path).absolute()),
        parts=(Part(0, located(recipe, absolute).to_toml()),),
        made_with=means.made_with,
        inputs=inputs(wanted.source, recipe),
        width=info.width,
        height=info.height,
        depth=depth,
        count=info.count,
        cuts=(0,),
        sums=(),
        precision=means.precision,
        threads=means.threads,
        room=means.room,
        overwrite=wanted.overwrite,
        comment=wanted.comment or staged.recipe.to_toml(),
    )


def go_on_with(
    folder: RunFolder, fresh: Plan, since: str, opened: media.Source, staged: Stage, on_event: Listener, stop: Stop
) -> Plan | None:
    """Return the plan to go on with, which is kept in the folder; None if it was stopped before there was one.

    Args:
        folder: the run folder, with a plan in it or not.
        fresh: what is asked for now.
        since: the moment from which on it is dreamed anew; empty for none.
        opened, staged: the source, and what it is set up as.
        on_event, stop: as for `dream_video`.

    Raises:
        DreamError: the folder holds another render.
    """
    begun = folder.plan if folder.holds_work else None
    if since and staged.recipe.camera.loop:
        raise DreamError("a loop is dreamed as a whole: leave --from out, or --restart it")
    if since and begun is None:
        raise DreamError(f"there is nothing before {since} to be kept: {folder.path} holds no render")
    if begun is None:
        folder.empty()  # of what somebody left who was cut off as he cleaned up
        found = _look_through(opened, staged, on_event, stop)
        plan = None if found is None else replace(fresh, count=found[0], cuts=found[1], sums=found[2])
    elif since and ((index := _frame(since, begun, staged)) < begun.parts[-1].first or differences(begun, fresh)):
        plan = _since(folder, begun, fresh, index, staged, on_event)
    else:
        plan = _same(folder, begun, fresh, on_event)
    if plan is not None:
        folder.begin(plan)
    return plan


def _same(folder: RunFolder, begun: Plan, fresh: Plan, on_event: Listener) -> Plan:
    """Return the plan that was begun; how the output is encoded may have changed.

    Raises:
        DreamError: another one is asked for.
    """
    if told := differences(begun, fresh):
        more = f" and {len(told) - NAMED} more" if len(told) > NAMED else ""
        raise DreamError(
            f"{folder.path} holds a render that was begun otherwise ({'; '.join(told[:NAMED])}{more}): ask for the "
            "same again to go on, --from a time to keep what lies before it, or --restart to throw it away"
        )
    if fresh.depth > begun.depth:
        on_event(Event(0, begun.count, f"what is done is kept in {begun.depth} bits a colour, and the output has more"))
    *parts, last = begun.parts
    encoding = dataclasses.asdict(fresh.recipe().encoding)
    last = replace(last, recipe=Recipe.from_toml(last.recipe).merge({"encoding": encoding}).to_toml())
    return replace(begun, parts=(*parts, last), overwrite=fresh.overwrite, comment=fresh.comment)


def _look_through(
    opened: media.Source, staged: Stage, on_event: Listener, stop: Stop
) -> tuple[int, tuple[int, ...], tuple[int, ...]] | None:
    """Return how many frames there are, those with which shots begin, and a checksum of each; None if stopped."""
    if opened.info.kind == "still" or staged.recipe.camera.loop:
        return staged.info.count, (0,), ()
    recipe, sums, cuts = staged.recipe, list[int](), [0]

    def summed() -> Iterator[media.Frame]:
        for frame in opened:
            if frame.index >= staged.filmed:
                break
            sums.append(checksum(frame.pixels, ROWS))
            yield frame

    flows = recipe.temporal.flow != "none"
    mark = shots.rule(recipe.temporal.cuts if flows else "none", parse_time(recipe.clip.start) or Fraction(0))
    with closing(mark(summed())) as marked:
        for frame, begins in marked:
            if begins and frame.index:
                cuts.append(frame.index)
            if stop():
                return None
            on_event(Event(frame.index + 1, staged.filmed, doing="finding shots"))
    if not sums:
        raise SourceError(f"no frame of {opened.info.path} can be decoded: is it complete?")
    count = staged.info.count if len(sums) == staged.filmed else len(sums)
    if not flows:
        cuts = list(range(0, len(sums), ALONE))
    return count, tuple(cuts), tuple(sums)


def _frame(since: str, begun: Plan, staged: Stage) -> int:
    """Return the first frame at a moment of the source or after it.

    Raises:
        DreamError: the film has none.
    """
    first, rate = staged.info.start + staged.info.delay, staged.info.rate
    index = math.ceil(((parse_time(since) or Fraction(0)) - first) * rate)
    if not 0 <= index < begun.count:
        last = float(first + begun.count / rate)
        raise DreamError(f"--from {since} lies outside the film: take a moment from {float(first):g} to {last:.6g} s")
    return index


def _since(folder: RunFolder, begun: Plan, fresh: Plan, index: int, staged: Stage, on_event: Listener) -> Plan:
    """Return a plan that goes on from a frame by another recipe; what lies behind that is let go of.

    The new recipe goes on from the state before that frame. Where that is not kept, the frames since the last one that
    is are dreamed again, as they were; what they were made of must be the same then.

    Raises:
        DreamError: what is to be kept would not fit what is to come.
    """
    told = [one for one in differences(begun, fresh) if one.startswith((*FIXED, f"{begun.source} "))]
    if told or staged.info.count < begun.count:
        raise DreamError(f"--from keeps frames of the same film ({'; '.join(told[:NAMED]) or 'it is shorter now'})")
    _check_view(begun.recipe(max(index - 1, 0)), staged, index)
    known = _known(folder, begun, index)
    if known < index and _made_otherwise(begun, fresh):
        on_event(Event(0, begun.count, f"what frames {known} to {index - 1} were made with has changed: they are "
                       "dreamed anew, too"))  # fmt: skip
        index = known
    folder.drop(known)
    return replace(
        begun,
        parts=(*(part for part in begun.parts if part.first < index), Part(index, fresh.parts[0].recipe)),
        made_with=fresh.made_with,
        inputs=begun.inputs | fresh.inputs,
        overwrite=fresh.overwrite,
        comment=fresh.comment,
    )


def _known(folder: RunFolder, begun: Plan, index: int) -> int:
    """Return the last frame, up to one, that can be gone on from, and at which a piece ends."""
    while True:
        at = next((piece.first for piece in folder.pieces() if piece.first < index < piece.stop), index)
        found = folder.state(at)
        known = max(begun.shot(at), found[0] if found else 0)
        if known == index:
            return index
        index = known


def _made_otherwise(begun: Plan, fresh: Plan) -> bool:
    """Tell whether frames of a plan would come out otherwise now, its recipe aside."""
    if begun.made_with != fresh.made_with:
        return True
    try:
        return any(digest(path) != was for path, was in begun.inputs.items())
    except (OSError, DreamError):
        return True


def _check_view(before: Recipe, staged: Stage, index: int) -> None:
    """Refuse a camera that would jump from one frame to the next."""
    size = staged.info.width, staged.info.height
    was, now = (camera.Path(Score(recipe, staged.timeline), *size).view(index) for recipe in (before, staged.recipe))
    if camera.apart(was, now, *size) > SAME_VIEW:
        raise RecipeError("the camera would jump there: --from keeps the camera's way up to that moment as it was")


def missing(plan: Plan, folder: RunFolder, apart: bool) -> list[Task]:
    """Return what is still to be dreamed, and can be begun now: what goes on from frames that are missing, too, waits.

    Args:
        plan, folder: of the render.
        apart: whether every shot is a task of its own, which others need not wait for.
    """
    borders = {part.first for part in plan.parts} | (set(plan.cuts) if apart else set())
    while True:
        tasks: list[Task] = []
        at = 0
        for first, stop in [*((piece.first, piece.stop) for piece in folder.pieces()), (plan.count, plan.count)]:
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
