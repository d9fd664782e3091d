"""A film, from a source to an output, by way of a run folder: planned, dreamed piece by piece, assembled."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import torch

from .. import camera, media, outputs, shots, stage
from ..errors import DreamError, RecipeError, SourceError
from ..media.piece import checksum
from ..pipeline import STRETCH
from ..recipe import Recipe, parse_time
from ..score import Score
from ..stage import Stage
from .assembly import assemble, assemble_part
from .events import Event, Listener, Result, Stop, ignore, never
from .folder import RunFolder, run_folder
from .inline import Executor, inline
from .plan import Part, Plan, differences, inputs, located, made_with
from .single import still
from .worker import ROWS, Task

CHECKPOINT = 25  # frames that are lost at most, when a render is cut off
ALONE = 25  # frames dreamed without flow that make a piece of work
SAME_VIEW = 0.25  # px by which a camera may differ where a render goes on by another recipe
NAMED = 4  # differences that are named


def dream_video(
    source: str | Path,
    output: str | Path,
    recipe: Recipe | None = None,
    *,
    overwrite: bool = False,
    layer_out: str | Path = "",
    save_octaves: str | Path = "",
    keep: Path | None = None,
    work: str | Path | None = None,
    keep_work: bool = False,
    checkpoint: int = CHECKPOINT,
    restart: bool = False,
    since: str = "",
    executor: Executor = inline,
    on_event: Listener = ignore,
    stop: Stop = never,
) -> Result:
    """Dream a film, a frame sequence or a still into a file; go on with it where it was cut off.

    What is done lies in a run folder until the output is whole. Called again with the same arguments, it goes on from
    there, and the frames come out as if nothing had happened.

    Args:
        source: film, folder, glob, printf pattern, picture, or `noise:`.
        output: what to write; its name decides the format (see README).
        recipe: all parameters; the defaults if None.
        overwrite: whether an existing output may be replaced.
        layer_out: where the dream alone is written: RGBA that makes the output again, laid over the source.
        save_octaves: a folder for the dream of every frame at every octave's size, 00001-384x216.png.
        keep: a folder to keep the analysis of music in, so that it need not be listened to again.
        work: a folder for the run folder, OUTPUT.dream; beside the output if None.
        keep_work: whether the run folder stays when the output is whole.
        checkpoint: frames that are dreamed again at most, after it was cut off.
        restart: whether what an unfinished render left is thrown away.
        since: seconds or mm:ss.s from the source's start; what lies before is kept, the rest dreamed by this recipe.
        executor: what dreams the frames (see `Executor`).
        on_event: called after every frame and for every notice, on this thread.
        stop: asked after every frame; once it says yes, what is done is kept, and the output not yet written.

    Raises:
        DreamError: bad input, output, network or recipe, or an unfinished render of another; nothing is left
            half-written, and what is dreamed is kept.
    """
    source, output, layer_out, octaves = str(source), str(output), str(layer_out), str(save_octaves)
    recipe = recipe or Recipe()
    outputs.spare_inputs(output, recipe)
    with media.open_source(source, recipe.clip) as opened:
        if opened.info.kind == "still" and not stage.makes_film(recipe, output):
            return still(opened, output, recipe, overwrite, layer_out, octaves, on_event, stop)
        with closing(RunFolder(run_folder(output, work))) as folder:
            if restart:
                folder.empty()
            staged = stage.set_up(opened.info, recipe, output, keep or folder.path)
            with outputs.open_outputs(output, layer_out, staged, overwrite or folder.assembling, folder.path) as (
                sink,
                _,
            ):
                depth, told = sink.depth, list(sink.notices)  # an encoder that cannot is known before it is dreamed
            if octaves and folder.plan is None:
                outputs.octaves(octaves, staged.info.number, overwrite)
            for notice in (*opened.info.notices, *staged.notices, *told, *_advice(staged)):
                on_event(Event(0, staged.info.count, notice))
            now = Plan(
                source if source.startswith("noise:") else os.path.abspath(source),
                os.path.abspath(output), layer_out and os.path.abspath(layer_out), octaves and os.path.abspath(octaves),
                str((keep or folder.path).absolute()), (Part(0, located(recipe, os.path.abspath).to_toml()),),
                made_with(recipe), inputs(source, recipe), staged.info.width, staged.info.height, depth,
                staged.info.count, (), (), _threads(recipe, executor), None, overwrite,
                staged.recipe.to_toml(),
            )  # fmt: skip
            plan = _plan(folder, now, since, opened, staged, on_event, stop)
            if plan is None:
                return Result(output, 0, now.count, True)
            return _go_on(folder, plan, opened, staged, checkpoint, executor, keep_work, set(told), on_event, stop)


def resume(
    folder: str | Path,
    *,
    keep_work: bool = False,
    checkpoint: int = CHECKPOINT,
    executor: Executor = inline,
    on_event: Listener = ignore,
    stop: Stop = never,
) -> Result:
    """Go on with a render that was cut off, from its run folder (see `dream_video`).

    Raises:
        DreamError: as `dream_video`; also where the folder holds no render.
    """
    plan = Plan.read(Path(folder) / "plan.json")
    return dream_video(
        plan.source, plan.output, plan.recipe(), overwrite=plan.overwrite, layer_out=plan.layer_out,
        save_octaves=plan.save_octaves, keep=Path(plan.keep), work=Path(folder).absolute().parent, keep_work=keep_work,
        checkpoint=checkpoint, executor=executor, on_event=on_event, stop=stop,
    )  # fmt: skip


def assemble_now(folder: str | Path, *, overwrite: bool = False, on_event: Listener = ignore) -> Result:
    """Write what is dreamed so far into a playable file beside the output, out.partial.mp4; nothing else is touched.

    A shot that is not dreamed yet, while a later one is, shows as it was filmed.

    Args:
        folder: the run folder, whether somebody is at work on it or not.
        overwrite: whether such a file may be replaced.
        on_event: as for `dream_video`.

    Raises:
        DreamError: nothing is dreamed yet, or the file cannot be written.
    """
    plan = Plan.read(Path(folder) / "plan.json")
    recipe = plan.recipe()
    with media.open_source(plan.source, recipe.clip) as opened:
        staged = stage.set_up(opened.info, recipe, plan.output, Path(plan.keep))
        return assemble_part(Path(folder), plan, opened, staged, overwrite, on_event)


def _plan(
    folder: RunFolder, now: Plan, since: str, opened: media.Source, staged: Stage, on_event: Listener, stop: Stop
) -> Plan | None:
    """Return the plan to go on with: the one that was begun, or a new one; None if it was stopped before."""
    begun = folder.plan
    if begun is None and since:
        raise DreamError(f"there is nothing before {since} to be kept: {folder.path} holds no render")
    if begun is None:
        found = _look_through(opened, staged, on_event, stop)
        if found is None:
            return None
        count, cuts, sums = found
        plan = replace(now, count=count, cuts=cuts, sums=sums)
    elif since:
        plan = _since(folder, begun, now, since, staged)
    else:
        if told := differences(begun, now):
            more = f" and {len(told) - NAMED} more" if len(told) > NAMED else ""
            raise DreamError(
                f"{folder.path} holds a render that was begun otherwise ({'; '.join(told[:NAMED])}{more}): ask for the "
                "same again to go on, --from a time to keep what lies before it, or --restart to throw it away"
            )
        *kept, last = begun.parts  # how the output is encoded may have changed
        plan = replace(begun, parts=(*kept, replace(last, recipe=now.parts[0].recipe)), overwrite=now.overwrite)
    folder.begin(plan)
    return plan


def _look_through(
    opened: media.Source, staged: Stage, on_event: Listener, stop: Stop
) -> tuple[int, tuple[int, ...], tuple[int, ...]] | None:
    """Return how many frames there are, those with which shots begin, and a checksum of each; None if stopped."""
    if opened.info.kind == "still":
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


def _since(folder: RunFolder, begun: Plan, now: Plan, since: str, staged: Stage) -> Plan:
    """Return a plan that goes on from a moment by another recipe; what lies behind that is let go of.

    Raises:
        DreamError: what is to be kept would not fit what is to come.
    """
    frames = (
        "source",
        "output",
        "layer-out",
        "save-octaves",
        "clip.",
        "camera.loop",
        "camera.then_zoom",
        "temporal.cuts",
    )
    told = [one for one in differences(begun, now) if one.startswith((*frames, begun.source))]
    if told or staged.info.count < begun.count:
        raise DreamError(f"--from keeps frames of the same film ({'; '.join(told[:NAMED]) or 'it is shorter now'})")
    info, moment = staged.info, parse_time(since) or Fraction(0)
    first = info.start + info.delay
    index = math.ceil((moment - first) * info.rate)
    if not 0 <= index < begun.count:
        raise DreamError(f"--from {since} lies outside the film: take a moment from {float(first):g} s on")
    if index:
        _check_view(begun.recipe(index - 1), staged, index)
    at = folder.state(index)
    resumed = max(begun.shot(index), at[0] if at else 0)  # what lies between is dreamed again, as it was
    folder.drop(resumed)
    parts = tuple(part for part in begun.parts if part.first < index)
    return replace(begun, parts=(*parts, Part(index, now.parts[0].recipe)), made_with=now.made_with, inputs=now.inputs)


def _check_view(before: Recipe, staged: Stage, index: int) -> None:
    """Refuse a camera that would jump from one frame to the next."""
    size = staged.info.width, staged.info.height
    was, now = (camera.Path(Score(recipe, staged.timeline), *size).view(index) for recipe in (before, staged.recipe))
    if camera.apart(was, now, *size) > SAME_VIEW:
        raise RecipeError("the camera would jump there: --from keeps the camera's way up to that moment as it was")


def _go_on(
    folder: RunFolder, plan: Plan, opened: media.Source, staged: Stage, checkpoint: int, executor: Executor,
    keep_work: bool, told: set[str], on_event: Listener, stop: Stop,
) -> Result:  # fmt: skip
    """Dream what is missing, and put it together."""
    tasks = missing(plan, folder, executor.apart)
    done = plan.count - sum(task.stop - task.first for task in tasks)
    if done and tasks:
        on_event(Event(done, plan.count, f"going on from what is done: {done} of {plan.count} frames"))
    if tasks:
        on_event(Event(done, plan.count))
    try:
        done = executor.run(plan, tasks, folder, staged, checkpoint, on_event, stop)
    except DreamError as error:
        if not folder.pieces():
            raise
        raise type(error)(f"{error}; {_kept(folder, plan)}") from error
    if done < plan.count or stop():
        left = str(folder.path) if folder.pieces() else ""
        return Result(plan.output, done, plan.count, True, folder=left)
    result = assemble(folder, plan, opened, staged, told, on_event, stop)
    if result.stopped or keep_work:
        return replace(result, folder=str(folder.path))
    folder.remove()
    return result


def _threads(recipe: Recipe, executor: Executor) -> int:
    """Return how many threads a frame is dreamed by: as many as there are, or one where several are dreamed at once."""
    return recipe.network.threads or (1 if executor.apart else torch.get_num_threads())


def _advice(staged: Stage) -> list[str]:
    """Return what should be known of a render before it begins."""
    recipe, told = staged.recipe, []
    if recipe.camera.loop:
        told.append("a loop is dreamed twice round and a quarter, and written then")
    elif recipe.temporal.passes == 2 and recipe.temporal.flow != "none" and staged.filmed > 1:
        told.append(
            f"in two passes: the bar moves, and Ctrl-C is heard, once up to {STRETCH} frames are dreamed backwards"
        )
    if staged.filmed < staged.info.count and staged.filmed == 1 and recipe.temporal.morph == 0 and camera.rests(recipe):
        told.append("nothing moves: give the camera something to do, like --zoom 1.5, or let it --morph 0.5")
    return told


def _kept(folder: RunFolder, plan: Plan) -> str:
    done = sum(len(piece.sums) for piece in folder.pieces())
    return f"{done} of {plan.count} frames are kept: dreamvideo resume {folder.path} goes on"


def missing(plan: Plan, folder: RunFolder, apart: bool) -> list[Task]:
    """Return what is still to be dreamed.

    Args:
        plan, folder: of the render.
        apart: whether every shot is a task of its own, which others need not wait for.
    """
    borders = {part.first for part in plan.parts} | (set(plan.cuts) if apart else set())
    tasks, at = [], 0
    for first, stop in [*((piece.first, piece.stop) for piece in folder.pieces()), (plan.count, plan.count)]:
        if first > at:
            ends = [at, *sorted(border for border in borders if at < border < first), first]
            tasks += [_task(plan, folder, *span) for span in pairwise(ends)]
        at = stop
    return tasks


def _task(plan: Plan, folder: RunFolder, first: int, stop: int) -> Task:
    """Return a task that begins with the latest frame whose beginning is known."""
    shot = plan.shot(first)
    found = folder.state(first) if first > shot else None
    return Task(first, stop, *found) if found and found[0] > shot else Task(first, stop, shot)
