"""Dreams the frame at one moment of a film as a still."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

from torch import Tensor

from ..errors import SourceError
from ..media.info import Info, as_still
from ..media.readers.frame import Frame, Source
from ..media.readers.source import open_source
from ..media.writers.sink import Sink
from ..recipe import Clip, Recipe, parse_time
from ..video.engine import Engine
from ..video.process_settings import configure_process
from ..video.render import render
from ..video.state import State
from . import side_outputs
from .events import Event, Listener, Result, ignore, report
from .moment import Moment
from .plan import Request
from .setup import Setup, selection_for, set_up

SaveOctave = Callable[[int, Tensor], None]


def preview(
    source: str | Path,
    output: str | Path,
    at: str,
    recipe: Recipe | None = None,
    *,
    overwrite: bool = False,
    layer_out: str | Path = "",
    save_octaves: str | Path = "",
    audio_cache: Path | None = None,
    on_event: Listener = ignore,
) -> Result:
    """Dream the frame at one moment of a film as a still that looks as the frame will in the film.

    Some frames before it are dreamed, too; of feedback frames all. A loop is shown as if it were none.

    Args:
        source, recipe, overwrite, layer_out, save_octaves, audio_cache, on_event: as for `dream_video`.
        output: a picture file.
        at: seconds or mm:ss.s from the film's start.

    Raises:
        DreamError: as for `dream_video`; also if the film has no frame at that moment.
    """
    wanted = Request(
        str(source), str(output), recipe or Recipe(), overwrite, str(layer_out), str(save_octaves), audio_cache
    )
    side_outputs.check_not_input(wanted.output, wanted.recipe)
    with open_source(wanted.source, selection_for(wanted.recipe, wanted.output, one_picture=False)) as whole:
        info = whole.info
    setup = _set_up(info, wanted)
    moment = _find(at, info, setup, wanted)
    for notice in (*info.notices, *setup.notices):
        on_event(Event(0, 1, notice))
    with _open(wanted, moment, info, setup) as (opened, sink, frames, octaves):
        configure_process(setup.recipe.network)
        engine = Engine(setup.recipe, setup.timeline)
        dreamed = render(frames, engine, shots=moment.thinned(engine.shots), on_octave=octaves)
        picture = _last_picture(dreamed, engine, moment, on_event)
        if picture is None:
            raise SourceError(f"no frame of {source} can be decoded at {at}: is it complete?")
        for notice in opened.notices:
            on_event(Event(1, 1, notice))
        sink.write(picture)
        sink.commit(whole=True)
    return Result(wanted.output, 1, 1, False)


def _set_up(info: Info, wanted: Request) -> Setup:
    """Set the whole film up, so that the moment looks the same in it."""
    recipe = wanted.recipe
    is_film = info.kind != "still" or bool(recipe.clip.seconds or recipe.music.music)
    return set_up(info, recipe.set("camera.loop=false"), "film.mp4" if is_film else wanted.output, wanted.audio_cache)


def _find(at: str, info: Info, setup: Setup, wanted: Request) -> Moment:
    """Return the frame at a time, and those before it that are dreamed, too.

    Raises:
        SourceError: the film has no frame at that moment.
    """
    moment, clip = parse_time(at) or Fraction(0), wanted.recipe.clip
    begins = (parse_time(clip.start) or Fraction(0)) + info.delay
    ends = begins + setup.info.count / info.rate
    if not begins <= moment < ends:
        within = f"from {float(begins):g} to {float(ends):.6g} s"
        raise SourceError(f"{wanted.source} has no frame at {at}: take a moment {within}")
    return Moment.of(int((moment - begins) * info.rate), setup)


def _from_frame(first: int, info: Info, clip: Clip) -> Clip:
    """Return the part of a film that begins with one of its frames."""
    if not first:
        return clip
    begins = (parse_time(clip.start) or Fraction(0)) + info.delay
    microseconds = math.floor((begins + first / info.rate) * 1_000_000)
    return replace(clip, start=f"{microseconds / 1_000_000:.6f}")


@contextmanager
def _open(
    wanted: Request, moment: Moment, info: Info, setup: Setup
) -> Iterator[tuple[Source, Sink, Iterable[Frame], SaveOctave | None]]:
    """Open what a preview reads and writes.

    Yields:
        The source, the output, the frames to dream, and what saves the octaves of the last of them, if that is wanted.
    """
    octaves = _octave_saver(wanted, info, moment)
    still = replace(setup, info=as_still(info))
    shown = replace(wanted.recipe, clip=_from_frame(moment.first, info, wanted.recipe.clip))
    with (
        open_source(wanted.source, selection_for(shown, wanted.output, one_picture=False)) as opened,
        side_outputs.open_outputs(wanted.output, wanted.layer_out, still, wanted.overwrite) as (sink, watch),
    ):
        frames = (
            replace(frame, index=frame.index + moment.first, time=frame.time + moment.first / info.rate)
            for frame in opened
        )
        yield opened, sink, watch(itertools.islice(setup.frames(frames), moment.count)), octaves


def _octave_saver(wanted: Request, info: Info, moment: Moment) -> SaveOctave | None:
    """Return what saves the octaves of the frame that is shown, but not of those before it."""
    if not wanted.save_octaves:
        return None
    save = side_outputs.octave_saver(wanted.save_octaves, info, wanted.overwrite)
    return lambda number, dream: save(number, dream) if number == moment.index else None


def _last_picture(
    dreamed: Iterable[tuple[Tensor, State]], engine: Engine, moment: Moment, on_event: Listener
) -> Tensor | None:
    """Return the last of the dreamed pictures; None if there is no frame."""
    picture = None
    for done, (picture, _) in enumerate(dreamed, 1):  # noqa: B007 - the last one is returned
        report(engine.dreamer.notices, on_event, done, moment.dreamed)
        on_event(Event(done, moment.dreamed))
    return picture
