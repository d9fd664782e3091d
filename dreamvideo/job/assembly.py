"""Pieces put together into the output: flashes held back, encoded once, with the sound."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

from torch import Tensor

from .. import media, outputs, stage
from ..errors import DreamError, SourceError
from ..flash import Limiter
from ..media.names import frame_pattern, takes_frames
from ..media.pictures import Pixels
from ..media.piece import read_piece
from ..pipeline import as_image
from ..stage import Stage
from .events import Event, Listener, Result, Stop
from .folder import Piece, RunFolder, read_pieces
from .plan import Plan

WRITING = "writing"


def assemble(
    folder: RunFolder, plan: Plan, opened: media.Source, staged: Stage, told: list[str], on_event: Listener, stop: Stop
) -> Result:
    """Write the output from all pieces of a render.

    Args:
        folder, plan: of the render.
        opened, staged: what it is made of, and how that is set up.
        told: notices that need not be given again.
        on_event, stop: as for `dream_video`; what is stopped here leaves no output.

    Raises:
        DreamError: a piece is damaged, or the output cannot be written; the pieces stay.
    """
    staged = replace(staged, info=replace(staged.info, count=plan.count))
    with output(folder, plan, staged) as (sink, watch):
        pictures = _pictures(folder.pieces(), plan)
        with closing(_write(pictures, watch, opened, plan, staged, sink, on_event)) as written:
            for count in written:
                on_event(Event(count, plan.count, doing=WRITING))
                if stop():
                    return Result(plan.output, plan.count, plan.count, True)
        commit(sink, folder, told, on_event)
    if (wanted := staged.timeline.count) > plan.count:
        damaged = f"{opened.info.path} is damaged: {plan.count} of {wanted} frames decode, and are dreamed"
        on_event(Event(plan.count, plan.count, damaged))
    return Result(plan.output, plan.count, plan.count, False)


@contextmanager
def output(folder: RunFolder, plan: Plan, staged: Stage) -> Iterator[tuple[media.Sink, outputs.Watch]]:
    """Open the outputs of a render (see `outputs.open_outputs`)."""
    overwrite = plan.overwrite or folder.assembling
    with outputs.open_outputs(plan.output, plan.layer_out, staged, overwrite, folder.path, plan.comment) as opened:
        folder.assembling = takes_frames(plan.output) or (bool(plan.layer_out) and takes_frames(plan.layer_out))
        yield opened


def commit(sink: media.Sink, folder: RunFolder, told: list[str], on_event: Listener) -> None:
    """Bring a whole output to its name, and tell what has not been `told` of it.

    The pieces are still needed until it is on the disk, and not only on its way there.
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
    folder: Path, plan: Plan, opened: media.Source, staged: Stage, overwrite: bool, on_event: Listener
) -> Result:
    """Write what there is of a render beside its output (see `assemble_now`)."""
    pieces = list(read_pieces(folder))
    if not pieces:
        raise DreamError(f"nothing is dreamed yet in {folder}: let it go on for a while")
    count = pieces[-1].stop
    name = partial(plan.output)
    staged = replace(staged, info=replace(staged.info, count=count, cut=True))
    with outputs.open_outputs(name, "", staged, overwrite, comment=plan.comment) as (sink, watch):
        for notice in sink.notices:
            on_event(Event(0, count, notice))
        pictures = _pictures(pieces, plan, opened)
        with closing(_write(pictures, watch, opened, plan, staged, sink, on_event)) as written:
            for done in written:
                on_event(Event(done, count, doing=WRITING))
        sink.commit(whole=False)
    return Result(name, sum(len(piece.sums) for piece in pieces), plan.count, True, folder=str(folder))


def partial(output: str) -> str:
    """Return the name of what there is so far of an output: out.mp4 becomes out.partial.mp4, out/ out.partial/."""
    where = Path(output)
    if takes_frames(output):
        pattern = Path(frame_pattern(output))
        return str(pattern.parent.with_name(f"{pattern.parent.name}.partial") / pattern.name)
    return str(where.with_name(f"{where.stem}.partial{where.suffix}"))


def _write(
    pictures: Iterable[Pixels], watch: outputs.Watch, opened: media.Source, plan: Plan, staged: Stage,
    sink: media.Sink, on_event: Listener,
) -> Generator[int]:  # fmt: skip
    """Write pictures, and yield how many are written."""
    limit = Limiter(staged.info.rate) if stage.limits_flashes(plan.recipe()) else None
    beneath = iter(watch(opened)) if plan.layer_out else None
    for pixels in pictures:
        if beneath is not None and next(beneath, None) is None:
            raise SourceError(f"{plan.source} ends before frame {sink.count}: has it been changed?")
        picture: Tensor = as_image(pixels)
        sink.write(limit(picture) if limit else picture)
        yield sink.count
    if limit and limit.held:
        on_event(Event(sink.count, plan.count, f"{limit.held} frames would have flashed too fast, and were held back"))


def _pictures(pieces: list[Piece], plan: Plan, opened: media.Source | None = None) -> Iterator[Pixels]:
    """Yield the pictures of pieces; where some are missing, the frames of a source."""
    at = 0
    for piece in pieces:
        if piece.first > at and opened is not None:
            yield from _filmed(opened, at, piece.first)
        yield from read_piece(piece.path, plan.width, plan.height, plan.depth, list(piece.sums))
        at = piece.stop


def _filmed(opened: media.Source, first: int, stop: int) -> Iterator[Pixels]:
    for frame in opened.since(first):
        if frame.index >= stop:
            break
        yield frame.pixels
