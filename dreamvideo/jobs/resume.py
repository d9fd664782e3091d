"""Plans made, gone on with and changed, and what of them is still to be dreamed."""

from __future__ import annotations

import dataclasses
import math
import os
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from fractions import Fraction

from ..curves.animate import Animation
from ..errors import DreamError, RecipeError, SourceError
from ..media.readers.frame import Frame, Source
from ..media.segment import checksum
from ..recipe import Recipe, parse_time, with_files
from ..video import camera, shots
from .events import Event, Listener, Stop
from .fingerprint import Environment, absolute, differences, file_digest, inputs
from .plan import Part, Plan, Request
from .run_folder import RunFolder
from .setup import Setup
from .worker import ROWS

ALONE = 25  # frames dreamed without flow that make a segment of work
SAME_VIEW = 0.25  # px by which a camera may differ where a render goes on by another recipe
NAMED = 4  # differences that are named
FIXED = (  # what cannot change where a render goes on by another recipe
    "source was", "output was", "layer-out was", "save-octaves was", "clip.", "camera.loop", "camera.then_zoom",
    "temporal.cuts", "temporal.flow",
)  # fmt: skip


def new_plan(wanted: Request, setup: Setup, depth: int, folder: RunFolder, means: Environment) -> Plan:
    """Return a plan whose shots are not known yet.

    Args:
        wanted: by the user.
        setup: what that is set up as.
        depth: bits per channel that are kept of frames.
        folder: the run folder.
        means: what frames are dreamed with.
    """
    recipe, info = wanted.recipe, setup.info
    return Plan(
        source=wanted.source if wanted.source.startswith("noise:") else os.path.abspath(wanted.source),
        output=os.path.abspath(wanted.output) + ("/" if wanted.output.endswith("/") else ""),
        layer_out=wanted.layer_out and os.path.abspath(wanted.layer_out),
        save_octaves=wanted.save_octaves and os.path.abspath(wanted.save_octaves),
        keep=str((wanted.keep or folder.path).absolute()),
        parts=(Part(0, with_files(recipe, absolute).to_toml()),),
        made_with=means.made_with,
        inputs=inputs(wanted.source, recipe),
        width=info.width,
        height=info.height,
        depth=depth,
        count=info.count,
        cuts=(0,),
        checksums=(),
        precision=means.precision,
        threads=means.threads,
        memory_budget=means.memory_budget,
        overwrite=wanted.overwrite,
        comment=wanted.comment or setup.recipe.to_toml(),
    )


def go_on_with(
    folder: RunFolder, fresh: Plan, since: str, opened: Source, setup: Setup, on_event: Listener, stop: Stop
) -> Plan | None:
    """Return the plan to go on with, which is kept in the folder; None if it was stopped before there was one.

    Args:
        folder: the run folder, with a plan in it or not.
        fresh: what is asked for now.
        since: the moment from which on it is dreamed anew; empty for none.
        opened, setup: the source, and what it is set up as.
        on_event, stop: as for `dream_video`.

    Raises:
        DreamError: the folder holds another render.
    """
    begun = folder.plan if folder.holds_work else None
    if since and setup.recipe.camera.loop:
        raise DreamError("a loop is dreamed as a whole: leave --from out, or --restart it")
    if since and begun is None:
        raise DreamError(f"there is nothing before {since} to be kept: {folder.path} holds no render")
    if begun is None:
        folder.empty()  # of what somebody left who was cut off as he cleaned up
        found = _look_through(opened, setup, on_event, stop)
        plan = None if found is None else replace(fresh, count=found[0], cuts=found[1], checksums=found[2])
    elif since and ((index := _frame(since, begun, setup)) < begun.parts[-1].first or differences(begun, fresh)):
        plan = _since(folder, begun, fresh, index, setup, on_event)
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
    opened: Source, setup: Setup, on_event: Listener, stop: Stop
) -> tuple[int, tuple[int, ...], tuple[int, ...]] | None:
    """Return how many frames there are, those with which shots begin, and a checksum of each; None if stopped."""
    if opened.info.kind == "still" or setup.recipe.camera.loop:
        return setup.info.count, (0,), ()
    recipe, checksums, cuts = setup.recipe, list[int](), [0]

    def summed() -> Iterator[Frame]:
        for frame in opened:
            if frame.index >= setup.source_frames:
                break
            checksums.append(checksum(frame.pixels, ROWS))
            yield frame

    flows = recipe.temporal.flow != "none"
    mark = shots.shot_rule(recipe.temporal.cuts if flows else "none", parse_time(recipe.clip.start) or Fraction(0))
    with closing(mark(summed())) as marked:
        for frame, begins in marked:
            if begins and frame.index:
                cuts.append(frame.index)
            if stop():
                return None
            on_event(Event(frame.index + 1, setup.source_frames, phase="finding shots"))
    if not checksums:
        raise SourceError(f"no frame of {opened.info.path} can be decoded: is it complete?")
    count = setup.info.count if len(checksums) == setup.source_frames else len(checksums)
    if not flows:
        cuts = list(range(0, len(checksums), ALONE))
    return count, tuple(cuts), tuple(checksums)


def _frame(since: str, begun: Plan, setup: Setup) -> int:
    """Return the first frame at a moment of the source or after it.

    Raises:
        DreamError: the film has none.
    """
    first, rate = setup.info.start + setup.info.delay, setup.info.rate
    index = math.ceil(((parse_time(since) or Fraction(0)) - first) * rate)
    if not 0 <= index < begun.count:
        last = float(first + begun.count / rate)
        raise DreamError(f"--from {since} lies outside the film: take a moment from {float(first):g} to {last:.6g} s")
    return index


def _since(folder: RunFolder, begun: Plan, fresh: Plan, index: int, setup: Setup, on_event: Listener) -> Plan:
    """Return a plan that goes on from a frame by another recipe; what lies behind that is let go of.

    The new recipe goes on from the state before that frame. Where that is not kept, the frames since the last one that
    is are dreamed again, as they were; what they were made of must be the same then.

    Raises:
        DreamError: what is to be kept would not fit what is to come.
    """
    told = [one for one in differences(begun, fresh) if one.startswith((*FIXED, f"{begun.source} "))]
    if told or setup.info.count < begun.count:
        raise DreamError(f"--from keeps frames of the same film ({'; '.join(told[:NAMED]) or 'it is shorter now'})")
    _check_view(begun.recipe(max(index - 1, 0)), setup, index)
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
    """Return the last frame, up to one, that can be gone on from, and at which a segment ends."""
    while True:
        at = next((segment.first for segment in folder.segments() if segment.first < index < segment.stop), index)
        found = folder.state(at)
        known = max(begun.shot(at), found[0] if found else 0)
        if known == index:
            return index
        index = known


def _made_otherwise(begun: Plan, fresh: Plan) -> bool:
    """Tell whether frames of a plan would come out otherwise now, its recipe scratch."""
    if begun.made_with != fresh.made_with:
        return True
    try:
        return any(file_digest(path) != was for path, was in begun.inputs.items())
    except (OSError, DreamError):
        return True


def _check_view(before: Recipe, setup: Setup, index: int) -> None:
    """Refuse a camera that would jump from one frame to the next."""
    size = setup.info.width, setup.info.height
    was, now = (
        camera.CameraPath(Animation(recipe, setup.timeline), *size).view(index) for recipe in (before, setup.recipe)
    )
    if camera.max_distance(was, now, *size) > SAME_VIEW:
        raise RecipeError("the camera would jump there: --from keeps the camera's way up to that moment as it was")
