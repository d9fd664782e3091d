"""One moment of a film, dreamed as a still."""

from __future__ import annotations

import dataclasses
import itertools
import math
from fractions import Fraction
from pathlib import Path

from torch import Tensor

from ..errors import SourceError
from ..media.info import as_still
from ..media.readers.source import open_source
from ..recipe import Recipe, parse_time
from ..video.engine import Engine
from ..video.process import configure_process
from ..video.render import render
from . import side_outputs
from .events import Event, Listener, Result, ignore
from .setup import selection_of, set_up
from .still import tell

PREROLL = 12  # frames dreamed before the one a preview shows, so that it looks as it will in the film


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
    side_outputs.check_not_input(str(output), recipe)
    moment, clip = parse_time(at) or Fraction(0), recipe.clip
    with open_source(str(source), selection_of(clip)) as whole:
        info = whole.info
    is_film = info.kind != "still" or bool(clip.seconds or recipe.music.music)
    setup = set_up(info, recipe.set("camera.loop=false"), "film.mp4" if is_film else str(output), keep)
    first = (parse_time(clip.start) or Fraction(0)) + info.delay
    last = first + setup.info.count / info.rate
    if not first <= moment < last:
        raise SourceError(f"{source} has no frame at {at}: take a moment from {float(first):g} to {float(last):.6g} s")
    index = int((moment - first) * info.rate)
    before = max(min(index, setup.source_frames - 1) - PREROLL, 0)
    microseconds = math.floor((first + before / info.rate) * 1_000_000)
    part = dataclasses.replace(clip, start=f"{microseconds / 1_000_000:.6f}") if before else clip
    for notice in (*info.notices, *setup.notices):
        on_event(Event(0, 1, notice))
    picture = None
    octaves = side_outputs.octave_saver(str(save_octaves), info.number, overwrite) if save_octaves else None
    still = dataclasses.replace(setup, info=as_still(info))
    with (
        open_source(str(source), selection_of(part)) as opened,
        side_outputs.open_outputs(str(output), str(layer_out), still, overwrite) as (sink, kept),
    ):
        frames = (
            dataclasses.replace(frame, index=frame.index + before, time=frame.time + before / info.rate)
            for frame in opened
        )
        taken = kept(itertools.islice(setup.frames(frames), index - before + 1))
        configure_process(setup.recipe.network)
        engine = Engine(setup.recipe, setup.timeline)

        def save_octave(number: int, dream: Tensor) -> None:
            if octaves is not None and number == index:  # of the frame that is shown, not of the run-up
                octaves(number, dream)

        for done, (picture, _) in enumerate(render(taken, engine, on_octave=save_octave), 1):  # noqa: B007 - the last one is wanted
            tell(engine, on_event, done, index - before + 1)
            on_event(Event(done, index - before + 1))
        if picture is None:
            raise SourceError(f"no frame of {source} can be decoded at {at}: is it complete?")
        sink.write(picture)
        sink.commit(whole=True)
    return Result(str(output), 1, 1, False)
