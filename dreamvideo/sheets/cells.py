"""Dreams the pictures of a sheet: one frame with one recipe after the other."""

from __future__ import annotations

import itertools
import math
import shlex
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from .. import __version__
from ..curves.animate import Animation
from ..curves.timeline import Timeline
from ..errors import RecipeError, SourceError
from ..jobs.events import Event
from ..jobs.preview import preview
from ..jobs.setup import set_up
from ..jobs.timelines import selection_of
from ..media.info import Info
from ..media.pixels import to_8bit
from ..media.readers.frame import Frame
from ..media.readers.source import open_source
from ..recipe import Network, Recipe, parse_time
from .contact_sheet import Cell, Sheet

if TYPE_CHECKING:
    from ..dream.objective.objective import Objective
    from ..video.engine import Engine

MAX_CELLS = 100
CELL_AREA, SHEET_AREA = 90_000, 2_800_000  # px, largest area of a cell and of all cells together


@dataclass(frozen=True)
class SheetFrame:
    """The frame that every cell shows.

    Attributes:
        frame: at the size of a cell.
        timeline: what the recipe's curves are evaluated on.
    """

    frame: Frame
    timeline: Timeline

    @classmethod
    def read(cls, source: str | Path, recipe: Recipe, at: str, count: int) -> SheetFrame:
        """Read a frame of a source.

        Args:
            source: film, frames, picture, or `noise:`.
            recipe: gives the part of the source, and the size of a cell.
            at: the frame's time in the film, seconds or mm:ss.s; empty for the first.
            count: number of cells on the sheet, which limits their size.

        Raises:
            SourceError: the source cannot be opened, or has no frame at that time.
        """
        source, clip = str(source), recipe.clip
        with open_source(source, selection_of(replace(clip, size=""))) as whole:
            info = whole.info
        is_film = info.kind != "still" or bool(clip.seconds or recipe.music.music)
        setup = set_up(info, without_motion(recipe), "film.mp4" if is_film else "still.png")
        first, index = (parse_time(clip.start) or Fraction(0)) + info.delay, 0
        if moment := parse_time(at):
            last = first + setup.info.count / info.rate
            if not first <= moment < last:
                span = f"from {float(first):g} to {float(last):.6g} s"
                raise SourceError(f"{source} has no frame at {at}: take a moment {span}")
            index = int((moment - first) * info.rate)
        clip = replace(clip, size=_cell_size(info, clip.size, count))
        if index and info.kind != "still":
            start = math.floor((first + index / info.rate) * 1_000_000)
            clip = replace(clip, start=f"{start / 1_000_000:.6f}")
        with open_source(source, selection_of(clip)) as opened:
            frame = next(iter(opened), None)
        if frame is None:
            raise SourceError(f"no frame of {source} can be decoded{f' at {at}' if at else ''}: is it complete?")
        return cls(replace(frame, index=index, time=index / info.rate), setup.timeline)


def without_motion(recipe: Recipe) -> Recipe:
    """Return the recipe for a single frame: without camera movement, and without a mask made from motion."""
    finish = replace(recipe.finish, mask_from="none") if recipe.finish.mask_from == "motion" else recipe.finish
    return replace(recipe, camera=Recipe().camera, finish=finish)


def _cell_size(info: Info, asked: str, count: int) -> str:
    """Return the size of a cell, like `300x200`: as asked, or the picture's shape, shrunk to fit `count` cells."""
    if asked:
        return asked
    area = info.width * info.height
    scale = min(math.sqrt(min(CELL_AREA, SHEET_AREA / count) / area), 1)
    return "x".join(str(max(round(side * scale), 1)) for side in (info.width * float(info.aspect), info.height))


def dream_cells(
    shown: SheetFrame, recipes: Sequence[Recipe], on_event: Callable[[Event], None]
) -> Iterator[NDArray[np.uint8]]:
    """Dream one frame with each recipe; yield the pictures, (H, W, 3).

    A network is cut after the deepest layer in use. So it is loaded again for other layers, which takes a tenth of a
    second and saves more.

    Raises:
        DreamError: a network, layer or channel that is not available; before the first picture.
    """
    from ..media.tensors import quantise
    from ..video.engine import Engine
    from ..video.process_settings import configure_process
    from ..video.render import render

    configure_process(recipes[0].network)
    recipes = [without_motion(recipe) for recipe in recipes]
    objectives = [_objective(recipe, shown) for recipe in recipes]
    _check_objectives(shown, recipes, objectives)
    engine: Engine | None = None
    loaded: tuple[Network, tuple[str, ...]] | None = None
    for done, (recipe, objective) in enumerate(zip(recipes, objectives, strict=True), 1):
        needed = network_key(recipe), tuple(objective.layers)
        if engine is None or needed != loaded:
            engine, loaded = Engine(recipe, shown.timeline), needed
        engine.take(recipe)
        with closing(render([shown.frame], engine)) as pictures:
            picture, _ = next(pictures)
        while engine.dreamer.notices:
            on_event(Event(done - 1, len(recipes), engine.dreamer.notices.pop(0)))
        yield quantise(picture, 8)  # type: ignore[misc]
        on_event(Event(done, len(recipes)))


def _objective(recipe: Recipe, shown: SheetFrame) -> Objective:
    """Return the recipe's objective at the time of the frame."""
    from ..video.frame_objective import FrameObjective

    animation = Animation(recipe, shown.timeline)
    return FrameObjective(recipe.network, animation).at(animation.at(shown.frame.index), shown.frame.time)


def network_key(recipe: Recipe) -> Network:
    """Return the network's parameters with those reset that need no other network to be loaded."""
    return replace(recipe.network, layers="", guide_weight=1.0, guide_form="match")


def _check_objectives(shown: SheetFrame, recipes: Sequence[Recipe], objectives: Sequence[Objective]) -> None:
    """Evaluate every objective on the frame once, so that a bad one is reported before the dreaming begins."""
    import torch

    for _, group in itertools.groupby(zip(recipes, objectives, strict=True), lambda pair: network_key(pair[0])):
        pairs = list(group)
        engine = probe_engine(pairs[0][0], [name for _, objective in pairs for name in objective.layers])
        with torch.no_grad():
            activations = engine.network(engine.image(shown.frame)[None])
            for _, objective in pairs:
                objective(activations)


def probe_engine(recipe: Recipe, names: Sequence[str]) -> Engine:
    """Return an engine with the recipe's network up to these layers, without a guide."""
    from ..video.engine import Engine
    from ..video.process_settings import configure_process

    configure_process(recipe.network)
    written = ",".join(f"{name}=1" for name in dict.fromkeys(names))
    return Engine(Recipe(network=replace(network_key(recipe), layers=written, guide="")))


def dream_cells_over_time(
    source: str | Path, at: str, recipes: Sequence[Recipe], key: str, on_event: Callable[[Event], None]
) -> Iterator[NDArray[np.uint8]]:
    """Dream a film up to one frame with each recipe, as a preview does; yield the pictures, (H, W, 3).

    Args:
        source, at: the film, and the time of the frame.
        recipes: one for each cell.
        key: the parameter that has an effect only over time, for error messages.
        on_event: called after every cell and for every notice.

    Raises:
        RecipeError: the source is a still without a length, or no time is given.
    """
    clip, has_music = recipes[0].clip, any(recipe.music.music for recipe in recipes)
    with open_source(str(source), selection_of(replace(clip, size=""))) as whole:
        info = whole.info
    if info.kind == "still" and not (clip.seconds or has_music):
        raise RecipeError(f"{key} shows only in a film: give the length of the film of {source}, like --seconds 4")
    if not parse_time(at):
        raise RecipeError(f"{key} shows only over time: give the time of the frame to show, like --at 2")
    size = _cell_size(info, clip.size, len(recipes))
    for done, recipe in enumerate(recipes, 1):
        pixels, notices = _preview(source, at, with_value(recipe, "clip", "size", size))
        for notice in notices if done == 1 else ():
            on_event(Event(0, len(recipes), notice))
        yield pixels
        on_event(Event(done, len(recipes)))


def _preview(source: str | Path, at: str, recipe: Recipe) -> tuple[NDArray[np.uint8], list[str]]:
    """Return the frame at a time as it looks in the film, and the notices of its render."""
    notices: list[str] = []

    def keep_notice(event: Event) -> None:
        if event.notice:
            notices.append(event.notice)

    with tempfile.TemporaryDirectory() as folder:
        picture = Path(folder, "cell.png")
        preview(source, picture, at, recipe, on_event=keep_notice)
        with open_source(str(picture)) as opened:
            return to_8bit(next(iter(opened)).pixels), notices


def with_value(recipe: Recipe, section: str, key: str, value: str) -> Recipe:
    """Return a recipe with one parameter set to a value, as text."""
    return recipe.set(f"{section}.{key}={value}")


def flag_text(section: str, key: str, value: str) -> str:
    """Return the flag that sets a parameter to a value, quoted for a shell; a switch is turned off by `--set`."""
    if value == "false":
        return f"--set {section}.{key}=false"
    name = f"--{key.replace('_', '-')}"
    return name if value == "true" else f"{name} {shlex.quote(value)}"


def make_sheet(source: str | Path, at: str, what: str, recipe: Recipe, cells: Sequence[Cell]) -> Sheet:
    """Return a sheet of cells, titled with the source and its time, what the cells vary, and the version."""
    title = f"{Path(source).name or source}{f' at {at}' if at else ''}"
    return Sheet(title, f"{what} · dreamvideo {__version__}", tuple(cells), recipe=recipe.to_toml())


def network_name(recipe: Recipe) -> str:
    """Return the name of a recipe's network, with the weights file if it has one."""
    network = recipe.network
    return f"{network.model} ({Path(network.weights).name})" if network.weights else network.model
