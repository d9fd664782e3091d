"""Sets a render up: what is rendered from a source, for how long, and the timeline that its curves are read against."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

from ..curves import audio
from ..curves.animate import needs_analysis
from ..curves.timeline import Timeline
from ..errors import RecipeError
from ..finish import mask
from ..media.info import Info
from ..media.paths import STILLS, takes_frames
from ..media.readers.frame import DEFAULT_RATE, Frame
from ..media.readers.selection import Selection
from ..media.readers.source import open_source
from ..media.synced_reader import SyncedReader
from ..media.writers.codecs import EncoderOptions, holds_alpha
from ..recipe import SOURCE_MUSIC, Encoding, Recipe, parse_rate
from ..video import camera
from .extent import extent_of, song_of
from .timelines import selection_of, timeline_for

PLOT_SECONDS = Fraction(10)  # drawn of a recipe that belongs to nothing that has a length


@dataclass(frozen=True)
class Setup:
    """What is rendered.

    Attributes:
        info: of the film to be made.
        recipe: with the defaults of this kind of input filled in.
        timeline: the moments of its frames.
        source_frames: how many of its frames come from the source; the rest are feedback frames.
        blend_frames: how many further frames of the source a loop's end fades over.
        notices: sentences for the user.
    """

    info: Info
    recipe: Recipe
    timeline: Timeline
    source_frames: int
    blend_frames: int = 0
    notices: tuple[str, ...] = ()

    def frames(self, source: Iterable[Frame], first: int = 0) -> Iterator[Frame]:
        """Yield the frames of the source that are rendered, and then the last of them again, as feedback frames.

        Args:
            source: its frames, beginning at or before `first`, or at or before its last one if that is earlier.
            first: the number of the first frame to yield.
        """
        last = None
        for last in source:
            if last.index >= first:
                yield last
            if last.index + 1 >= self.source_frames:
                break
        if last is not None and last.index + 1 >= self.source_frames:  # a damaged film ends where it ends
            for index in range(max(self.source_frames, first), self.timeline.count):
                yield Frame(index, index / self.timeline.rate, last.pixels, feedback=True)


def selection_for(recipe: Recipe, output: str, one_picture: bool | None = None) -> Selection:
    """Return the part of a source that is rendered into an output: with alpha and pixels of the shape it can hold.

    Args:
        recipe: of the render.
        output: as for `dream_video`.
        one_picture: whether of an animation only the first picture is rendered; None for what the output's name says.

    Raises:
        RecipeError: a time, rate or colour that cannot be read.
    """
    selection, suffix = selection_of(recipe.clip), Path(output).suffix.lower()
    many = takes_frames(output)
    # a camera that moves shows other pixels than those that the alpha channel belongs to
    moves = recipe.camera.loop or bool(recipe.camera.then_zoom) or not camera.is_still(recipe)
    keeps_alpha = not moves and holds_alpha(output, encoder_options(recipe.encoding))
    return replace(
        selection,
        background=None if keeps_alpha else selection.background,
        square=many or suffix in (*STILLS, ".gif"),
        one_picture=suffix in STILLS and suffix != ".webp" and not many if one_picture is None else one_picture,
    )


def encoder_options(encoding: Encoding) -> EncoderOptions:
    """Return what a recipe asks of an encoder, as `open_sink` takes it."""
    return EncoderOptions(encoding.codec, encoding.crf, encoding.pix_fmt)


def set_up(source: Info, recipe: Recipe, output: str, audio_cache: Path | None = None) -> Setup:
    """Set up what is rendered from a source.

    Args:
        source: what it is.
        recipe: as the user gave it.
        output: where it goes: the name of a picture asks for a still.
        audio_cache: a folder for the analysis of music (see `audio.analyse`).

    Raises:
        DreamError: the recipe asks for something impossible, or the music cannot be read.
    """
    song = song_of(source, recipe)
    extent = extent_of(source, recipe, output, song)
    info, recipe = extent.info, extent.recipe
    if song:
        info = replace(info, song=song.path, sound=(song.codec,))
    moves = source.kind != "still" and not recipe.camera.loop
    mask.check_mask(recipe.finish, moves, recipe.temporal.flow != "none")
    if recipe.dream.ascent == "phase" and info.count > 1:
        raise RecipeError("dream.ascent = 'phase' dreams single pictures only: take --ascent pixels for a film")
    notices = (*extent.notices, *(_mask_end_notice(recipe.finish.mask, source, info) if recipe.finish.mask else ()))
    timeline = timeline_for(source, extent, audio_cache)
    return Setup(info, recipe, timeline, extent.source_frames, extent.blend_frames, notices)


def _mask_end_notice(path: str, source: Info, info: Info) -> tuple[str, ...]:
    """Return a notice if a mask ends before the film does; its file is read for that."""
    lasts = SyncedReader(path, info.rate).lasts
    if lasts > source.start + source.delay + (info.count - 1) / info.rate:
        return ()
    return (f"{path} ends after {float(lasts):.3g} s of the film: its last picture stays",)


def timeline_of(recipe: Recipe, source: str = "", audio_cache: Path | None = None) -> Timeline:
    """Return the timeline that a recipe's curves would be read against, without rendering.

    Args:
        recipe: whose music is analysed if its curves follow it.
        source: what it is to be rendered from; if empty, its music or `--seconds` set the length, or else ten seconds.
        audio_cache: a folder for the analysis of music.

    Raises:
        DreamError: the source or the music cannot be read.
    """
    if source:
        with open_source(source, selection_of(recipe.clip)) as opened:
            return set_up(opened.info, recipe, "film.mp4", audio_cache).timeline
    rate = parse_rate(recipe.clip.fps) or DEFAULT_RATE
    seconds, sound = Fraction(recipe.clip.seconds).limit_denominator(10**6), None
    if recipe.music.music == SOURCE_MUSIC:
        raise RecipeError("the recipe's music is that of its film: name the film, too, with --source film.mp4")
    if recipe.music.music:
        seconds = seconds or Fraction(len(audio.decode(recipe.music.music)), audio.RATE)
        sound = audio.analyse(recipe.music.music, audio_cache=audio_cache) if needs_analysis(recipe) else None
    return Timeline(rate, max(round((seconds or PLOT_SECONDS) * rate), 1), sound, recipe.music.bpm, still=True)
