"""What stands in the cells of a sheet: one frame, dreamed by one recipe after the other."""

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
from ..jobs.setup import selection_of, set_up
from ..media.info import Info
from ..media.pixels import to_8bit
from ..media.readers.frame import Frame
from ..media.readers.source import open_source
from ..recipe import Network, Recipe, parse_time
from .contact_sheet import Cell, Sheet

if TYPE_CHECKING:
    from ..dream.objective.objective import Objective
    from ..video.engine import Engine

MOST = 100  # cells of a sheet
LARGE, WHOLE = 90_000, 2_800_000  # px of a cell at most, and of all cells together


def ignore(event: Event) -> None:
    """Hear nothing."""


@dataclass(frozen=True)
class Shown:
    """The frame that is dreamed in every cell, and the moments that curves are read against."""

    frame: Frame
    timeline: Timeline

    @classmethod
    def of(cls, source: str | Path, recipe: Recipe, at: str, count: int) -> Shown:
        """Take a frame of a source, at the size of one of so many cells."""
        source, clip = str(source), recipe.clip
        with open_source(source, selection_of(replace(clip, size=""))) as whole:
            info = whole.info
        is_film = info.kind != "still" or bool(clip.seconds or recipe.music.music)
        setup = set_up(info, _resting(recipe), "film.mp4" if is_film else "still.png")
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


def _resting(recipe: Recipe) -> Recipe:
    """Return a recipe for a frame by itself: the camera does not move, and nothing is masked by what moves."""
    finish = replace(recipe.finish, mask_from="none") if recipe.finish.mask_from == "motion" else recipe.finish
    return replace(recipe, camera=Recipe().camera, finish=finish)


def _cell_size(info: Info, asked: str, count: int) -> str:
    """Return the size of one of so many cells as it is written: the shape of the picture, and no larger than it."""
    if asked:
        return asked
    area = info.width * info.height
    scale = min(math.sqrt(min(LARGE, WHOLE / count) / area), 1)
    return "x".join(str(max(round(side * scale), 1)) for side in (info.width * float(info.aspect), info.height))


def dreamed(shown: Shown, recipes: Sequence[Recipe], on_event: Callable[[Event], None]) -> Iterator[NDArray[np.uint8]]:
    """Dream a frame by one recipe after the other; yield the pictures, (H, W, 3).

    A network is cut after the deepest layer in use, so for other layers it is loaded anew: that takes a tenth of a
    second, and spares more.
    """
    from ..media.pixels import quantise
    from ..video.engine import Engine
    from ..video.render import render

    recipes = [_resting(recipe) for recipe in recipes]
    asked = [_objective(recipe, shown) for recipe in recipes]
    _try(shown, recipes, asked)
    engine: Engine | None = None
    held: tuple[Network, tuple[str, ...]] | None = None
    for done, (recipe, goal) in enumerate(zip(recipes, asked, strict=True), 1):
        needs = _loaded(recipe), tuple(goal.layers)
        if engine is None or needs != held:
            engine, held = Engine(recipe, shown.timeline), needs
        engine.take(recipe)
        with closing(render([shown.frame], engine)) as pictures:
            picture, _ = next(pictures)
        while engine.dreamer.notices:
            on_event(Event(done - 1, len(recipes), engine.dreamer.notices.pop(0)))
        yield quantise(picture, 8)  # type: ignore[misc]
        on_event(Event(done, len(recipes)))


def _objective(recipe: Recipe, shown: Shown) -> Objective:
    from ..dream.objective import text
    from ..networks.load import default_layers

    now = Animation(recipe, shown.timeline).at(shown.frame.index).network
    return text.parse_objective(now.layers or default_layers(now.model))


def _loaded(recipe: Recipe) -> Network:
    """Return what of a network's parameters decides what is loaded, beside its layers."""
    return replace(recipe.network, layers="", guide_weight=1.0, guide_form="match")


def _try(shown: Shown, recipes: Sequence[Recipe], asked: Sequence[Objective]) -> None:
    """Look at the frame by every objective once, so that what cannot be had is told before a minute of dreaming."""
    import torch

    for _, of_it in itertools.groupby(zip(recipes, asked, strict=True), lambda pair: _loaded(pair[0])):
        pairs = list(of_it)
        goals = [goal for _, goal in pairs]
        engine = looking(pairs[0][0], [name for goal in goals for name in goal.layers])
        with torch.no_grad():
            activations = engine.network(engine.image(shown.frame)[None])
            for goal in goals:
                goal(activations)


def looking(recipe: Recipe, names: Sequence[str]) -> Engine:
    """Return an engine that sees these layers, and no guide."""
    from ..video.engine import Engine

    written = ",".join(f"{name}=1" for name in dict.fromkeys(names))
    return Engine(Recipe(network=replace(_loaded(recipe), layers=written, guide="")))


def filmed(
    source: str | Path, at: str, recipes: Sequence[Recipe], key: str, on_event: Callable[[Event], None]
) -> Iterator[NDArray[np.uint8]]:
    """Dream up to a moment of a film by one recipe after the other; yield the pictures, (H, W, 3).

    Raises:
        RecipeError: there is no film, or no moment, for the parameter `key` to show in.
    """
    clip, has_music = recipes[0].clip, any(recipe.music.music for recipe in recipes)
    with open_source(str(source), selection_of(replace(clip, size=""))) as whole:
        info = whole.info
    if info.kind == "still" and not (clip.seconds or has_music):
        raise RecipeError(f"{key} shows only in a film: say how long that of {source} is to be, like --seconds 4")
    if not parse_time(at):
        raise RecipeError(f"{key} shows only in time: say which moment of the film to show, like --at 2")
    size = _cell_size(info, clip.size, len(recipes))
    for done, recipe in enumerate(recipes, 1):
        pixels, notices = _previewed(source, at, changed(recipe, "clip", "size", size))
        for notice in notices if done == 1 else ():
            on_event(Event(0, len(recipes), notice))
        yield pixels
        on_event(Event(done, len(recipes)))


def _previewed(source: str | Path, at: str, recipe: Recipe) -> tuple[NDArray[np.uint8], list[str]]:
    """Return the frame at a moment as it is in the film, and what was to be told of it."""
    notices: list[str] = []

    def hear(event: Event) -> None:
        if event.notice:
            notices.append(event.notice)

    with tempfile.TemporaryDirectory() as folder:
        picture = Path(folder, "cell.png")
        preview(source, picture, at, recipe, on_event=hear)
        with open_source(str(picture)) as opened:
            return to_8bit(next(iter(opened)).pixels), notices


def changed(recipe: Recipe, section: str, key: str, value: str) -> Recipe:
    """Return a recipe with one value changed, as it is written."""
    return recipe.set(f"{section}.{key}={value}")


def flag(section: str, key: str, value: str) -> str:
    """Return what to type for a parameter's value; a switch has no flag that turns it off."""
    if value == "false":
        return f"--set {section}.{key}=false"
    name = f"--{key.replace('_', '-')}"
    return name if value == "true" else f"{name} {shlex.quote(value)}"


def titled(source: str | Path, at: str, what: str, recipe: Recipe, cells: Sequence[Cell]) -> Sheet:
    """Return a sheet of these cells that says what was dreamed, by what, and by which version."""
    title = f"{Path(source).name or source}{f' at {at}' if at else ''}"
    return Sheet(title, f"{what} · dreamvideo {__version__}", tuple(cells), recipe=recipe.to_toml())


def network(recipe: Recipe) -> str:
    """Return the name of a recipe's network."""
    of = recipe.network
    return f"{of.model} ({Path(of.weights).name})" if of.weights else of.model
