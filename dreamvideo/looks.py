"""Looks to choose from by eye: a picture dreamed with every layer, and by several values of a parameter or two."""

from __future__ import annotations

import difflib
import itertools
import math
import shlex
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from . import __version__, media, stage
from .errors import RecipeError, SourceError
from .job import Event, preview
from .media.names import holds_frames, sequence_files
from .recipe import Network, Recipe, guides, parameters, parse_time
from .score import Score
from .sheet import Cell, Sheet
from .timeline import Timeline

if TYPE_CHECKING:
    from .objective import Objective
    from .pipeline import Engine

MOST = 100  # cells of a sheet
ROW = 6  # cells that stand in one row before they take another
STRONGEST = "top:48"  # the channels shown unless told
LARGE, WHOLE = 90_000, 2_800_000  # px of a cell at most, and of all cells together
IN_TIME = ("temporal", "camera", "music")  # sections that show only in what came before a frame
UNSEEN = ("clip", "encoding")  # sections that say nothing of how a frame looks


def _ignore(event: Event) -> None:
    pass


def layers(
    source: str | Path,
    recipe: Recipe | None = None,
    *,
    layer: str = "",
    channels: str = "",
    at: str = "",
    on_event: Callable[[Event], None] = _ignore,
) -> Sheet:
    """Dream one picture with every layer of a network, or with every channel of one of its layers.

    Args:
        source: film, frames, picture, or `noise:`; of several frames the first is dreamed.
        recipe: everything but the layers; the defaults if None. Its `clip.size` is a cell's.
        layer: show this layer's channels, one by one.
        channels: which: `0-31`, `3,7-9`, or `top:48` (default), those that respond most to the picture, in order.
        at: the moment of a film to take its frame from, seconds or mm:ss.s.
        on_event: called after every cell and for every notice, on this thread.

    Returns:
        A sheet: the source, then a cell for each, with the flag that makes it.

    Raises:
        DreamError: the source, moment, network, layer or channels cannot be had.
    """
    recipe = recipe or Recipe()
    if channels and not layer:
        raise RecipeError("channels are one layer's: name it, like --layer blocks.9")
    from . import models

    if layer:
        terms = _channels(source, recipe, at, layer, channels or STRONGEST)
    else:
        terms = [f"{name}=1" for name in models.layers(recipe.network.model)]
    shown = _Shown.of(source, recipe, at, len(terms) + 1)
    cells = [Cell("", _eight_bits(shown.frame.pixels))]
    recipes = [_with(recipe, "network", "layers", term) for term in terms]
    for term, pixels in zip(terms, _dreamed(shown, recipes, on_event), strict=True):
        cells.append(Cell(_flag("layers", term), pixels))
    what = f"every layer of {_network(recipe)}" if not layer else f"channels of {layer}, {_network(recipe)}"
    return _sheet(source, at, what, recipe, tuple(cells))


def sweep(
    source: str | Path,
    axes: Mapping[str, Sequence[Any]],
    recipe: Recipe | None = None,
    *,
    at: str = "",
    on_event: Callable[[Event], None] = _ignore,
) -> Sheet:
    """Dream one picture by several values of a parameter, or of two.

    Where a parameter shows only in time (how the dream travels, the camera, the music), every cell is the frame at the
    moment `at`, dreamed up to as in a preview.

    Args:
        source, at, on_event: as for `layers`.
        axes: {parameter: values}, one or two, like {"step": [0.01, 0.02], "network.layers": ["blocks.5", "blocks.9"]};
            the first goes across, the second down.
        recipe: everything else; the defaults if None. Its `clip.size` is a cell's.

    Raises:
        DreamError: no such parameter or value, too many of them, or a source that cannot be had.
    """
    recipe = recipe or Recipe()
    if not 1 <= len(axes) <= 2:
        many = f"{' and '.join(axes)} have several values: " if axes else ""
        raise RecipeError(f"{many}give one or two parameters several values, like --step 0.005,0.01,0.02")
    found = [(*_parameter(name), [str(value) for value in values]) for name, values in axes.items()]
    count = math.prod(len(values) for _, _, values in found)
    if not 1 <= count <= MOST:
        raise RecipeError(
            f"{' times '.join(str(len(v)) for _, _, v in found)} values are {count} cells: take 1 to {MOST}"
        )
    across, *down = found
    recipes, flags = [], []
    for chosen in itertools.product(*(values for _, _, values in reversed(found))):
        of_cell, words = recipe, list[str]()
        for (section, key, _), value in zip(reversed(found), chosen, strict=True):
            of_cell = _with(of_cell, section, key, value)
            words.insert(0, _flag(key, value))
        recipes.append(of_cell)
        flags.append(" ".join(words))
    in_time = [key for section, key, _ in found if section in IN_TIME]
    if in_time:
        pictures = _filmed(source, at, recipe, recipes, in_time[0], on_event)
    else:
        pictures = _dreamed(_Shown.of(source, recipe, at, count), recipes, on_event)
    cells = tuple(Cell(flag, pixels) for flag, pixels in zip(flags, pictures, strict=True))
    what = f"{' by '.join(key for _, key, _ in found)}, {_network(recipe)}"
    drawn = _sheet(source, at, what, recipe, cells)
    if not down:
        return replace(drawn, columns=count if count <= ROW else 0)
    labels = [tuple(_flag(key, value) for value in values) for _, key, values in found]
    return replace(drawn, columns=len(across[2]), across=labels[0], down=labels[1])


def inputs(source: str, recipe: Recipe) -> list[str | Path]:
    """Return the files that a sheet is made of, which it must not replace."""
    network = recipe.network
    more = [path for path, _ in guides(network.guide)] + [network.weights, recipe.music.music, recipe.temporal.cuts]
    return [*(sequence_files(source) if holds_frames(source) else [source]), *filter(None, more)]


@dataclass(frozen=True)
class _Shown:
    """The frame that is dreamed in every cell, and the moments that curves are read against."""

    frame: media.Frame
    timeline: Timeline

    @classmethod
    def of(cls, source: str | Path, recipe: Recipe, at: str, count: int) -> _Shown:
        """Take a frame of a source, at the size of one of so many cells."""
        source, clip = str(source), recipe.clip
        with media.open_source(source, replace(clip, size="")) as whole:
            info = whole.info
        is_film = info.kind != "still" or bool(clip.seconds or recipe.music.music)
        staged = stage.set_up(info, _resting(recipe), "film.mp4" if is_film else "still.png")
        first, index = (parse_time(clip.start) or Fraction(0)) + info.delay, 0
        if moment := parse_time(at):
            last = first + staged.info.count / info.rate
            if not first <= moment < last:
                span = f"from {float(first):g} to {float(last):.6g} s"
                raise SourceError(f"{source} has no frame at {at}: take a moment {span}")
            index = int((moment - first) * info.rate)
        clip = replace(clip, size=_cell_size(info, clip.size, count))
        if index and info.kind != "still":
            start = math.floor((first + index / info.rate) * 1_000_000)
            clip = replace(clip, start=f"{start / 1_000_000:.6f}")
        with media.open_source(source, clip) as opened:
            frame = next(iter(opened), None)
        if frame is None:
            raise SourceError(f"no frame of {source} can be decoded{f' at {at}' if at else ''}: is it complete?")
        return cls(replace(frame, index=index, time=index / info.rate), staged.timeline)


def _resting(recipe: Recipe) -> Recipe:
    """Return a recipe whose camera does not move."""
    return replace(recipe, camera=Recipe().camera)


def _cell_size(info: media.Info, asked: str, count: int) -> str:
    """Return the size of one of so many cells as it is written: the shape of the picture, and no larger than it."""
    if asked:
        return asked
    area = info.width * info.height
    scale = min(math.sqrt(min(LARGE, WHOLE / count) / area), 1)
    return "x".join(str(max(round(side * scale), 1)) for side in (info.width * float(info.aspect), info.height))


def _dreamed(
    shown: _Shown, recipes: Sequence[Recipe], on_event: Callable[[Event], None]
) -> Iterator[NDArray[np.uint8]]:
    """Dream a frame by one recipe after the other; yield the pictures, (H, W, 3).

    A network is cut after the deepest layer in use, so for other layers it is loaded anew: that takes a tenth of a
    second, and spares more.
    """
    from .media.pictures import quantise
    from .pipeline import Engine, render

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


def _objective(recipe: Recipe, shown: _Shown) -> Objective:
    from . import models, objective

    network = Score(recipe, shown.timeline).at(shown.frame.index).network
    return objective.parse(network.layers or models.default_layers(network.model))


def _loaded(recipe: Recipe) -> Network:
    """Return what of a network's parameters decides what is loaded, beside its layers."""
    return replace(recipe.network, layers="", guide_weight=1.0, guide_form="match")


def _try(shown: _Shown, recipes: Sequence[Recipe], asked: Sequence[Objective]) -> None:
    """Look at the frame by every objective once, so that what cannot be had is told before a minute of dreaming."""
    import torch

    for network, of_it in itertools.groupby(zip(recipes, asked, strict=True), lambda pair: _loaded(pair[0])):
        goals = [goal for _, goal in of_it]
        engine = _looking(Recipe(network=network), [name for goal in goals for name in goal.layers])
        with torch.no_grad():
            activations = engine.network(engine.image(shown.frame)[None])
            for goal in goals:
                goal(activations)


def _looking(recipe: Recipe, names: Sequence[str]) -> Engine:
    """Return an engine that sees these layers."""
    from .pipeline import Engine

    return Engine(_with(recipe, "network", "layers", ",".join(f"{name}=1" for name in dict.fromkeys(names))))


def _channels(source: str | Path, recipe: Recipe, at: str, layer: str, written: str) -> list[str]:
    """Return the terms of a layer's channels, one by one, as they are written."""
    import torch

    from . import objective

    (term,) = objective.parse(f"{layer}:{written}").terms
    assert isinstance(term, objective.Layer)
    assert term.channels is not None
    shown, engine = _Shown.of(source, recipe, at, MOST), _looking(Recipe(network=_loaded(recipe)), [term.name])
    with torch.no_grad():
        activation = engine.network(engine.image(shown.frame)[None])[term.name]
    numbers = term.channels.of(activation, term.name).tolist()
    if len(numbers) >= MOST:
        raise RecipeError(
            f"{len(numbers)} channels are too many for a sheet: take up to {MOST - 1}, like --channels 0-31"
        )
    return [str(replace(term, channels=objective.Channels((number,)))) for number in numbers]


def _filmed(
    source: str | Path, at: str, recipe: Recipe, recipes: Sequence[Recipe], key: str,
    on_event: Callable[[Event], None],
) -> Iterator[NDArray[np.uint8]]:  # fmt: skip
    """Dream up to a moment of a film by one recipe after the other; yield the pictures, (H, W, 3)."""
    with media.open_source(str(source), replace(recipe.clip, size="")) as whole:
        info = whole.info
    if not parse_time(at):
        raise RecipeError(f"{key} shows only in time: say which moment of the film to show, like --at 2")
    if info.kind == "still" and not (recipe.clip.seconds or recipe.music.music):
        raise RecipeError(f"{key} shows only in a film: say how long that of {source} is, like --seconds 4")
    size = _cell_size(info, recipe.clip.size, len(recipes))
    for done, of_cell in enumerate(recipes, 1):
        told: list[str] = []
        with tempfile.TemporaryDirectory() as folder:
            picture = Path(folder, "cell.png")
            preview(source, picture, at, _with(of_cell, "clip", "size", size), on_event=lambda e: told.append(e.notice))  # noqa: B023
            with media.open_source(str(picture)) as opened:
                pixels = _eight_bits(next(iter(opened)).pixels)
        for notice in filter(None, told if done == 1 else ()):
            on_event(Event(0, len(recipes), notice))
        yield pixels
        on_event(Event(done, len(recipes)))


def _parameter(name: str) -> tuple[str, str]:
    """Return the section and key of a parameter, by its key or both."""
    known = [(section, key) for section, key, _, _ in parameters()]
    for section, key in known:
        if name.replace("-", "_") in (key, f"{section}.{key}"):
            if section in UNSEEN:
                raise RecipeError(f"{section}.{key} does not change how a picture is dreamed: sweep another parameter")
            return section, key
    seen = [key for section, key in known if section not in UNSEEN]
    near = difflib.get_close_matches(name.rpartition(".")[2], seen, n=3, cutoff=0.5) or seen
    raise RecipeError(f"the recipe has no parameter called {name!r}: did you mean {' or '.join(near)}?")


def _with(recipe: Recipe, section: str, key: str, value: str) -> Recipe:
    return recipe.set(f"{section}.{key}={value}")


def _flag(key: str, value: str) -> str:
    """Return what to type for a parameter's value."""
    name = key.replace("_", "-")
    if value in ("true", "false"):
        return f"--{name}" if value == "true" else f"--no-{name}"
    return f"--{name} {shlex.quote(value)}"


def _sheet(source: str | Path, at: str, what: str, recipe: Recipe, cells: tuple[Cell, ...]) -> Sheet:
    title = Path(source).name or str(source)
    return Sheet(
        f"{title} at {at}" if at else title, f"{what} · dreamvideo {__version__}", cells, recipe=recipe.to_toml()
    )


def _network(recipe: Recipe) -> str:
    network = recipe.network
    return f"{network.model} ({Path(network.weights).name})" if network.weights else network.model


def _eight_bits(pixels: NDArray[np.uint8] | NDArray[np.uint16]) -> NDArray[np.uint8]:
    return pixels if pixels.dtype == np.uint8 else (pixels // 257).astype(np.uint8)
