"""Dreams any stretch of frames of a plan, from plain data to pieces: what every executor runs, here or elsewhere."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path

import cv2
import torch
from torch import Tensor

from .. import media, outputs, shots, stage
from ..errors import SourceError
from ..media import Frame
from ..media.piece import PieceWriter, checksum
from ..pipeline import Engine, pack, render, unpack
from ..stage import Stage
from .folder import UNFINISHED, Piece
from .plan import Plan, digest

ROWS = 8  # every so many rows of a frame are looked at, to know it again


@dataclass(frozen=True)
class Task:
    """Frames to be dreamed.

    Attributes:
        first, stop: those that are wanted, `stop` left out; all by one recipe.
        begin: the frame to begin with: that of the state, or the first of a shot.
        state: what it goes on from, as bytes; None for nothing.
    """

    first: int
    stop: int
    begin: int
    state: bytes | None = None


@dataclass(frozen=True)
class Done:
    """What has come of a task so far.

    Attributes:
        index: the frame that was dreamed last.
        piece, state: frames that are finished, and what is gone on from after them; None for none yet.
        notices: sentences for the user.
    """

    index: int
    piece: Piece | None = None
    state: bytes | None = None
    notices: tuple[str, ...] = ()


class Worker:
    """Dreams frames of one plan; the network is built once for each of its recipes.

    Args:
        plan: what is rendered.
        built: what its only recipe is set up as, and the engine for that, if they are there already.
    """

    def __init__(self, plan: Plan, built: tuple[Stage, Engine] | None = None):
        torch.set_num_threads(plan.threads)
        cv2.setNumThreads(plan.threads)  # its flow comes out otherwise with others
        self.plan = plan
        self._built: tuple[int, Stage, Engine] | None = None
        if built is not None and len(plan.parts) == 1:
            self._built = 0, *built
            self._equip(*built)
            if plan.room is not None:
                built[1].dreamer.room = plan.room

    def dream(
        self, task: Task, scratch: Path, checkpoint: int, stop: Callable[[], bool] = lambda: False
    ) -> Generator[Done]:
        """Dream the frames of a task.

        Args:
            task: which.
            scratch: a folder for pieces on their way.
            checkpoint: frames that a piece has at most.
            stop: asked after every frame; once it says yes, the piece is closed, and nothing more dreamed.

        Raises:
            DreamError: a frame cannot be read, dreamed or kept.
        """
        staged, engine = self._at(task.first)
        state = unpack(task.state, engine.device) if task.state else None
        until = min((cut for cut in self.plan.cuts if cut >= task.stop), default=self.plan.count)
        frames = self._frames(staged, state.trail.index if state else task.begin)
        piece = _Unfinished(scratch, self.plan.depth)
        try:
            with closing(render(takewhile(lambda frame: frame.index < until, frames), engine, state)) as pictures:
                for picture, state in pictures:
                    index, notices = state.index - 1, tuple(engine.dreamer.notices)
                    engine.dreamer.notices.clear()
                    if index >= task.first:
                        piece.write(index, picture)
                    ends = state.index == task.stop or stop()
                    if piece.count == checkpoint or (piece.count and ends):
                        yield Done(index, piece.close(), pack(state), notices)
                    else:
                        yield Done(index, notices=notices)
                    if ends:
                        return
            raise SourceError(f"{self.plan.source} ends before frame {task.stop}: has it been changed?")
        except SourceError:
            if state is not None and piece.count:  # what is done is kept
                yield Done(state.index - 1, piece.close(), pack(state))
            raise
        finally:
            piece.discard()
            frames.close()

    def _at(self, index: int) -> tuple[Stage, Engine]:
        """Return what a frame's part is set up as, and its engine."""
        part = self.plan.part(index)
        if self._built is None or self._built[0] != part.first:
            self._built = None
            recipe = self.plan.recipe(index)
            with media.open_source(self.plan.source, recipe.clip) as opened:
                staged = stage.set_up(opened.info, recipe, self.plan.output, Path(self.plan.keep))
            engine = Engine(self.plan.settled(staged.recipe), staged.timeline, self.plan.room)
            self._equip(staged, engine)
            self._built = part.first, staged, engine
        return self._built[1:]

    def _equip(self, staged: Stage, engine: Engine) -> None:
        """Tell an engine the shots, and where octaves go."""
        engine.mark = shots.known(frozenset(self.plan.cuts))
        if self.plan.save_octaves:
            engine.on_octave = outputs.octaves(self.plan.save_octaves, staged.info.number, overwrite=True)

    def _frames(self, staged: Stage, first: int) -> Generator[Frame]:
        """Yield the frames from one on, held ones at the end."""
        with media.open_source(self.plan.source, staged.recipe.clip) as opened:
            yield from staged.frames(self._read(opened, min(first, staged.filmed - 1)), first)

    def _read(self, opened: media.Source, first: int) -> Iterator[Frame]:
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
                if self.plan.sums and index >= len(self.plan.sums):
                    return  # a damaged film may decode to more when it is begun later
                if self.plan.sums and checksum(frame.pixels, ROWS) != self.plan.sums[index]:
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
            same = digest(path) == self.plan.inputs.get(path)
        except OSError:
            same = False
        if not same:
            raise SourceError(f"{path} has changed while it was dreamed: bring back what it was")


class _Unfinished:
    """The piece that is being written, and the next one after it."""

    def __init__(self, scratch: Path, depth: int):
        self._scratch, self._depth = scratch, depth
        self._writer: PieceWriter | None = None
        self._first = self.count = 0

    def write(self, index: int, picture: Tensor) -> None:
        """Take a frame's picture."""
        if self._writer is None:
            with tempfile.NamedTemporaryFile(prefix=UNFINISHED, suffix=".mkv", dir=self._scratch, delete=False) as file:
                self._writer, self._first = PieceWriter(Path(file.name), self._depth), index
        self._writer.write(picture)
        self.count += 1

    def close(self) -> Piece:
        """Finish the piece."""
        assert self._writer is not None
        self._writer.close()
        piece = Piece(self._first, tuple(self._writer.sums), self._writer.path)
        self._writer, self.count = None, 0
        return piece

    def discard(self) -> None:
        """Throw away what is not finished."""
        if self._writer is not None:
            self._writer.discard()
