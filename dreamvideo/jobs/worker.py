"""Dreams any stretch of frames of a plan, from plain data to segments: what every executor runs, here or elsewhere."""

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
from ..video.process import configure_process
from ..video.render import render
from ..video.state_file import state_from_bytes, state_to_bytes
from . import side_outputs
from .fingerprint import file_digest
from .plan import Plan
from .run_folder import UNFINISHED, Segment
from .setup import Setup, selection_of, set_up
from .tasks import Task

ROWS = 8  # every so many rows of a frame are looked at, to know it again


@dataclass(frozen=True)
class Done:
    """What has come of a task so far.

    Attributes:
        index: the frame that was dreamed last.
        segment, state: frames that are finished, and what is gone on from after them; None for none yet.
        notices: sentences for the user.
    """

    index: int
    segment: Segment | None = None
    state: bytes | None = None
    notices: tuple[str, ...] = ()


class Worker:
    """Dreams frames of one plan; the network is built once for each of its recipes.

    Args:
        plan: what is rendered.
        built: what its only recipe is set up as, and the engine for that, if they are there already.
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
            task: which.
            scratch: a folder for segments on their way.
            checkpoint: frames that a segment has at most.
            stop: asked after every frame; once it says yes, the segment is closed, and nothing more dreamed.

        Raises:
            DreamError: a frame cannot be read, dreamed or kept.
        """
        setup, engine = self._at(task.first)
        state = state_from_bytes(task.state, engine.device) if task.state else None
        until = min((cut for cut in self.plan.cuts if cut >= task.stop), default=self.plan.count)
        frames = self._frames(setup, state.tracking.index if state else task.begin)
        wanted = takewhile(lambda frame: frame.index < until, frames)
        segment = _Unfinished(scratch, self.plan.depth)
        try:
            with closing(render(wanted, engine, state, self._shots, self._octaves(setup))) as pictures:
                for picture, state in pictures:
                    index, notices = state.index - 1, tuple(engine.dreamer.notices)
                    engine.dreamer.notices.clear()
                    if index >= task.first:
                        segment.write(index, picture)
                    ends = state.index == task.stop or stop()
                    if segment.count == checkpoint or (segment.count and ends):
                        yield Done(index, segment.close(), state_to_bytes(state), notices)
                    else:
                        yield Done(index, notices=notices)
                    if ends:
                        return
            raise SourceError(f"{self.plan.source} ends before frame {task.stop}: has it been changed?")
        except SourceError:
            if state is not None and segment.count:  # what is done is kept
                yield Done(state.index - 1, segment.close(), state_to_bytes(state))
            raise
        finally:
            segment.discard()
            frames.close()

    def _at(self, index: int) -> tuple[Setup, Engine]:
        """Return what a frame's part is set up as, and its engine."""
        part = self.plan.part(index)
        if self._built is None or self._built[0] != part.first:
            self._built = None
            recipe = self.plan.recipe(index)
            with open_source(self.plan.source, selection_of(recipe.clip)) as opened:
                setup = set_up(opened.info, recipe, self.plan.output, Path(self.plan.keep))
            engine = Engine(self.plan.settled(setup.recipe), setup.timeline, self.plan.memory_budget)
            self._built = part.first, setup, engine
        return self._built[1:]

    def _octaves(self, setup: Setup) -> OnOctave | None:
        """Return what saves the dream of every octave, if that is asked for."""
        if not self.plan.save_octaves:
            return None
        return side_outputs.octave_saver(self.plan.save_octaves, setup.info.number, overwrite=True)

    def _frames(self, setup: Setup, first: int) -> Generator[Frame]:
        """Yield the frames from one on, held ones at the end."""
        with open_source(self.plan.source, selection_of(setup.recipe.clip)) as opened:
            yield from setup.frames(self._read(opened, min(first, setup.source_frames - 1)), first)

    def _read(self, opened: Source, first: int) -> Iterator[Frame]:
        """Yield the frames of the source from one on: the ones that were seen when it was looked through.

        Where a film's index leads to others, it is read from its beginning. What still differs then is another film by
        now; or a damaged one, which does not decode the same way twice.

        Raises:
            SourceError: the source has changed.
        """
        index = first
        for start in dict.fromkeys((first, 0)):
            for frame in opened.since(start):
                if frame.index < index:
                    continue
                if self.plan.checksums and index >= len(self.plan.checksums):
                    return  # a damaged film may decode to more when it is begun later
                if self.plan.checksums and checksum(frame.pixels, ROWS) != self.plan.checksums[index]:
                    if start:
                        break
                    self._check_source()
                yield frame
                index += 1
            else:
                return

    def _check_source(self) -> None:
        path = self.plan.source
        try:
            same = file_digest(path) == self.plan.inputs.get(path)
        except OSError:
            same = False
        if not same:
            raise SourceError(f"{path} has changed while it was dreamed: bring back what it was")


class _Unfinished:
    """The segment that is being written, and the next one after it."""

    def __init__(self, scratch: Path, depth: int):
        self._scratch, self._depth = scratch, depth
        self._writer: SegmentWriter | None = None
        self._first = self.count = 0

    def write(self, index: int, picture: Tensor) -> None:
        """Take a frame's picture."""
        if self._writer is None:
            with tempfile.NamedTemporaryFile(prefix=UNFINISHED, suffix=".mkv", dir=self._scratch, delete=False) as file:
                self._writer, self._first = SegmentWriter(Path(file.name), self._depth), index
        self._writer.write(picture)
        self.count += 1

    def close(self) -> Segment:
        """Finish the segment."""
        assert self._writer is not None
        self._writer.close()
        segment = Segment(self._first, tuple(self._writer.checksums), self._writer.path)
        self._writer, self.count = None, 0
        return segment

    def discard(self) -> None:
        """Throw away what is not finished."""
        if self._writer is not None:
            self._writer.discard()
