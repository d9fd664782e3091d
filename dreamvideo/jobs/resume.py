"""Makes the plan of a render: a new one, or the one that was begun before, with another recipe or without."""

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
from ..recipe import Clip, Recipe, parse_time, with_files
from ..video import camera, shots
from .events import Control, Event, Listener
from .fingerprint import Difference, Environment, absolute, differences, inputs
from .plan import Part, Plan, Request
from .run_folder import RunFolder
from .setup import Setup
from .worker import CHECKSUM_ROWS

FLOWLESS_SHOT = 25  # frames that make a shot where they are dreamed without flow, each on its own
SAME_VIEW = 0.25  # px by which the camera may differ where another recipe takes over
NAMED = 4  # differences that an error names
FIXED = frozenset(  # what has to stay as it was when another recipe takes over (besides the source's content)
    ("source", "output", "layer-out", "save-octaves", "camera.loop", "camera.then_zoom", "temporal.cuts",
     "temporal.flow", *(f"clip.{field.name}" for field in dataclasses.fields(Clip)))
)  # fmt: skip


def new_plan(wanted: Request, setup: Setup, depth: int, folder: RunFolder, made_by: Environment) -> Plan:
    """Return a plan whose shots are not known yet.

    Args:
        wanted: by the user.
        setup: what that means for this source.
        depth: bits per channel of the segments.
        folder: the run folder.
        made_by: what the frames are dreamed with.
    """
    recipe, info = wanted.recipe, setup.info
    return Plan(
        source=wanted.source if wanted.source.startswith("noise:") else os.path.abspath(wanted.source),
        output=os.path.abspath(wanted.output) + ("/" if wanted.output.endswith("/") else ""),
        layer_out=wanted.layer_out and os.path.abspath(wanted.layer_out),
        save_octaves=wanted.save_octaves and os.path.abspath(wanted.save_octaves),
        audio_cache=str((wanted.audio_cache or folder.path).absolute()),
        parts=(Part(0, with_files(recipe, absolute).to_toml()),),
        made_with=made_by.made_with,
        device=made_by.device,
        inputs=inputs(wanted.source, recipe),
        width=info.width,
        height=info.height,
        depth=depth,
        count=info.count,
        cuts=(0,),
        checksums=(),
        precision=made_by.precision,
        threads=made_by.threads,
        memory_budget=made_by.memory_budget,
        overwrite=wanted.overwrite,
        comment=wanted.comment or setup.recipe.to_toml(),
    )


def settle_plan(
    folder: RunFolder, fresh: Plan, since: str, opened: Source, setup: Setup, control: Control
) -> Plan | None:
    """Write the plan to render by into the run folder, and return it; None if it was stopped before there was one.

    Args:
        folder: the run folder, with or without a plan.
        fresh: what is asked for now.
        since: the moment from which on a begun render is dreamed by the recipe asked for now; empty for none.
        opened, setup: the source, and what is rendered from it.
        control: as for `dream_video`.

    Raises:
        DreamError: the folder holds another render, or `since` cannot be had.
    """
    begun = folder.plan if folder.holds_work else None
    if since and setup.recipe.camera.loop:
        raise DreamError("every frame of a loop depends on all others: leave out --from, or begin anew with --restart")
    if since and begun is None:
        raise DreamError(f"there is nothing before {since} to keep: {folder.path} holds no render")
    if begun is None:
        folder.empty()  # an interrupted removal may have left something
        plan = _with_shots(fresh, opened, setup, control)
    elif since and ((index := _frame_at(since, begun, setup)) < begun.parts[-1].first or differences(begun, fresh)):
        plan = _changed_from(index, folder, begun, fresh, setup, control.on_event)
    else:
        plan = _continued(folder, begun, fresh, control.on_event)
    if plan is not None:
        folder.begin(plan)
    return plan


def _continued(folder: RunFolder, begun: Plan, fresh: Plan, on_event: Listener) -> Plan:
    """Return the plan that was begun; only how the output is encoded may have changed.

    Raises:
        DreamError: something else is asked for.
    """
    if found := differences(begun, fresh):
        more = f" and {len(found) - NAMED} more" if len(found) > NAMED else ""
        raise DreamError(
            f"{folder.path} holds another render ({_named(found)}{more}): repeat the command it was begun with to "
            "continue, give --from TIME to keep the frames before it, or --restart to throw it away"
        )
    if fresh.depth > begun.depth:
        notice = f"finished frames are kept in {begun.depth} bits per channel, though the output could hold more"
        on_event(Event(0, begun.count, notice))
    *parts, last = begun.parts
    encoding = dataclasses.asdict(fresh.recipe().encoding)
    last = replace(last, recipe=Recipe.from_toml(last.recipe).merge({"encoding": encoding}).to_toml())
    return replace(begun, parts=(*parts, last), overwrite=fresh.overwrite, comment=fresh.comment)


def _named(found: list[Difference]) -> str:
    return "; ".join(map(str, found[:NAMED]))


def _with_shots(fresh: Plan, opened: Source, setup: Setup, control: Control) -> Plan | None:
    """Return a plan with the shots and checksums of its source, which is read once for them; None if stopped."""
    if opened.info.kind == "still" or setup.recipe.camera.loop:
        return fresh
    checksums, cuts = list[int](), [0]

    def summed() -> Iterator[Frame]:
        for frame in opened:
            if frame.index >= setup.source_frames:
                break
            checksums.append(checksum(frame.pixels, CHECKSUM_ROWS))
            yield frame

    has_flow = setup.recipe.temporal.flow != "none"
    start = parse_time(setup.recipe.clip.start) or Fraction(0)
    mark = shots.shot_rule(setup.recipe.temporal.cuts if has_flow else "none", start)
    with closing(mark(summed())) as marked:
        for frame, begins in marked:
            if begins and frame.index:
                cuts.append(frame.index)
            if control.stop():
                return None
            control.on_event(Event(frame.index + 1, setup.source_frames, phase="finding shots"))
    if not checksums:
        raise SourceError(f"no frame of {opened.info.path} can be decoded: is it complete?")
    count = setup.info.count if len(checksums) == setup.source_frames else len(checksums)
    if not has_flow:
        cuts = list(range(0, len(checksums), FLOWLESS_SHOT))
    return replace(fresh, count=count, cuts=tuple(cuts), checksums=tuple(checksums))


def _frame_at(since: str, begun: Plan, setup: Setup) -> int:
    """Return the first frame at or after a moment of the source.

    Raises:
        DreamError: the film has none.
    """
    first, rate = setup.info.start + setup.info.delay, setup.info.rate
    index = math.ceil(((parse_time(since) or Fraction(0)) - first) * rate)
    if not 0 <= index < begun.count:
        last = float(first + begun.count / rate)
        raise DreamError(f"--from {since} lies outside the film: take a moment from {float(first):g} to {last:.6g} s")
    return index


def _changed_from(index: int, folder: RunFolder, begun: Plan, fresh: Plan, setup: Setup, on_event: Listener) -> Plan:
    """Return a plan that is continued from a frame on by another recipe, and drop the frames from there on.

    The new recipe starts from the state before that frame. If that state was not kept, the frames since the last one
    that was are dreamed again, by their own recipe, if that can still give the same frames; else by the new one.

    Raises:
        DreamError: the frames that are kept would not fit those to come.
    """
    found = differences(begun, fresh)
    if fixed := [one for one in found if one.name in (*FIXED, begun.source)]:
        raise DreamError(f"--from keeps frames of the same film ({_named(fixed)})")
    if setup.info.count < begun.count:
        raise DreamError("--from keeps frames of the same film (it is shorter now)")
    _check_view(begun.recipe(max(index - 1, 0)), setup, index)
    known = _latest_start(folder, begun, index)
    if known < index and any(one.kind in ("environment", "input") for one in found):
        notice = f"what frames {known} to {index - 1} were made with has changed: they are dreamed again by the new"
        on_event(Event(0, begun.count, f"{notice} recipe, too"))
        index = known
    folder.drop(known)
    return replace(
        begun,
        parts=(*(part for part in begun.parts if part.first < index), Part(index, fresh.parts[0].recipe)),
        made_with=fresh.made_with,
        device=fresh.device,
        inputs=begun.inputs | fresh.inputs,
        overwrite=fresh.overwrite,
        comment=fresh.comment,
    )


def _latest_start(folder: RunFolder, begun: Plan, index: int) -> int:
    """Return the latest frame, up to one, before which a segment ends and from which dreaming can start."""
    while True:
        at = next((segment.first for segment in folder.segments() if segment.first < index < segment.stop), index)
        found = folder.state(at)
        start = max(begun.shot(at), found[0] if found else 0)
        if start == index:
            return index
        index = start


def _check_view(before: Recipe, setup: Setup, index: int) -> None:
    """Refuse a camera that would jump from one frame to the next."""
    size = setup.info.width, setup.info.height
    was, now = (
        camera.CameraPath(Animation(recipe, setup.timeline), *size).view(index) for recipe in (before, setup.recipe)
    )
    if camera.max_distance(was, now, *size) > SAME_VIEW:
        raise RecipeError("the camera would jump there: with --from, its path up to that moment has to stay the same")
