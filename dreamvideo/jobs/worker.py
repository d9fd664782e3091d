"""Dreams any frames of a plan into segments: what every executor runs, in this process or on another machine."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path

from torch import Tensor

from ..errors import SourceError
from ..media.readers.frame import Frame, Source
from ..media.readers.source import open_source
from ..media.segment import SegmentWriter, checksum
from ..video import shots
from ..video.engine import Engine, OnOctave
from ..video.process_settings import configure_process
from ..video.render import render
from ..video.state_file import state_from_bytes, state_to_bytes
from . import side_outputs
from .checkpoint import SaveTimer
from .fingerprint import digest_or_empty
from .plan import Plan
from .run_folder import UNFINISHED, Segment
from .setup import Setup, selection_for, set_up
from .tasks import Task

CHECKSUM_ROWS = 8  # of a source frame, every so many rows go into its checksum


@dataclass(frozen=True)
class Done:
    """Progress of a task.

    Attributes:
        index: the frame that was dreamed last.
        segment, state: frames that are finished now, and the state after them; None between checkpoints.
        notices: sentences for the user.
        picture: the frame's, float RGB in [0, 1], (3, H, W), on the engine's device.
    """

    index: int
    segment: Segment | None = None
    state: bytes | None = None
    notices: tuple[str, ...] = ()
    picture: Tensor | None = None


class Worker:
    """Dreams frames of one plan; the network is built once for each of its recipes.

    Args:
        plan: what is rendered.
        built: the setup and engine of its only recipe, if they exist already.
    """

    def __init__(self, plan: Plan, built: tuple[Setup, Engine] | None = None):
        configure_process(plan.recipe(0).network, plan.threads)
        self.plan = plan
        self._shots = shots.shots_at(frozenset(plan.cuts))
        self._built: tuple[int, Setup, Engine] | None = None
        if built is not None and len(plan.parts) == 1:
            self._built = 0, *built

    def dream(
        self, task: Task, scratch: Path, checkpoint: int, stop: Callable[[], bool] = lambda: False
    ) -> Generator[Done]:
        """Dream the frames of a task.

        Args:
            task: which frames.
            scratch: a folder for unfinished segments.
            checkpoint: frames of a segment at most; after `CHECKPOINT_SECONDS` it is finished with fewer.
            stop: asked after every frame; once it returns True, the segment is finished and nothing more is dreamed.

        Raises:
            DreamError: a frame cannot be read, dreamed or written.
        """
        setup, engine = self._built_for(task.first)
        state = state_from_bytes(task.state, engine.device) if task.state else None
        until = min((cut for cut in self.plan.cuts if cut >= task.stop), default=self.plan.count)
        frames = self._frames(setup, state.tracking.index if state else task.begin)
        wanted = takewhile(lambda frame: frame.index < until, frames)
        segment, timer = _OpenSegment(scratch, self.plan.depth), SaveTimer(checkpoint)
        try:
            with closing(render(wanted, engine, state, self._shots, self._octaves(setup))) as pictures:
                for picture, state in pictures:
                    index, notices = state.index - 1, tuple(engine.dreamer.notices)
                    engine.dreamer.notices.clear()
                    if index >= task.first:
                        segment.write(index, picture)
                    ends = state.index == task.stop or stop()
                    if segment.count and (ends or timer.due(segment.count)):
                        yield Done(index, segment.close(), state_to_bytes(state), notices, picture)
                        timer.restart()
                    else:
                        yield Done(index, notices=notices, picture=picture)
                    if ends:
                        return
            raise SourceError(f"{self.plan.source} ends before frame {task.stop}: has it been changed?")
        except SourceError:
            if state is not None and segment.count:  # keep what is finished
                yield Done(state.index - 1, segment.close(), state_to_bytes(state))
            raise
        finally:
            segment.discard()
            frames.close()

    def _built_for(self, index: int) -> tuple[Setup, Engine]:
        """Return the setup and engine of the part that a frame belongs to."""
        part = self.plan.part(index)
        if self._built is None or self._built[0] != part.first:
            self._built = None
            recipe = self.plan.recipe(index)
            with open_source(self.plan.source, selection_for(recipe, self.plan.output)) as opened:
                setup = set_up(opened.info, recipe, self.plan.output, Path(self.plan.audio_cache))
            engine = Engine(self.plan.settled(setup.recipe), setup.timeline, self.plan.memory_budget)
            self._built = part.first, setup, engine
        return self._built[1:]

    def _octaves(self, setup: Setup) -> OnOctave | None:
        """Return what saves the dream of every octave, if that is asked for."""
        if not self.plan.save_octaves:
            return None
        return side_outputs.octave_saver(self.plan.save_octaves, setup.info, overwrite=True)

    def _frames(self, setup: Setup, first: int) -> Generator[Frame]:
        """Yield the frames from one on, with the feedback frames after the source's end."""
        with open_source(self.plan.source, selection_for(setup.recipe, self.plan.output)) as opened:
            yield from setup.frames(self._read(opened, min(first, setup.source_frames - 1)), first)

    def _read(self, opened: Source, first: int) -> Iterator[Frame]:
        """Yield the frames of the source from one on, checked against the plan's checksums.

        If seeking leads to other frames than expected, since the film's index is wrong, it is read from its beginning.
        If that differs, too, the source is another file by now, or damaged so that it decodes differently each time.

        Raises:
            SourceError: the source has changed.
        """
        index = first
        for start in dict.fromkeys((first, 0)):
            for frame in opened.since(start):
                if frame.index < index:
                    continue
                if self.plan.checksums and index >= len(self.plan.checksums):
                    return  # a damaged film may decode to more frames when it is read from a later one
                if self.plan.checksums and checksum(frame.pixels, CHECKSUM_ROWS) != self.plan.checksums[index]:
                    if start:
                        break
                    self._check_source()
                yield frame
                index += 1
            else:
                return

    def _check_source(self) -> None:
        path = self.plan.source
        if digest_or_empty(path) != self.plan.inputs.get(path):
            raise SourceError(f"{path} has changed while it was dreamed: restore it as it was")


class _OpenSegment:
    """The segment that is being written; once it is closed, the next one."""

    def __init__(self, scratch: Path, depth: int):
        self._scratch, self._depth = scratch, depth
        self._writer: SegmentWriter | None = None
        self._first = self.count = 0

    def write(self, index: int, picture: Tensor) -> None:
        """Add a frame's picture."""
        if self._writer is None:
            with tempfile.NamedTemporaryFile(prefix=UNFINISHED, suffix=".mkv", dir=self._scratch, delete=False) as file:
                self._writer, self._first = SegmentWriter(Path(file.name), self._depth), index
        self._writer.write(picture)
        self.count += 1

    def close(self) -> Segment:
        """Finish the segment and return it."""
        assert self._writer is not None
        self._writer.close()
        segment = Segment(self._first, tuple(self._writer.checksums), self._writer.path)
        self._writer, self.count = None, 0
        return segment

    def discard(self) -> None:
        """Throw away an unfinished segment."""
        if self._writer is not None:
            self._writer.discard()
