"""Renders a loop: in one piece, since every frame depends on the one before it and on the lap before."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

from ..errors import DreamError
from ..media.readers.frame import Source
from ..video.engine import Engine
from ..video.loop import laps, layer_store, views
from ..video.process_settings import configure_process
from ..video.state import State
from ..video.state_file import state_from_bytes, state_to_bytes
from ..video.temporal_error import LoopErrors
from . import side_outputs
from .assemble import commit_output, open_output, partial_name, report_notices
from .checkpoint import SaveTimer
from .events import Control, Event, Listener, Result, report
from .flash_limited_writer import FlashLimitedWriter
from .plan import Plan
from .run_folder import RunFolder, latest_state
from .setup import Setup


def dream_loop(
    folder: RunFolder, plan: Plan, opened: Source, setup: Setup, reported: list[str], control: Control
) -> Result:
    """Dream a loop and write it.

    Args:
        folder, plan: of the render.
        opened, setup: the source, and what is rendered from it.
        reported: notices about the output that the user has seen already.
        control: as for `dream_video`.

    Raises:
        DreamError: a frame cannot be read or dreamed, or the output cannot be written; what is done is kept.
    """
    count, work = setup.info.count, laps.frames_to_dream(setup.info.count)
    with _open_loop(plan, opened, setup) as (view, engine):
        found = latest_state(folder.path)
        state = state_from_bytes(found[1], engine.device) if found else None
        done = state.index if state else 0
        if done:
            notice = f"continuing: {done} of the {work} frames that a loop takes are done"
            control.on_event(Event(done, work, notice))
        control.on_event(Event(done, work))
        with closing(layer_store.LayerStore(folder.path, setup.info.height, setup.info.width, done)) as layers:
            with closing(laps.dream_loop(view, engine, layers, state)) as states:
                done = _dream(states, done, work, partial(_save, folder, layers), engine, control)
            if done < work or control.stop():
                return Result(plan.output, done, work, True)
            with open_output(folder, plan, setup) as (sink, _):
                writer = FlashLimitedWriter(sink, setup, count, control.on_event)
                errors = LoopErrors()
                for picture, motion in laps.finish_loop(view, engine, layers):
                    errors.add(writer.write(picture), motion)
                    if control.stop():
                        return Result(plan.output, count, count, True)
                writer.finish()
                commit_output(sink, folder, plan, setup)
                report_notices(sink, reported, control.on_event)
    return Result(plan.output, count, count, False, errors.seam)


def _dream(
    states: Iterable[State], done: int, work: int, save: Callable[[State], None], engine: Engine, control: Control
) -> int:
    """Dream a loop's frames, and save them now and then.

    Args:
        states: dreams a frame each time one is drawn.
        done, work: how many frames are dreamed and saved already, and how many there are to be.
        save: keeps a state and its layers.
        engine: whose notices are reported.
        control: as for `dream_video`.

    Returns:
        How many are done: fewer than `work` if it was stopped.
    """
    timer, saved = SaveTimer(control.checkpoint), done
    for state in states:
        done, stopped = state.index, control.stop()
        if timer.due(done - saved) or done == work or stopped:
            save(state)
            saved = done
            timer.restart()
        report(engine.dreamer.notices, control.on_event, done, work)
        control.on_event(Event(done, work))
        if stopped:
            break
    return done


def _save(folder: RunFolder, layers: layer_store.LayerStore, state: State) -> None:
    """Keep a state and the layers that belong to it."""
    layers.seal(state.index)
    folder.save_only(state.index, state_to_bytes(state))
    layers.settle(state.index)


def loop_so_far(
    folder: Path, plan: Plan, opened: Source, setup: Setup, overwrite: bool, on_event: Listener, into: str = ""
) -> Result:
    """Write the finished frames of a loop into a file next to its output (see `assemble_now`)."""
    found = latest_state(folder)
    if found is None:
        raise DreamError(f"nothing is finished yet in {folder}: wait a while, or continue the render")
    name = partial_name(plan.output, into)
    with _open_loop(plan, opened, setup) as (view, engine), ExitStack() as stack:
        done = sorted(view.order[: state_from_bytes(found[1], engine.device).index])
        layers = layer_store.StoredLayers(folder, setup.info.height, setup.info.width)
        stack.callback(layers.close)
        setup = replace(setup, info=replace(setup.info, count=len(done), cut=True))
        outputs = side_outputs.open_outputs(name, "", setup, overwrite, comment=plan.comment)
        sink, _ = stack.enter_context(outputs)
        writer = FlashLimitedWriter(sink, setup, len(done), on_event)
        for picture, _ in laps.finish_loop(view, engine, layers, done):
            writer.write(picture)
        writer.finish()
        sink.commit(whole=False)
    return Result(name, len(done), setup.info.count, True, folder=str(folder))


@contextmanager
def _open_loop(plan: Plan, opened: Source, setup: Setup) -> Iterator[tuple[views.LoopView, Engine]]:
    configure_process(plan.recipe().network, plan.threads)
    engine = Engine(plan.settled(setup.recipe), setup.timeline, plan.memory_budget)
    with views.open_loop(opened, setup.source_frames, setup.blend_frames, setup.timeline, engine) as circle:
        yield circle, engine
