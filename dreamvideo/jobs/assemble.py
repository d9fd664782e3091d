"""Pieces put together into the output: flashes held back, encoded once, with the sound."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

from torch import Tensor

from ..errors import DreamError, SourceError
from ..finish.flash import FlashLimiter
from ..media.paths import frame_pattern, takes_frames
from ..media.pixels import Pixels, to_tensor
from ..media.readers.frame import Source
from ..media.segment import read_segment
from ..media.writers.sink import Sink
from . import side_outputs
from .events import Event, Listener, Result, Stop
from .plan import Plan
from .run_folder import RunFolder, Segment, read_segments
from .setup import Setup, limits_flashes

WRITING = "writing"


def assemble(
    folder: RunFolder, plan: Plan, opened: Source, setup: Setup, told: list[str], on_event: Listener, stop: Stop
) -> Result:
    """Write the output from all segments of a render.

    Args:
        folder, plan: of the render.
        opened, setup: what it is made of, and how that is set up.
        told: notices that need not be given again.
        on_event, stop: as for `dream_video`; what is stopped here leaves no output.

    Raises:
        DreamError: a segment is damaged, or the output cannot be written; the segments stay.
    """
    setup = replace(setup, info=replace(setup.info, count=plan.count))
    with open_output(folder, plan, setup) as (sink, watch):
        pictures = _pictures(folder.segments(), plan)
        with closing(_write(pictures, watch, opened, plan, setup, sink, on_event)) as written:
            for count in written:
                on_event(Event(count, plan.count, phase=WRITING))
                if stop():
                    return Result(plan.output, plan.count, plan.count, True)
        commit_output(sink, folder, told, on_event)
    if (wanted := setup.timeline.count) > plan.count:
        damaged = f"{opened.info.path} is damaged: {plan.count} of {wanted} frames decode, and are dreamed"
        on_event(Event(plan.count, plan.count, damaged))
    return Result(plan.output, plan.count, plan.count, False)


@contextmanager
def open_output(folder: RunFolder, plan: Plan, setup: Setup) -> Iterator[tuple[Sink, side_outputs.Watch]]:
    """Open the outputs of a render (see `outputs.open_outputs`)."""
    overwrite = plan.overwrite or folder.assembling
    with side_outputs.open_outputs(plan.output, plan.layer_out, setup, overwrite, folder.path, plan.comment) as opened:
        folder.assembling = takes_frames(plan.output) or (bool(plan.layer_out) and takes_frames(plan.layer_out))
        yield opened


def commit_output(sink: Sink, folder: RunFolder, told: list[str], on_event: Listener) -> None:
    """Bring a whole output to its name, and tell what has not been `told` of it.

    The segments are still needed until it is on the disk, and not only on its way there.
    """
    folder.assembling = True
    sink.commit(whole=True)
    if hasattr(os, "sync"):
        os.sync()
    folder.assembling = False
    for notice in sink.notices:
        if notice not in told:
            on_event(Event(sink.count, sink.count, notice))


def assemble_part(
    folder: Path, plan: Plan, opened: Source, setup: Setup, overwrite: bool, on_event: Listener
) -> Result:
    """Write what there is of a render beside its output (see `assemble_now`)."""
    segments = list(read_segments(folder))
    if not segments:
        raise DreamError(f"nothing is dreamed yet in {folder}: let it go on for a while")
    count = segments[-1].stop
    name = partial_name(plan.output)
    setup = replace(setup, info=replace(setup.info, count=count, cut=True))
    with side_outputs.open_outputs(name, "", setup, overwrite, comment=plan.comment) as (sink, watch):
        for notice in sink.notices:
            on_event(Event(0, count, notice))
        pictures = _pictures(segments, plan, opened)
        with closing(_write(pictures, watch, opened, plan, setup, sink, on_event)) as written:
            for done in written:
                on_event(Event(done, count, phase=WRITING))
        sink.commit(whole=False)
    return Result(name, sum(len(segment.checksums) for segment in segments), plan.count, True, folder=str(folder))


def partial_name(output: str) -> str:
    """Return the name of what there is so far of an output: out.mp4 becomes out.partial.mp4, out/ out.partial/."""
    where = Path(output)
    if takes_frames(output):
        pattern = Path(frame_pattern(output))
        return str(pattern.parent.with_name(f"{pattern.parent.name}.partial") / pattern.name)
    return str(where.with_name(f"{where.stem}.partial{where.suffix}"))


def _write(
    pictures: Iterable[Pixels], watch: side_outputs.Watch, opened: Source, plan: Plan, setup: Setup,
    sink: Sink, on_event: Listener,
) -> Generator[int]:  # fmt: skip
    """Write pictures, and yield how many are written."""
    limit = FlashLimiter(setup.info.rate) if limits_flashes(plan.recipe()) else None
    beneath = iter(watch(opened)) if plan.layer_out else None
    for pixels in pictures:
        if beneath is not None and next(beneath, None) is None:
            raise SourceError(f"{plan.source} ends before frame {sink.count}: has it been changed?")
        picture: Tensor = to_tensor(pixels)
        sink.write(limit(picture) if limit else picture)
        yield sink.count
    if limit and limit.held:
        on_event(Event(sink.count, plan.count, f"{limit.held} frames would have flashed too fast, and were held back"))


def _pictures(segments: list[Segment], plan: Plan, opened: Source | None = None) -> Iterator[Pixels]:
    """Yield the pictures of segments; where some are missing, the frames of a source."""
    at = 0
    for segment in segments:
        if segment.first > at and opened is not None:
            yield from _filmed(opened, at, segment.first)
        yield from read_segment(segment.path, plan.width, plan.height, plan.depth, list(segment.checksums))
        at = segment.stop


def _filmed(opened: Source, first: int, stop: int) -> Iterator[Pixels]:
    for frame in opened.since(first):
        if frame.index >= stop:
            break
        yield frame.pixels
