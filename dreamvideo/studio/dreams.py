"""Dreams frames of a film as they look in it, in memory and coarse first; the network and the frames are kept."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from ..curves.animate import Animation
from ..errors import SourceError
from ..finish import mask
from ..finish.composite import composite
from ..finish.mask import has_mask
from ..jobs.moment import Moment
from ..jobs.setup import Setup, set_up
from ..jobs.timelines import selection_of
from ..media.pixels import to_8bit
from ..media.readers.frame import Frame, Source
from ..media.readers.source import open_source
from ..media.tensors import quantise
from ..media.writers.sink import open_sink
from ..recipe import Finish, Recipe
from ..sheets.cells import network_key, without_motion
from ..video import camera
from ..video.engine import Engine
from ..video.frame_objective import FrameObjective
from ..video.process_settings import configure_process
from ..video.render import render
from .caches import STILL, Cache, changed, extent_key
from .sizes import at_size, fitting, hurried, level_sizes, resized, with_detail

LARGEST = 1_150_000  # px of a still, unless its full size is asked for: 1280x720, and a bit
STRETCH_SIDE = 216  # px, short side of a stretch
SETUPS = 8  # films that are set up, by what their length and timeline depend on
CELL_SIDE = 150  # px, short side of a small picture that shows a look
KEPT_BYTES = 200_000_000  # of frames that are kept for the next dream
Picture = NDArray[np.uint8]


class CancelledError(Exception):
    """What is dreamed is not wanted any more."""


@dataclass(frozen=True)
class Wanted:
    """What is to be shown.

    Attributes:
        source: path of the film, frames or picture, or `noise:`.
        frame: number of the frame in the whole source; beyond a still's only one, in the film that is made of it.
        recipe: all parameters.
    """

    source: str
    frame: int
    recipe: Recipe


@dataclass(frozen=True)
class Shown:
    """A picture of the frame, or how far it is.

    Attributes:
        level, levels: number of this size, from 0 for the coarsest, and how many there are.
        done, total: frames that are dreamed for it, and have to be.
        picture: RGB (H, W, 3); None while it is being dreamed.
        size: width and height at which it was dreamed, px.
        full: width and height of the film, px.
        notices: sentences for the user.
    """

    level: int
    levels: int
    done: int
    total: int
    picture: Picture | None
    size: tuple[int, int]
    full: tuple[int, int]
    notices: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Layer:
    """A frame's dream that can be finished in another way without being dreamed again.

    Attributes:
        made_by: all that it depends on.
        image, layer: what was dreamed on, and the dream layer, (3, H, W) each.
    """

    made_by: object
    image: Tensor
    layer: Tensor


class Dreams:
    """Dreams moments of films, one after the other.

    Args:
        audio_cache: a folder in which the analysis of music is kept.
        cancelled: asked at every step of the ascent; once it returns True, the dream ends with `CancelledError`.
    """

    def __init__(self, audio_cache: Path, cancelled: Callable[[], bool]):
        self._audio_cache, self._cancelled = audio_cache, cancelled
        self._stack = ExitStack()
        self._opened: tuple[object, Source] | None = None
        self._setups = Cache[Setup](SETUPS)
        self._begins = Cache[Fraction](SETUPS)
        self._engines: dict[str, tuple[object, Engine]] = {}
        self._frames: tuple[object, list[Frame]] | None = None
        self._cell: tuple[object, Frame] | None = None
        self._layer: _Layer | None = None

    def warm(self) -> None:
        """Load the usual network, and dream a little, so that the first picture is there sooner."""
        noise = Wanted("noise:", 0, Recipe().merge({"clip": {"size": "256x144"}, "dream": {"iterations": 1}}))
        for _ in self.still(noise):
            pass

    def still(self, wanted: Wanted, full_size: bool = False) -> Iterator[Shown]:
        """Dream a frame as it will look in the film: coarse first, then finer; at once where only its finish changes.

        Args:
            wanted: the frame.
            full_size: whether it is dreamed at its full size, even where that is large.

        Raises:
            DreamError: the recipe or source cannot be used, or has no such frame.
            CancelledError: it is not wanted any more.
        """
        setup = self._set_up(wanted)
        recipe, info = setup.recipe, setup.info
        moment = Moment.of(self._index(wanted, setup), setup)
        scale = _octave_scale(setup, moment.index)
        sizes = level_sizes(info.width, info.height, scale, None if full_size else LARGEST)
        frames = self._read(wanted, setup, moment, sizes[-1])
        keeps_detail = setup.source_frames == info.count and camera.is_still(recipe)
        notices = (*info.notices, *setup.notices)
        made_by = (self._opened and self._opened[0], moment, sizes[-1], _without_finish(recipe))
        keeps_layer = keeps_detail and not has_mask(recipe.finish)
        if keeps_layer and self._layer is not None and self._layer.made_by == made_by:
            picture = self._finished(self._layer, recipe, setup, moment)
            yield Shown(0, 1, 1, 1, picture, sizes[-1], (info.width, info.height), notices)
            return
        for level, size in enumerate(sizes):
            shown = Shown(level, len(sizes), 0, moment.dreamed, None, size, (info.width, info.height), notices)
            yield shown
            there, over = at_size(recipe, info, size, scale), frames
            if is_coarse := keeps_detail and level + 1 < len(sizes):  # alone: its past is not worth the wait
                there, over = hurried(there), frames[-1:]
            shown = replace(shown, total=1 if is_coarse else moment.dreamed)
            engine = self._engine_for(there, setup)
            smaller = [resized(frame, size) for frame in over]
            with closing(render(iter(smaller), engine, shots=moment.thinned(engine.shots))) as dreamed:
                for done, (dream, state) in enumerate(dreamed, 1):  # noqa: B007 - the last one is shown
                    yield replace(shown, done=done)
            picture = _pixels(dream)
            if keeps_layer and level + 1 == len(sizes):
                self._layer = _Layer(made_by, engine.image(smaller[-1]), state.layer)
            if is_coarse:
                picture = with_detail(picture, to_8bit(frames[-1].pixels))
            yield replace(shown, done=shown.total, picture=picture, notices=(*notices, *self._notices()))

    def stretch(self, wanted: Wanted, seconds: float, output: Path) -> Iterator[tuple[int, int]]:
        """Dream a short stretch from a frame on, at reduced size, into an MP4 without sound.

        Yields:
            How many frames are dreamed, and how many there will be.

        Raises:
            DreamError, CancelledError: as for `still`.
        """
        setup = self._set_up(wanted)
        info, begin = setup.info, Moment.of(self._index(wanted, setup), setup)
        count = min(max(round(seconds * info.rate), 2), info.count - begin.index)
        size = fitting(info.width, info.height, STRETCH_SIDE)
        last = min(begin.index + count, info.count)
        frames = self._source_frames(wanted, setup, begin.first, last, size)
        film = replace(
            info, width=size[0], height=size[1], count=count, sound=(), song="", kind="sequence", alpha=False, depth=8
        )
        engine = self._engine_for(at_size(setup.recipe, info, size, _octave_scale(setup, begin.index)), setup)
        with open_sink(str(output), film, overwrite=True) as sink, closing(render(frames, engine)) as pictures:
            for index, (picture, _) in enumerate(pictures, begin.first):
                if index >= begin.index:
                    sink.write(picture)
                yield index + 1 - begin.first, last - begin.first
            sink.commit(whole=True)

    def cell(self, wanted: Wanted) -> Picture:
        """Dream a frame small and alone: without what was before it, the camera, or a mask of motion.

        Raises:
            DreamError, CancelledError: as for `still`.
        """
        plain = replace(wanted, recipe=without_motion(wanted.recipe))
        setup = self._set_up(plain)
        index = self._index(plain, setup)
        size = fitting(setup.info.width, setup.info.height, CELL_SIDE)
        key = self._opened and self._opened[0], index, size
        if self._cell is None or self._cell[0] != key:
            self._cell = key, next(self._source_frames(plain, setup, index, index + 1, size))
        frame = self._cell[1]
        smaller = at_size(setup.recipe, setup.info, size, _octave_scale(setup, index))
        engine = self._engine_for(hurried(smaller), setup, "cells")
        with closing(render([replace(frame, feedback=False)], engine)) as pictures:
            return _pixels(next(pictures)[0])

    def _finished(self, kept: _Layer, recipe: Recipe, setup: Setup, moment: Moment) -> Picture:
        """Return the picture of a dream that is kept, finished by a recipe."""
        engine = self._engine_for(recipe, setup)
        finish = engine.animation.at(moment.index).finish
        return _pixels(composite(kept.image, kept.layer, finish, palette=engine.palette))

    def _set_up(self, wanted: Wanted) -> Setup:
        """Set the whole film up; what its music says is kept as long as the music stays."""
        recipe = wanted.recipe.set("camera.loop=false")
        opened = self._open(wanted)
        key = extent_key(wanted.source, recipe), recipe.dream.ascent
        setup = self._setups.get(key, lambda: set_up(opened.info, recipe, STILL, self._audio_cache))
        moves = opened.info.kind != "still"
        mask.check_mask(recipe.finish, moves, recipe.temporal.flow != "none")
        return replace(setup, recipe=replace(recipe, camera=setup.recipe.camera, clip=setup.recipe.clip))

    def _open(self, wanted: Wanted) -> Source:
        """Open the source at the size of the film, or take the one that is open."""
        selection = replace(selection_of(wanted.recipe.clip), square=True)
        key = wanted.source, selection, changed(wanted.source)
        if self._opened is None or self._opened[0] != key:
            self._stack.close()
            self._frames = None
            self._opened = key, self._stack.enter_context(open_source(wanted.source, selection))
        return self._opened[1]

    def _index(self, wanted: Wanted, setup: Setup) -> int:
        """Return the number of the frame in the film that is made."""
        source, index = self._open(wanted).info, wanted.frame
        if source.cut and source.kind == "film":  # the part that is rendered begins later than the source
            begins = self._begins.get((wanted.source, changed(wanted.source)), lambda: _begin_of(wanted.source))
            index -= round((source.start + source.delay - begins) * source.rate)
        if not 0 <= index < setup.info.count:
            raise SourceError("this frame is not part of the render: move to another, or change its start and end")
        return index

    def _read(self, wanted: Wanted, setup: Setup, moment: Moment, size: tuple[int, int]) -> list[Frame]:
        """Return the frames of a moment, as they are kept from the last time."""
        key = self._opened and self._opened[0], moment.first, moment.index, size
        if self._frames is not None and self._frames[0] == key:
            return self._frames[1]
        frames = list(self._source_frames(wanted, setup, moment.first, moment.index + 1, size))
        if sum(frame.pixels.nbytes for frame in frames) < KEPT_BYTES:
            self._frames = key, frames
        return frames

    def _source_frames(
        self, wanted: Wanted, setup: Setup, first: int, stop: int, size: tuple[int, int]
    ) -> Iterator[Frame]:
        source = self._open(wanted).since(min(first, setup.source_frames - 1))
        count = 0
        for frame in itertools.islice(setup.frames(source, first), stop - first):
            self._check()
            count += 1
            yield resized(frame, size)
        if not count:
            raise SourceError(f"no frame of {wanted.source} can be decoded there: is it complete?")

    def _engine_for(self, recipe: Recipe, setup: Setup, purpose: str = "film") -> Engine:
        """Return the engine with this recipe; the network is loaded only if it is another, or needs other layers."""
        animation = Animation(recipe, setup.timeline)
        goal = FrameObjective(replace(recipe.network, guide=""), animation).layers
        key = network_key(recipe), tuple(goal)
        if purpose not in self._engines or self._engines[purpose][0] != key:
            configure_process(recipe.network)
            self._engines.pop(purpose, None)  # before another takes memory
            engine = Engine(recipe, setup.timeline)
            engine.network.register_forward_pre_hook(lambda *_: self._check())
            self._engines[purpose] = key, engine
        engine = self._engines[purpose][1]
        engine.take(recipe, setup.timeline)
        return engine

    def _check(self) -> None:
        if self._cancelled():
            raise CancelledError

    def _notices(self) -> tuple[str, ...]:
        waiting = self._engines["film"][1].dreamer.notices
        notices = tuple(waiting)
        waiting.clear()
        return notices


def _pixels(picture: Tensor) -> Picture:
    pixels: Any = quantise(picture, 8)
    return pixels


def _without_finish(recipe: Recipe) -> Recipe:
    """Return the recipe with all that decides what is dreamed; the ascent's effort follows the strength."""
    return replace(recipe, finish=Finish(strength=recipe.finish.strength))


def _octave_scale(setup: Setup, index: int) -> float:
    """Return the size ratio of octaves at a frame."""
    return Animation(setup.recipe, setup.timeline).at(index).dream.octave_scale


def _begin_of(source: str) -> Fraction:
    """Return the time of a source's first frame in its file, s."""
    with open_source(source) as whole:
        return whole.info.start + whole.info.delay
