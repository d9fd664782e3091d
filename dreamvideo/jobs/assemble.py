"""Puts finished segments together into the output: encoded once, with the sound."""

from __future__ import annotations

import errno
from collections.abc import Generator, Iterable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import replace
from pathlib import Path

from ..errors import DreamError, SinkError, SourceError
from ..media.atomic import flush_to_disk
from ..media.info import Info
from ..media.paths import frame_path, frame_pattern, takes_frames
from ..media.pixels import Pixels
from ..media.readers.frame import Frame, Source
from ..media.segment import read_segment
from ..media.tensors import to_tensor
from ..media.writers.sink import Sink
from . import side_outputs
from .events import Control, Event, Listener, Result
from .flash_limited_writer import FlashLimitedWriter
from .plan import Plan
from .run_folder import RunFolder, Segment, read_segments
from .setup import Setup


def assemble(
    folder: RunFolder, plan: Plan, opened: Source, setup: Setup, reported: list[str], control: Control
) -> Result:
    """Write the output from all segments of a render.

    Args:
        folder, plan: of the render.
        opened, setup: the source, and what is rendered from it.
        reported: notices about the output that the user has seen already.
        control: as for `dream_video`; a stop here leaves no output.

    Raises:
        DreamError: a segment is damaged, or the output cannot be written; the segments stay.
    """
    setup = replace(setup, info=replace(setup.info, count=plan.count))
    with open_output(folder, plan, setup) as (sink, watch):
        writer = FlashLimitedWriter(sink, setup, plan.count, control.on_event)
        source = iter(watch(opened)) if plan.layer_out or setup.info.alpha else None
        with closing(_checked(_pictures(folder.segments(), plan), source, setup)) as pictures:
            for pixels in pictures:
                writer.write(to_tensor(pixels))
                if control.stop():
                    return Result(plan.output, plan.count, plan.count, True)
        writer.finish()
        commit_output(sink, folder, plan, setup)
        report_notices(sink, reported, control.on_event)
    if (wanted := setup.timeline.count) > plan.count:
        damaged = f"{opened.info.path} is damaged: {plan.count} of {wanted} frames can be decoded, and were dreamed"
        control.on_event(Event(plan.count, plan.count, damaged))
    return Result(plan.output, plan.count, plan.count, False)


@contextmanager
def open_output(folder: RunFolder, plan: Plan, setup: Setup) -> Iterator[tuple[Sink, side_outputs.Watch]]:
    """Open the outputs of a render (see `side_outputs.open_outputs`)."""
    overwrite = plan.overwrite or folder.assembling
    with side_outputs.open_outputs(plan.output, plan.layer_out, setup, overwrite, folder.path, plan.comment) as opened:
        folder.assembling = takes_frames(plan.output) or (bool(plan.layer_out) and takes_frames(plan.layer_out))
        yield opened


def commit_output(sink: Sink, folder: RunFolder, plan: Plan, setup: Setup) -> None:
    """Give a complete output its name, and wait until it is on the disk: the segments are needed until then."""
    folder.assembling = True
    sink.commit(whole=True)
    for path in filter(None, (plan.output, plan.layer_out)):
        _flush(path, setup.info, sink.count)
    folder.assembling = False


def _flush(output: str, info: Info, count: int) -> None:
    """Wait until an output (see `_files_of`) and its names are on the disk.

    Raises:
        SinkError: the disk reports an error.
    """
    files = _files_of(output, info, count)
    try:
        for file in files:
            flush_to_disk(file)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # as file systems say that cannot do it
            raise SinkError(f"{output} could not be written ({error.strerror}): is the disk full?") from error
    with suppress(OSError):  # some cannot do it for folders
        flush_to_disk(files[0].parent)


def _files_of(output: str, info: Info, count: int) -> list[Path]:
    """Return the files that an output consists of.

    Args:
        output: as for `dream_video`.
        info: of the source, whose frames have numbers.
        count: of its frames.
    """
    if not takes_frames(output):
        return [Path(output)]
    pattern = Path(frame_pattern(output))
    return [frame_path(pattern, info.frame_number(k)) for k in range(count)]


def report_notices(sink: Sink, reported: list[str], on_event: Listener) -> None:
    """Report the notices of an output that are not among those `reported` already."""
    for notice in sink.notices:
        if notice not in reported:
            on_event(Event(sink.count, sink.count, notice))


def assemble_part(
    folder: Path, plan: Plan, opened: Source, setup: Setup, overwrite: bool, on_event: Listener, into: str = ""
) -> Result:
    """Write what is finished of a render into a file next to its output (see `assemble_now`)."""
    segments = list(read_segments(folder))
    if not segments:
        raise DreamError(f"nothing is finished yet in {folder}: wait a while, or continue the render")
    count = segments[-1].stop
    name = partial_name(plan.output, into)
    setup = replace(setup, info=replace(setup.info, count=count, cut=True))
    with side_outputs.open_outputs(name, "", setup, overwrite, comment=plan.comment) as (sink, watch):
        report_notices(sink, [], on_event)
        writer = FlashLimitedWriter(sink, setup, count, on_event)
        source = iter(watch(opened)) if setup.info.alpha else None
        with closing(_checked(_pictures(segments, plan, opened), source, setup)) as pictures:
            for pixels in pictures:
                writer.write(to_tensor(pixels))
        writer.finish()
        sink.commit(whole=False)
    return Result(name, sum(len(segment.checksums) for segment in segments), plan.count, True, folder=str(folder))


def partial_name(output: str, into: str = "") -> str:
    """Return `into`, or the name of an incomplete output: out.mp4 becomes out.partial.mp4, out/ becomes out.partial/"""
    if into:
        return into
    where = Path(output)
    if takes_frames(output):
        pattern = Path(frame_pattern(output))
        return str(pattern.parent.with_name(f"{pattern.parent.name}.partial") / pattern.name)
    return str(where.with_name(f"{where.stem}.partial{where.suffix}"))


def _checked(pictures: Iterable[Pixels], source: Iterator[Frame] | None, setup: Setup) -> Generator[Pixels]:
    """Yield pictures; if there is a source, draw its frame for each: the dream's layer is made from it,
    and its alpha kept.

    Raises:
        SourceError: the source has fewer frames.
    """
    for count, pixels in enumerate(pictures):
        if source is not None and next(source, None) is None and count < setup.source_frames:
            raise SourceError(f"{setup.info.path} ends before frame {count}: has it been changed?")
        yield pixels


def _pictures(segments: list[Segment], plan: Plan, opened: Source | None = None) -> Generator[Pixels]:
    """Yield the pictures of segments; in place of missing ones the frames of the source, if that is given."""
    at = 0
    for segment in segments:
        if segment.first > at and opened is not None:
            yield from _source_frames(opened, at, segment.first)
        yield from read_segment(segment.path, plan.width, plan.height, plan.depth, list(segment.checksums))
        at = segment.stop


def _source_frames(opened: Source, first: int, stop: int) -> Iterator[Pixels]:
    for frame in opened.since(first):
        if frame.index >= stop:
            break
        yield frame.pixels
