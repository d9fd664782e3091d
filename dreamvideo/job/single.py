"""Single pictures: a still, one moment of a film as a still, and an image in memory."""

from __future__ import annotations

import dataclasses
import itertools
import math
from contextlib import closing
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

from .. import mask, media, outputs, stage
from ..errors import SourceError
from ..media.sink import as_still
from ..pipeline import Engine, render
from ..recipe import Recipe, parse_time
from .events import Event, Listener, Result, Stop, ignore

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

PREROLL = 12  # frames dreamed before the one a preview shows, so that it looks as it will in the film


def still(
    opened: media.Source, output: str, recipe: Recipe, overwrite: bool, layer_out: str, save_octaves: str,
    on_event: Listener, stop: Stop,
) -> Result:  # fmt: skip
    """Dream one picture into a file (see `dream_video`)."""
    staged = stage.set_up(opened.info, recipe, output)
    octaves = outputs.octaves(save_octaves, staged.info.number, overwrite) if save_octaves else None
    with outputs.open_outputs(output, layer_out, staged, overwrite) as (sink, frames):
        for notice in (*opened.info.notices, *staged.notices, *sink.notices):
            on_event(Event(0, 1, notice))
        engine = Engine(staged.recipe, staged.timeline)
        engine.on_octave = octaves
        if stop():
            return Result(output, 0, 1, True)
        with closing(render(staged.frames(frames(opened)), engine)) as pictures:
            dreamed = next(pictures, None)
        if dreamed is None:
            raise SourceError(f"{opened.info.path} cannot be decoded: is it complete?")
        tell(engine, on_event, 0, 1)
        sink.write(dreamed[0])
        sink.commit(whole=True)
    on_event(Event(1, 1))
    return Result(output, 1, 1, False)


def tell(engine: Engine, on_event: Listener, done: int, total: int) -> None:
    """Pass on what the dreamer has to tell."""
    while engine.dreamer.notices:
        on_event(Event(done, total, engine.dreamer.notices.pop(0)))


def preview(
    source: str | Path,
    output: str | Path,
    at: str,
    recipe: Recipe | None = None,
    *,
    overwrite: bool = False,
    layer_out: str | Path = "",
    save_octaves: str | Path = "",
    keep: Path | None = None,
    on_event: Listener = ignore,
) -> Result:
    """Dream the frame at one moment of a film as a still, after a run-up, so that it looks as it will in the film.

    What lives on itself is dreamed from its beginning; a loop as if it were none.

    Args:
        source, recipe, overwrite, layer_out, save_octaves, keep, on_event: as for `dream_video`.
        output: a picture file.
        at: seconds or mm:ss.s from the film's start.

    Raises:
        DreamError: as for `dream_video`; also a moment the film does not have.
    """
    recipe = recipe or Recipe()
    outputs.spare_inputs(str(output), recipe)
    moment, clip = parse_time(at) or Fraction(0), recipe.clip
    with media.open_source(str(source), clip) as whole:
        info = whole.info
    is_film = info.kind != "still" or bool(clip.seconds or recipe.music.music)
    staged = stage.set_up(info, recipe.set("camera.loop=false"), "film.mp4" if is_film else str(output), keep)
    first = (parse_time(clip.start) or Fraction(0)) + info.delay
    last = first + staged.info.count / info.rate
    if not first <= moment < last:
        raise SourceError(f"{source} has no frame at {at}: take a moment from {float(first):g} to {float(last):.6g} s")
    index = int((moment - first) * info.rate)
    before = max(min(index, staged.filmed - 1) - PREROLL, 0)
    microseconds = math.floor((first + before / info.rate) * 1_000_000)
    part = dataclasses.replace(clip, start=f"{microseconds / 1_000_000:.6f}") if before else clip
    for notice in (*info.notices, *staged.notices):
        on_event(Event(0, 1, notice))
    picture = None
    octaves = outputs.octaves(str(save_octaves), info.number, overwrite) if save_octaves else None
    still = dataclasses.replace(staged, info=as_still(info))
    with (
        media.open_source(str(source), part) as opened,
        outputs.open_outputs(str(output), str(layer_out), still, overwrite) as (sink, kept),
    ):
        frames = (
            dataclasses.replace(frame, index=frame.index + before, time=frame.time + before / info.rate)
            for frame in opened
        )
        taken = kept(itertools.islice(staged.frames(frames), index - before + 1))
        engine = Engine(staged.recipe, staged.timeline)
        if octaves is not None:  # of the frame that is shown, not of the run-up
            engine.on_octave = lambda number, dream: octaves(number, dream) if number == index else None
        for done, (picture, _) in enumerate(render(taken, engine), 1):  # noqa: B007 - the last one is wanted
            tell(engine, on_event, done, index - before + 1)
            on_event(Event(done, index - before + 1))
        if picture is None:
            raise SourceError(f"no frame of {source} can be decoded at {at}: is it complete?")
        sink.write(picture)
        sink.commit(whole=True)
    return Result(str(output), 1, 1, False)


def dream_image(image: NDArray[np.uint8] | NDArray[np.uint16], recipe: Recipe | None = None) -> NDArray[np.float32]:
    """Dream one picture.

    Args:
        image: RGB, (H, W, 3), uint8 or uint16 over their full range.
        recipe: all parameters; the defaults if None.

    Returns:
        The dream, RGB float32 in [0, 1], (H, W, 3).

    Raises:
        DreamError: the recipe names what cannot be had.
        ValueError: the image is of another shape or type.
    """
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype not in ("uint8", "uint16"):
        raise ValueError(f"expected RGB (H, W, 3) of uint8 or uint16, got {image.shape} of {image.dtype}")
    recipe = recipe or Recipe()
    mask.check(recipe.finish, moves=False, carried=False)
    frame = media.Frame(0, Fraction(0), image)
    with closing(render([frame], Engine(recipe))) as pictures:
        picture, _ = next(pictures)
    return picture.permute(1, 2, 0).cpu().numpy()
