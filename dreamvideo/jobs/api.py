"""Renders a source into an output by way of a run folder: plans it, dreams what is missing, assembles it."""

from __future__ import annotations

import shlex
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

from ..errors import DreamError, RecipeError, SinkError
from ..media.readers.frame import Source
from ..media.readers.source import open_source
from ..media.segment import SegmentError
from ..recipe import Encoding, Recipe
from ..video import camera
from ..video.two_passes import STRETCH
from . import side_outputs
from .assemble import assemble, assemble_part
from .checkpoint import CHECKPOINT_FRAMES
from .events import Control, Event, Listener, Result, Stop, ignore, never
from .executor import Executor, Inline
from .extent import makes_film
from .loop_job import dream_loop, loop_so_far
from .plan import Plan, Request
from .resume import new_plan, settle_plan
from .run_folder import RunFolder, run_folder
from .setup import Setup, selection_for, set_up
from .still import render_still
from .tasks import frame_to_dream_again, missing_tasks

TRIES = 3  # for segments that come back damaged


@dataclass(frozen=True)
class RunOptions:
    """How a render is run, whatever it shows (see `dream_video`)."""

    executor: Executor
    control: Control
    keep_work: bool = False
    restart: bool = False
    since: str = ""


def dream_video(
    source: str | Path,
    output: str | Path,
    recipe: Recipe | None = None,
    *,
    overwrite: bool = False,
    layer_out: str | Path = "",
    save_octaves: str | Path = "",
    audio_cache: Path | None = None,
    work: str | Path | None = None,
    keep_work: bool = False,
    checkpoint: int = CHECKPOINT_FRAMES,
    restart: bool = False,
    since: str = "",
    executor: Executor | None = None,
    on_event: Listener = ignore,
    stop: Stop = never,
) -> Result:
    """Dream a film, a frame sequence or a still into a file; continue it if it was interrupted before.

    Finished frames are kept in a run folder until the output is complete. Called again with the same arguments, it
    continues from them, and the frames come out as if it had never been interrupted.

    Args:
        source: film, folder, glob, printf pattern, picture, or `noise:`.
        output: what to write; its name decides the format (see README).
        recipe: all parameters; the defaults if None.
        overwrite: whether an existing output may be replaced.
        layer_out: where to write the dream alone, as RGBA that gives the output again when laid over the source.
        save_octaves: a folder for the dream of every frame at the size of every octave, 00001-384x216.png.
        audio_cache: a folder for the analysis of music, which takes time; the run folder if None.
        work: a folder for the run folder OUTPUT.dream; the output's own folder if None.
        keep_work: whether the run folder stays when the output is complete.
        checkpoint: frames after which progress is saved, 1 or more; it is saved at least every 30 s, too.
        restart: whether the work of an unfinished render is thrown away.
        since: seconds or mm:ss.s from the source's start; the frames before are kept, the rest dreamed by this recipe.
        executor: dreams the frames (see `Executor`); this process if None.
        on_event: called after every frame and for every notice, on this thread.
        stop: asked after every frame; once it returns True, what is done is saved and the output not written yet.

    Raises:
        DreamError: input, output, network or recipe cannot be used, or the run folder holds another render; no file
            is left incomplete, and finished frames are kept.
    """
    wanted = Request(
        str(source), str(output), recipe or Recipe(), overwrite, str(layer_out), str(save_octaves), audio_cache
    )
    options = RunOptions(executor or Inline(), Control(on_event, stop, checkpoint), keep_work, restart, since)
    return _render(run_folder(wanted.output, work), wanted, options)


def resume(
    folder: str | Path,
    *,
    overwrite: bool = False,
    keep_work: bool = False,
    checkpoint: int = CHECKPOINT_FRAMES,
    executor: Executor | None = None,
    on_event: Listener = ignore,
    stop: Stop = never,
) -> Result:
    """Continue an interrupted render from its run folder (see `dream_video`).

    Raises:
        DreamError: as `dream_video`; also if the folder holds no render.
    """
    plan = Plan.read(Path(folder) / "plan.json")
    wanted = Request(
        plan.source, plan.output, plan.recipe(), plan.overwrite or overwrite, plan.layer_out, plan.save_octaves,
        Path(plan.audio_cache), plan.comment,
    )  # fmt: skip
    options = RunOptions(executor or Inline(), Control(on_event, stop, checkpoint), keep_work)
    return _render(Path(folder), wanted, options)


def assemble_now(
    folder: str | Path, *, into: str | Path = "", overwrite: bool = False, on_event: Listener = ignore
) -> Result:
    """Write the frames that are finished so far into a playable file next to the output, out.partial.mp4.

    The render itself is not touched. A shot that is missing while a later one is finished shows the source's frames.

    Args:
        folder: the run folder; a render may be working on it meanwhile.
        into: another file to write instead, by its file type's own encoder.
        overwrite: whether an existing file of that name may be replaced.
        on_event: as for `dream_video`.

    Raises:
        DreamError: nothing is finished yet, or the file cannot be written.
    """
    plan = Plan.read(Path(folder) / "plan.json")
    recipe = replace(plan.recipe(), encoding=Encoding()) if into else plan.recipe()
    with open_source(plan.source, selection_for(recipe, plan.output)) as opened:
        setup = set_up(opened.info, recipe, plan.output, Path(plan.audio_cache))
        so_far = loop_so_far if recipe.camera.loop else assemble_part
        try:
            return so_far(Path(folder), plan, opened, setup, overwrite, on_event, str(into))
        except (OSError, DreamError) as error:
            if (Path(folder) / "plan.json").exists():
                raise
            raise DreamError(f"{plan.output} was finished meanwhile, and {folder} removed") from error


def _render(where: Path, wanted: Request, options: RunOptions) -> Result:
    """Render a film by way of a run folder, or a single picture without."""
    if options.restart and options.since:
        raise RecipeError("--restart keeps no frames, --from keeps some: give one of them")
    if options.control.checkpoint < 1:
        raise RecipeError(f"--checkpoint {options.control.checkpoint} would never save anything: give 1 or more")
    side_outputs.check_not_input(wanted.output, wanted.recipe)
    if wanted.recipe.camera.loop:  # every frame needs all others
        options = replace(options, executor=Inline())
    with open_source(wanted.source, selection_for(wanted.recipe, wanted.output)) as opened:
        if opened.info.kind == "still" and not makes_film(wanted.recipe, wanted.output):
            return render_still(opened, wanted, options.control)
        with closing(RunFolder(where)) as folder:
            return _render_film(folder, wanted, options, opened)


def _render_film(folder: RunFolder, wanted: Request, options: RunOptions, opened: Source) -> Result:
    setup = set_up(opened.info, wanted.recipe, wanted.output, wanted.audio_cache or folder.path)
    depth, reported = _try_outputs(wanted, setup, folder, options.restart)
    fresh = new_plan(wanted, setup, depth, folder, options.executor.environment(wanted.recipe))
    fresh = replace(fresh, memory_budget=options.executor.make_ready(setup, fresh))
    if options.restart:  # not before it is known that the new render can begin
        folder.empty()
    for notice in (*opened.info.notices, *setup.notices, *reported, *_advice(setup)):
        options.control.on_event(Event(0, setup.info.count, notice))
    plan = settle_plan(folder, fresh, options.since, opened, setup, options.control)
    if plan is None:
        return Result(wanted.output, 0, setup.info.count, True)
    found = opened.notices  # which come up while the source is read for its shots, or for a loop
    for notice in found:
        options.control.on_event(Event(0, plan.count, notice))
    result = _dream(folder, plan, options, opened, setup, reported)
    for notice in (new for new in opened.notices if new not in found):
        options.control.on_event(Event(result.done, plan.count, notice))
    if not (result.stopped or options.keep_work):
        folder.remove()
    return replace(result, path=wanted.output, folder=str(folder.path) if folder.holds_work else "")


def _try_outputs(wanted: Request, setup: Setup, folder: RunFolder, restart: bool) -> tuple[int, list[str]]:
    """Open the outputs and close them again, so that an encoder that cannot work is noticed before hours of dreaming.

    Returns:
        The bits per channel that the outputs can make use of, and their notices.
    """
    overwrite = wanted.overwrite or folder.assembling
    if wanted.save_octaves:
        own = restart or folder.plan is not None  # octaves that exist are this render's own
        side_outputs.octave_saver(wanted.save_octaves, setup.info, wanted.overwrite or own)
    with side_outputs.open_outputs(wanted.output, wanted.layer_out, setup, overwrite, folder.path) as (sink, _):
        return sink.useful_depth, list(sink.notices)


def _dream(
    folder: RunFolder, plan: Plan, options: RunOptions, opened: Source, setup: Setup, reported: list[str]
) -> Result:
    """Dream what is missing, and assemble the output; segments that come back damaged are dreamed again."""
    control = options.control
    try:
        if setup.recipe.camera.loop:
            return dream_loop(folder, plan, opened, setup, reported, control)
        for _ in range(TRIES):
            try:
                done = _dream_missing(folder, plan, options, setup)
                if done < plan.count or control.stop():
                    return Result(plan.output, done, plan.count, True)
                return assemble(folder, plan, opened, setup, reported, control)
            except SegmentError as damage:
                control.on_event(Event(0, plan.count, f"{damage}: its frames are dreamed again"))
                folder.forget(damage.path)
        raise SinkError(f"files come back damaged from {folder.path}: choose a folder on another disk, by --work")
    except DreamError as error:
        if not folder.holds_work:
            raise
        raise type(error)(f"{error}; {_what_is_kept(folder, plan)}") from error


def _dream_missing(folder: RunFolder, plan: Plan, options: RunOptions, setup: Setup) -> int:
    """Dream all missing frames; return how many are finished: fewer than the plan has if it was stopped."""
    control, by_shot, begun = options.control, options.executor.by_shot, False
    while True:
        while (first := frame_to_dream_again(plan, folder.segments(), folder.state, by_shot)) is not None:
            folder.drop(first)
        tasks = missing_tasks(plan, folder.segments(), folder.state, by_shot)
        if not tasks:
            return plan.count
        done = folder.done
        if done and not begun:
            control.on_event(Event(done, plan.count, f"continuing: {done} of {plan.count} frames are done"))
        begun, expected = True, done + sum(task.stop - task.first for task in tasks)
        done = options.executor.run(plan, tasks, folder, setup, control)
        if done < expected or control.stop():
            return done


def _advice(setup: Setup) -> list[str]:
    """Return what a user should know about a render before it begins."""
    recipe, info, advice = setup.recipe, setup.info, list[str]()
    if recipe.camera.loop:
        advice.append("a loop is dreamed two and a quarter times around before it is written")
    elif recipe.temporal.passes == 2 and recipe.temporal.flow != "none" and setup.source_frames > 1:
        advice.append(
            f"in two passes: up to {STRETCH} frames at a time are dreamed backwards first, during which the bar stands "
            "still and Ctrl-C has to wait"
        )
    if setup.source_frames == 1 < info.count and recipe.temporal.morph == 0 and camera.is_still(recipe):
        advice.append("nothing moves: move the camera, like --zoom 1.5, or let the dream change, like --morph 0.5")
    return advice


def _what_is_kept(folder: RunFolder, plan: Plan) -> str:
    done = folder.done
    kept = f"{done} of {plan.count} frames are kept" if done else "what is done is kept"
    return f"{kept}: continue with dreamvideo resume {shlex.quote(str(folder.path))}"
