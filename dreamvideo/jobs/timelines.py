"""Which part of a source a recipe takes, and the timeline that its curves are read against; without loading torch."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

from ..curves import audio
from ..curves.animate import needs_analysis
from ..curves.timeline import Sound, Timeline
from ..media.info import Info
from ..media.readers.selection import Selection
from ..recipe import SOURCE_MUSIC, Clip, parse_colour, parse_rate, parse_time
from .extent import Extent


def selection_of(clip: Clip) -> Selection:
    """Return the part of a source that a recipe asks for, as `open_source` takes it.

    Raises:
        RecipeError: a time, rate or colour that cannot be read.
    """
    return Selection(
        parse_time(clip.start) or Fraction(0), parse_time(clip.end), parse_rate(clip.fps), clip.size, clip.stream,
        clip.deinterlace != "off", parse_colour(clip.background),
    )  # fmt: skip


def timeline_for(source: Info, extent: Extent, audio_cache: Path | None = None) -> Timeline:
    """Return the timeline of a film that is to be made.

    Args:
        source: what it is made of.
        extent: how much of that is rendered.
        audio_cache: a folder for the analysis of music (see `audio.analyse`).

    Raises:
        DreamError: the music cannot be read.
    """
    info, recipe, begins = extent.info, extent.recipe, source.start + source.delay
    sound: Sound | None = None
    if recipe.music.music and needs_analysis(recipe):
        if recipe.music.music == SOURCE_MUSIC:
            sound = audio.analyse(source.path, begins, info.count / info.rate, audio_cache)
        else:
            sound = audio.analyse(recipe.music.music, audio_cache=audio_cache)
    rests = extent.source_frames if recipe.camera.then_zoom else 0
    return Timeline(info.rate, info.count, sound, recipe.music.bpm, source.kind == "still", rests, begins)
