"""A film, from a source to an output, by way of a run folder: planned, dreamed segment by segment, assembled."""

from __future__ import annotations

import shlex
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

from ..errors import DreamError, RecipeError, SinkError
from ..media.readers.frame import Source
from ..media.readers.source import open_source
from ..media.segment import SegmentError
from ..recipe import Recipe
from ..video import camera
from ..video.two_passes import STRETCH
from . import side_outputs
from .assemble import assemble, assemble_part
from .events import Event, Listener, Result, Stop, ignore, never
from .executor import Executor, Inline
from .loop_job import dream_loop, loop_so_far
from .plan import Plan, Request
from .resume import go_on_with, new_plan
from .run_folder import RunFolder, run_folder
from .setup import Setup, makes_film, selection_of, set_up
from .still import still
from .tasks import missing_tasks

TRIES = 3  # that segments which come back damaged are given
CHECKPOINT = 25  # frames that are lost at most, when a render is cut off


@dataclass(frozen=True)
class RunOptions:
    """How a render is run, whatever comes of it (see `dream_video`)."""

    checkpoint: int
    keep_work: bool
    restart: bool
    since: str
    executor: Executor
    on_event: Listener
    stop: Stop


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
    executor: Executor | None = None,
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
        checkpoint: frames that are dreamed again at most, after it was cut off; 1 or more.
        restart: whether what an unfinished render left is thrown away.
        since: seconds or mm:ss.s from the source's start; what lies before is kept, the rest dreamed by this recipe.
        executor: what dreams the frames (see `Executor`); this process if None.
        on_event: called after every frame and for every notice, on this thread.
        stop: asked after every frame; once it says yes, what is done is kept, and the output not yet written.

    Raises:
        DreamError: bad input, output, network or recipe, or an unfinished render of another; nothing is left
            half-written, and what is dreamed is kept.
    """
    wanted = Request(str(source), str(output), recipe or Recipe(), overwrite, str(layer_out), str(save_octaves), keep)
    how = RunOptions(checkpoint, keep_work, restart, since, executor or Inline(), on_event, stop)
    return _render(run_folder(wanted.output, work), wanted, how)


def resume(
    folder: str | Path,
    *,
    overwrite: bool = False,
    keep_work: bool = False,
    checkpoint: int = CHECKPOINT,
    executor: Executor | None = None,
    on_event: Listener = ignore,
    stop: Stop = never,
) -> Result:
    """Go on with a render that was cut off, from its run folder (see `dream_video`).

    Raises:
        DreamError: as `dream_video`; also where the folder holds no render.
    """
    plan = Plan.read(Path(folder) / "plan.json")
    wanted = Request(
        plan.source, plan.output, plan.recipe(), plan.overwrite or overwrite, plan.layer_out, plan.save_octaves,
        Path(plan.keep), plan.comment,
    )  # fmt: skip
    return _render(
        Path(folder), wanted, RunOptions(checkpoint, keep_work, False, "", executor or Inline(), on_event, stop)
    )


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
    with open_source(plan.source, selection_of(recipe.clip)) as opened:
        setup = set_up(opened.info, recipe, plan.output, Path(plan.keep))
        so_far = loop_so_far if recipe.camera.loop else assemble_part
        try:
            return so_far(Path(folder), plan, opened, setup, overwrite, on_event)
        except (OSError, DreamError) as error:
            if (Path(folder) / "plan.json").exists():
                raise
            raise DreamError(f"{plan.output} was finished meanwhile, and {folder} is gone") from error


def _render(where: Path, wanted: Request, how: RunOptions) -> Result:
    """Render by way of a run folder; a single picture at once."""
    if how.restart and how.since:
        raise RecipeError("--restart keeps nothing that lies before --from: give one of them")
    if how.checkpoint < 1:
        raise RecipeError(f"--checkpoint {how.checkpoint} keeps nothing: give 1 or more")
    side_outputs.check_not_input(wanted.output, wanted.recipe)
    if wanted.recipe.camera.loop:  # every frame of it needs the others
        how = replace(how, executor=Inline())
    with open_source(wanted.source, selection_of(wanted.recipe.clip)) as opened:
        if opened.info.kind == "still" and not makes_film(wanted.recipe, wanted.output):
            return still(
                opened, wanted.output, wanted.recipe, wanted.overwrite, wanted.layer_out, wanted.save_octaves,
                how.on_event, how.stop,
            )  # fmt: skip
        with closing(RunFolder(where)) as folder:
            setup = set_up(opened.info, wanted.recipe, wanted.output, wanted.keep or folder.path)
            depth, told = _rehearse(wanted, setup, folder, how.restart)
            fresh = new_plan(wanted, setup, depth, folder, how.executor.environment(wanted.recipe))
            fresh = replace(fresh, memory_budget=how.executor.make_ready(setup, fresh))
            if how.restart:  # once it is known that there is something to begin anew with
                folder.empty()
            for notice in (*opened.info.notices, *setup.notices, *told, *_advice(setup)):
                how.on_event(Event(0, setup.info.count, notice))
            plan = go_on_with(folder, fresh, how.since, opened, setup, how.on_event, how.stop)
            if plan is None:
                return Result(wanted.output, 0, setup.info.count, True)
            result = _dream(folder, plan, how, opened, setup, told)
            if not (result.stopped or how.keep_work):
                folder.remove()
            return replace(result, path=wanted.output, folder=str(folder.path) if folder.holds_work else "")


def _rehearse(wanted: Request, setup: Setup, folder: RunFolder, restart: bool) -> tuple[int, list[str]]:
    """Open the outputs and close them again: an encoder that cannot is to be known before hours of dreaming.

    Returns:
        The bits per channel that are wanted of frames, and notices.
    """
    overwrite = wanted.overwrite or folder.assembling
    if wanted.save_octaves:
        begun = folder.plan is not None or restart  # those that stand there are its own
        side_outputs.octave_saver(wanted.save_octaves, setup.info.number, wanted.overwrite or begun)
    with side_outputs.open_outputs(wanted.output, wanted.layer_out, setup, overwrite, folder.path) as (sink, _):
        return sink.useful_depth, list(sink.notices)


def _dream(folder: RunFolder, plan: Plan, how: RunOptions, opened: Source, setup: Setup, told: list[str]) -> Result:
    """Dream what is missing, and put all together."""
    try:
        if setup.recipe.camera.loop:
            return dream_loop(folder, plan, opened, setup, how.checkpoint, told, how.on_event, how.stop)
        for _ in range(TRIES):
            try:
                done = _dream_missing(folder, plan, how, setup)
                if done < plan.count or how.stop():
                    return Result(plan.output, done, plan.count, True)
                return assemble(folder, plan, opened, setup, told, how.on_event, how.stop)
            except SegmentError as damage:  # what was written is not what is read: once more
                how.on_event(Event(0, plan.count, f"{damage}: its frames are dreamed again"))
                folder.forget(damage.path)
        raise SinkError(f"what is written into {folder.path} comes back damaged: keep it on another disk, by --work")
    except DreamError as error:
        if not folder.holds_work:
            raise
        raise type(error)(f"{error}; {_kept(folder, plan)}") from error


def _dream_missing(folder: RunFolder, plan: Plan, how: RunOptions, setup: Setup) -> int:
    """Dream all that is missing; return the frames that are done, which are fewer where it was stopped."""
    begun = False
    while tasks := missing_tasks(plan, folder, how.executor.by_shot):
        done = sum(len(segment.checksums) for segment in folder.segments())
        if done and not begun:
            how.on_event(Event(done, plan.count, f"going on from what is done: {done} of {plan.count} frames"))
        begun, wanted = True, done + sum(task.stop - task.first for task in tasks)
        done = how.executor.run(plan, tasks, folder, setup, how.checkpoint, how.on_event, how.stop)
        if done < wanted or how.stop():
            return done
    return plan.count


def _advice(setup: Setup) -> list[str]:
    """Return what should be known of a render before it begins."""
    recipe, told = setup.recipe, []
    if recipe.camera.loop:
        told.append("a loop is dreamed twice round and a quarter, and written then")
    elif recipe.temporal.passes == 2 and recipe.temporal.flow != "none" and setup.source_frames > 1:
        told.append(
            f"in two passes: the bar moves, and Ctrl-C is heard, once up to {STRETCH} frames are dreamed backwards"
        )
    if (
        setup.source_frames < setup.info.count
        and setup.source_frames == 1
        and recipe.temporal.morph == 0
        and camera.is_still(recipe)
    ):
        told.append("nothing moves: give the camera something to do, like --zoom 1.5, or let it --morph 0.5")
    return told


def _kept(folder: RunFolder, plan: Plan) -> str:
    done = sum(len(segment.checksums) for segment in folder.segments())
    kept = f"{done} of {plan.count} frames are kept" if done else "what is done is kept"
    return f"{kept}: dreamvideo resume {shlex.quote(str(folder.path))} goes on"
