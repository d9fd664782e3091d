"""A loop, dreamed as one segment, since every frame of it is made of the one before and of the round before."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace
from pathlib import Path

from torch import Tensor

from ..errors import DreamError
from ..finish.flash import FlashLimiter
from ..media.readers.frame import Source
from ..media.writers.sink import Sink
from ..video.engine import Engine
from ..video.flow import Motion
from ..video.loop import laps, layer_store, views
from ..video.process import configure_process
from ..video.state_file import state_from_bytes, state_to_bytes
from ..video.temporal_error import LoopErrors
from . import side_outputs
from .assemble import WRITING, commit_output, open_output, partial_name
from .events import Event, Listener, Result, Stop
from .plan import Plan
from .run_folder import RunFolder, latest_state
from .setup import Setup, limits_flashes


def dream_loop(
    folder: RunFolder, plan: Plan, opened: Source, setup: Setup, checkpoint: int, told: list[str],
    on_event: Listener, stop: Stop,
) -> Result:  # fmt: skip
    """Dream a loop and write it (see `dream_video`)."""
    count = setup.info.count
    work = laps.frames_to_dream(count)
    with _circle(plan, opened, setup) as (circle, engine):
        found = latest_state(folder.path)
        state = state_from_bytes(found[1], engine.device) if found else None
        done = state.index if state else 0
        if done:
            on_event(Event(done, work, f"going on from what is done: {done} of the {work} frames that a loop takes"))
        on_event(Event(done, work))
        with closing(layer_store.LayerStore(folder.path, setup.info.height, setup.info.width, done)) as layers:
            with closing(laps.dream_loop(circle, engine, layers, state)) as states:
                for state in states:
                    stopped = stop()
                    if state.index % checkpoint == 0 or state.index == work or stopped:
                        layers.seal(state.index)
                        folder.save_only(state.index, state_to_bytes(state))
                        layers.settle(state.index)
                    while engine.dreamer.notices:
                        on_event(Event(state.index, work, engine.dreamer.notices.pop(0)))
                    on_event(Event(state.index, work))
                    if stopped:
                        return Result(plan.output, state.index, work, True)
            with open_output(folder, plan, setup) as (sink, _):
                errors = LoopErrors()
                for picture, motion in _written(laps.finish_loop(circle, engine, layers), setup, sink, on_event, count):
                    errors.add(picture, motion)
                    if stop():
                        return Result(plan.output, count, count, True)
                commit_output(sink, folder, told, on_event)
    return Result(plan.output, count, count, False, errors.seam)


def loop_so_far(folder: Path, plan: Plan, opened: Source, setup: Setup, overwrite: bool, on_event: Listener) -> Result:
    """Write the frames of a loop that are dreamed so far (see `assemble_now`): those that stand together."""
    found = latest_state(folder)
    if found is None:
        raise DreamError(f"nothing is dreamed yet in {folder}: let it go on for a while")
    with _circle(plan, opened, setup) as (circle, engine), ExitStack() as stack:
        done = sorted(circle.order[: state_from_bytes(found[1], engine.device).index])
        layers = layer_store.StoredLayers(folder, setup.info.height, setup.info.width)
        stack.callback(layers.close)
        setup = replace(setup, info=replace(setup.info, count=len(done), cut=True))
        sink, _ = stack.enter_context(
            side_outputs.open_outputs(partial_name(plan.output), "", setup, overwrite, comment=plan.comment)
        )
        for _ in _written(laps.finish_loop(circle, engine, layers, done), setup, sink, on_event, len(done)):
            pass
        sink.commit(whole=False)
    return Result(partial_name(plan.output), len(done), setup.info.count, True, folder=str(folder))


@contextmanager
def _circle(plan: Plan, opened: Source, setup: Setup) -> Iterator[tuple[views.LoopView, Engine]]:
    configure_process(plan.recipe().network, plan.threads)
    engine = Engine(plan.settled(setup.recipe), setup.timeline, plan.memory_budget)
    with views.open_loop(opened, setup.source_frames, setup.blend_frames, setup.timeline, engine) as circle:
        yield circle, engine


def _written(
    pictures: Iterator[tuple[Tensor, Motion]], setup: Setup, sink: Sink, on_event: Listener, count: int
) -> Iterator[tuple[Tensor, Motion]]:
    limit = FlashLimiter(setup.info.rate) if limits_flashes(setup.recipe) else None
    for dreamed, motion in pictures:
        picture = limit(dreamed) if limit else dreamed
        sink.write(picture)
        on_event(Event(sink.count, count, phase=WRITING))
        yield picture, motion
    if limit and limit.held:
        on_event(Event(count, count, f"{limit.held} frames would have flashed too fast, and were held back"))
