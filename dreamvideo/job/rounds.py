"""A loop, dreamed as one piece, since every frame of it is made of the one before and of the round before."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace
from pathlib import Path

import cv2
import torch
from torch import Tensor

from .. import loop, media, outputs, stage
from ..errors import DreamError
from ..flash import Limiter
from ..flow import Motion
from ..pipeline import Engine, pack, unpack
from ..stage import Stage
from .assembly import WRITING, commit, output, partial
from .events import Event, Listener, Result, Stop
from .folder import RunFolder, latest_state
from .plan import Plan


def dream_loop(
    folder: RunFolder, plan: Plan, opened: media.Source, staged: Stage, checkpoint: int, told: list[str],
    on_event: Listener, stop: Stop,
) -> Result:  # fmt: skip
    """Dream a loop and write it (see `dream_video`)."""
    count = staged.info.count
    work = loop.work(count)
    with _circle(plan, opened, staged) as (circle, engine):
        found = latest_state(folder.path)
        state = unpack(found[1], engine.device) if found else None
        done = state.index if state else 0
        if done:
            on_event(Event(done, work, f"going on from what is done: {done} of the {work} frames that a loop takes"))
        on_event(Event(done, work))
        with closing(loop.Layers(folder.path, staged.info.height, staged.info.width, done)) as layers:
            with closing(loop.dream(circle, engine, layers, state)) as states:
                for state in states:
                    stopped = stop()
                    if state.index % checkpoint == 0 or state.index == work or stopped:
                        layers.seal(state.index)
                        folder.save_only(state.index, pack(state))
                        layers.settle(state.index)
                    while engine.dreamer.notices:
                        on_event(Event(state.index, work, engine.dreamer.notices.pop(0)))
                    on_event(Event(state.index, work))
                    if stopped:
                        return Result(plan.output, state.index, work, True)
            with output(folder, plan, staged) as (sink, _):
                errors = loop.Errors()
                for picture, motion in _written(loop.finish(circle, engine, layers), staged, sink, on_event, count):
                    errors.add(picture, motion)
                    if stop():
                        return Result(plan.output, count, count, True)
                commit(sink, folder, told, on_event)
    return Result(plan.output, count, count, False, errors.seam)


def loop_so_far(
    folder: Path, plan: Plan, opened: media.Source, staged: Stage, overwrite: bool, on_event: Listener
) -> Result:
    """Write the frames of a loop that are dreamed so far (see `assemble_now`): those that stand together."""
    found = latest_state(folder)
    if found is None:
        raise DreamError(f"nothing is dreamed yet in {folder}: let it go on for a while")
    with _circle(plan, opened, staged) as (circle, engine), ExitStack() as stack:
        done = sorted(circle.order[: unpack(found[1], engine.device).index])
        layers = loop.Kept(folder, staged.info.height, staged.info.width)
        stack.callback(layers.close)
        staged = replace(staged, info=replace(staged.info, count=len(done), cut=True))
        sink, _ = stack.enter_context(
            outputs.open_outputs(partial(plan.output), "", staged, overwrite, comment=plan.comment)
        )
        for _ in _written(loop.finish(circle, engine, layers, done), staged, sink, on_event, len(done)):
            pass
        sink.commit(whole=False)
    return Result(partial(plan.output), len(done), staged.info.count, True, folder=str(folder))


@contextmanager
def _circle(plan: Plan, opened: media.Source, staged: Stage) -> Iterator[tuple[loop.Circle, Engine]]:
    torch.set_num_threads(plan.threads)
    cv2.setNumThreads(plan.threads)
    engine = Engine(plan.settled(staged.recipe), staged.timeline, plan.room)
    with loop.circle(opened, staged.filmed, staged.flows, staged.timeline, engine) as circle:
        yield circle, engine


def _written(
    pictures: Iterator[tuple[Tensor, Motion]], staged: Stage, sink: media.Sink, on_event: Listener, count: int
) -> Iterator[tuple[Tensor, Motion]]:
    limit = Limiter(staged.info.rate) if stage.limits_flashes(staged.recipe) else None
    for dreamed, motion in pictures:
        picture = limit(dreamed) if limit else dreamed
        sink.write(picture)
        on_event(Event(sink.count, count, doing=WRITING))
        yield picture, motion
    if limit and limit.held:
        on_event(Event(count, count, f"{limit.held} frames would have flashed too fast, and were held back"))
