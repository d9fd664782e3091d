"""From paths to paths: a source, the loop and a sink, put together; progress goes out as events."""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Callable, Iterable
from contextlib import closing
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

from . import media, outputs, stage
from .errors import SourceError
from .media.sink import as_still
from .recipe import Recipe, parse_time
from .stage import Stage

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    from .pipeline import Engine

DREAMING = 0.9  # share of the bar that a loop is dreamed in; in the rest it is written
PREROLL = 12  # frames dreamed before the one a preview shows, so that it looks as it will in the film


@dataclass(frozen=True)
class Event:
    """What happened: a frame is done, or there is something to say.

    Attributes:
        done, total: frames finished, and how many are expected.
        notice: a sentence for the user; empty for plain progress.
    """

    done: int
    total: int
    notice: str = ""


@dataclass(frozen=True)
class Result:
    """What a render left behind.

    Attributes:
        path: the output.
        done, total: frames written, and how many were expected.
        stopped: whether it was asked to stop before the end.
        seam: of a loop, the temporal error from its last frame to its first over the median from frame to frame.
    """

    path: str
    done: int
    total: int
    stopped: bool
    seam: float = math.nan


def _ignore(event: Event) -> None:
    pass


def _never() -> bool:
    return False


def dream_video(
    source: str | Path,
    output: str | Path,
    recipe: Recipe | None = None,
    *,
    overwrite: bool = False,
    layer_out: str | Path = "",
    save_octaves: str | Path = "",
    keep: Path | None = None,
    on_event: Callable[[Event], None] = _ignore,
    stop: Callable[[], bool] = _never,
) -> Result:
    """Dream a film, a frame sequence or a still into a file.

    Args:
        source: film, folder, glob, printf pattern, picture, or `noise:`.
        output: what to write; its name decides the format (see README).
        recipe: all parameters; the defaults if None.
        overwrite: whether an existing output may be replaced.
        layer_out: where the dream alone is written: RGBA that makes the output again, laid over the source.
        save_octaves: a folder for the dream of every frame at every octave's size, 00001-384x216.png.
        keep: a folder to keep the analysis of music in, so that it need not be listened to again.
        on_event: called after every frame and for every notice, on this thread.
        stop: asked after every frame; once it says yes, the output is finished with what is done.

    Raises:
        DreamError: bad input, output, network or recipe; nothing is left half-written.
    """
    recipe = recipe or Recipe()
    outputs.spare_inputs(str(output), recipe)
    with media.open_source(str(source), recipe.clip) as opened:
        staged = stage.set_up(opened.info, recipe, str(output), keep)
        total = staged.info.count
        octaves = outputs.octaves(str(save_octaves), staged.info.number, overwrite) if save_octaves else None
        with outputs.open_outputs(str(output), str(layer_out), staged, overwrite) as (sink, frames):
            for notice in (*opened.info.notices, *staged.notices, *sink.notices, *_advice(staged)):
                on_event(Event(0, total, notice))
            said = len(sink.notices)
            try:
                stopped, seam = _render(frames(opened), staged, sink, octaves, on_event, stop)
            except SourceError as error:
                if not sink.count:
                    raise
                sink.commit(whole=False)
                raise SourceError(f"{error}; {output} holds the {sink.count} frames before it") from error
            done = sink.count
            if not done and not stopped:
                raise SourceError(f"no frame of {source} can be decoded: is it complete?")
            if not done:
                return Result(str(output), 0, total, True)
            sink.commit(whole=not stopped)
            for notice in sink.notices[said:]:
                on_event(Event(done, total, notice))
    if done < total and not stopped:
        on_event(Event(done, total, f"{source} is damaged: {done} of {total} frames decode, and are dreamed"))
    return Result(str(output), done, total, stopped, seam)


def _advice(staged: Stage) -> list[str]:
    """Return what should be known of a render before it begins."""
    recipe, told = staged.recipe, []
    if recipe.camera.loop:
        told.append("a loop is dreamed twice round and a quarter, and written then: Ctrl-C before leaves nothing")
    elif recipe.temporal.passes == 2 and recipe.temporal.flow != "none" and staged.filmed > 1:
        from .pipeline import STRETCH

        told.append(
            f"in two passes: the bar moves, and Ctrl-C is heard, once up to {STRETCH} frames are dreamed backwards"
        )
    if staged.filmed < staged.info.count and staged.filmed == 1 and recipe.temporal.morph == 0:
        from .camera import rests

        if rests(recipe):
            told.append("nothing moves: give the camera something to do, like --zoom 1.5, or let it --morph 0.5")
    return told


def _render(
    source: Iterable[media.Frame], staged: Stage, sink: media.Sink, octaves: Callable[[int, Tensor], None] | None,
    on_event: Callable[[Event], None], stop: Callable[[], bool],
) -> tuple[bool, float]:  # fmt: skip
    """Run the loop from source to sink; return whether it was stopped, and the seam of a loop."""
    from .flash import Limiter
    from .pipeline import Engine, render

    engine, total = Engine(staged.recipe, staged.timeline), staged.info.count
    engine.on_octave = octaves
    limit = Limiter(staged.info.rate) if stage.limits_flashes(staged.recipe) else None

    def write(picture: Tensor) -> Tensor:
        picture = limit(picture) if limit else picture
        sink.write(picture)
        return picture

    stopped, seam = False, math.nan
    if staged.recipe.camera.loop:
        stopped, seam = _loop(source, staged, engine, write, on_event, stop)
    else:
        with closing(render(staged.frames(source), engine)) as pictures:
            while not (stopped := stop()):
                picture = next(pictures, None)
                if picture is None:
                    break
                _tell(engine, on_event, sink.count, total)
                write(picture[0])
                on_event(Event(sink.count, total))
    if limit and limit.held:
        on_event(Event(sink.count, total, f"{limit.held} frames would have flashed too fast, and were held back"))
    return stopped, seam


def _tell(engine: Engine, on_event: Callable[[Event], None], done: int, total: int) -> None:
    """Pass on what the dreamer has to tell."""
    while engine.dreamer.notices:
        on_event(Event(done, total, engine.dreamer.notices.pop(0)))


class _Stopped(Exception):
    """The user asked to stop where there is nothing yet to be kept."""


def _loop(
    source: Iterable[media.Frame], staged: Stage, engine: Engine, write: Callable[[Tensor], Tensor],
    on_event: Callable[[Event], None], stop: Callable[[], bool],
) -> tuple[bool, float]:  # fmt: skip
    from . import loop

    total = staged.info.count

    def done(share: float) -> None:
        _tell(engine, on_event, int(share * total), total)
        on_event(Event(int(share * total), total))
        if stop():
            raise _Stopped

    with loop.circle(source, staged.filmed, staged.flows, staged.timeline, engine) as circle:
        errors = loop.Errors()
        try:
            dreamed = loop.render(circle, engine, lambda share: done(DREAMING * share))
            for number, (picture, motion) in enumerate(dreamed, 1):
                errors.add(write(picture), motion)
                done(DREAMING + (1 - DREAMING) * number / total)
        except _Stopped:
            return True, math.nan
        return False, errors.seam


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
    on_event: Callable[[Event], None] = _ignore,
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
    from .pipeline import Engine, render

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
            _tell(engine, on_event, done, index - before + 1)
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
    from . import mask
    from .pipeline import Engine, render

    recipe = recipe or Recipe()
    mask.check(recipe.finish, moves=False, carried=False)
    frame = media.Frame(0, Fraction(0), image)
    with closing(render([frame], Engine(recipe))) as pictures:
        picture, _ = next(pictures)
    return picture.permute(1, 2, 0).cpu().numpy()
