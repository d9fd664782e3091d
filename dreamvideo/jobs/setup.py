"""Settles what is rendered and for how long: a film, a still made into one, a tail that goes on, a loop; and the
timeline that a recipe's curves are read against.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

from ..curves import audio
from ..curves.animate import follows_sound, needs_analysis
from ..curves.timeline import Sound, Timeline
from ..errors import RecipeError, SourceError
from ..finish import mask
from ..media.info import Info
from ..media.paths import STILLS, takes_frames
from ..media.probe import song_codec
from ..media.readers.frame import DEFAULT_RATE, Frame
from ..media.readers.selection import Selection
from ..media.readers.source import open_source
from ..media.synced_reader import SyncedReader
from ..media.writers.codecs import EncoderOptions
from ..recipe import SOURCE_MUSIC, Clip, Encoding, Recipe, parse_rate, parse_time

FLOW = Fraction(3, 4)  # s over which the end of a film's loop flows into its beginning
TAIL_ZOOM = 1.5  # times a second that a film's last frame goes on zooming, unless told
PLOTTED = Fraction(10)  # s drawn of a recipe that belongs to nothing that has a length


@dataclass(frozen=True)
class Setup:
    """What is to be rendered.

    Attributes:
        info: of the film to be made.
        recipe: what it is made by; what was left open is settled.
        timeline: its moments.
        source_frames: how many of its frames come from the source; the rest goes on from the last of them.
        blend_frames: how many further frames a film's loop flows into its beginning.
        notices: what the user should be told, a sentence each.
    """

    info: Info
    recipe: Recipe
    timeline: Timeline
    source_frames: int
    blend_frames: int = 0
    notices: tuple[str, ...] = ()

    def frames(self, source: Iterable[Frame], first: int = 0) -> Iterator[Frame]:
        """Yield the frames of the source, as many as are source_frames, and then the last of them, held to the end.

        Where they are wanted from a later one than the `first`, the source has to begin with that, or with the last
        one that is source_frames.
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


def selection_of(clip: Clip) -> Selection:
    """Return the part of a source that a recipe asks for, as `open_source` takes it.

    Raises:
        RecipeError: a time or rate that cannot be read.
    """
    return Selection(parse_time(clip.start) or Fraction(0), parse_time(clip.end), parse_rate(clip.fps), clip.size)


def encoder_options(encoding: Encoding) -> EncoderOptions:
    """Return what a recipe asks of an encoder, as `open_sink` takes it."""
    return EncoderOptions(encoding.codec, encoding.crf, encoding.pix_fmt)


def set_up(source: Info, recipe: Recipe, output: str, keep: Path | None = None) -> Setup:
    """Settle what is rendered from a source.

    Args:
        source: what it is.
        recipe: as the user gave it.
        output: where it goes: a still's name asks for a still.
        keep: a folder to keep the analysis of music in (see `audio.analyse`).

    Raises:
        DreamError: the recipe asks for what cannot be, or the music cannot be read.
    """
    notices: list[str] = []
    info, song = source, _song(source, recipe)
    camera, seconds = recipe.camera, Fraction(recipe.clip.seconds).limit_denominator(10**6)
    if camera.loop and camera.then_zoom:
        raise RecipeError("a loop has no end to go on from: take --loop or --then-zoom")
    source_frames = source.count
    if source.kind == "still" and makes_film(recipe, output):
        seconds = (
            seconds or Fraction(camera.then_zoom).limit_denominator(10**6) or (song.seconds if song else Fraction(0))
        )
        if not seconds:
            raise RecipeError(f"say how long the film of {source.path} is to be: --seconds 10, or --music song.mp3")
        if camera.then_zoom and not recipe.clip.seconds:
            recipe = recipe.set(f"clip.seconds={float(seconds)}")
        recipe = recipe.set("camera.then_zoom=0.0")
        info = replace(source, kind="sequence", count=_frames(seconds, source.rate), number=1)
    elif source.kind != "still":
        info = _trimmed(info, seconds, song, recipe, notices)
        source_frames = min(source_frames, _frames(seconds, source.rate) if seconds else source_frames, info.count)
        if camera.then_zoom and camera.zoom == 1.0:
            recipe = recipe.set(f"camera.zoom={TAIL_ZOOM}")
    blend_frames = 0
    if camera.loop and source.kind == "still" and info.count == 1:
        raise RecipeError("--loop closes a film: name the output out.mp4, and say how long it is, like --seconds 4")
    if camera.loop and source.kind != "still":
        info, blend_frames = _loop_info(source, info, seconds, notices)
    if song:
        info = replace(info, song=song.path, sound=(song.codec,))
    mask.check_mask(recipe.finish, source.kind != "still" and not camera.loop, recipe.temporal.flow != "none")
    if recipe.finish.mask:
        notices += _mask_end_notice(recipe.finish.mask, source, info)
    return Setup(
        info, recipe, _timeline(source, info, source_frames, recipe, keep), source_frames, blend_frames, tuple(notices)
    )


@dataclass(frozen=True)
class _Song:
    path: str
    codec: str
    seconds: Fraction


def _song(source: Info, recipe: Recipe) -> _Song | None:
    """Return the song that takes the place of the source's own sound, if there is one."""
    path = recipe.music.music
    if path == SOURCE_MUSIC and not source.sound:
        raise SourceError(f"{source.path} holds no sound to be its music: give --music song.mp3")
    if not path or path == SOURCE_MUSIC:
        return None
    return _Song(path, song_codec(path), Fraction(len(audio.decode(path)), audio.RATE))


def makes_film(recipe: Recipe, output: str) -> bool:
    """Tell whether a film is to be made of a still."""
    wanted = bool(recipe.clip.seconds or recipe.music.music or recipe.camera.then_zoom or recipe.camera.loop)
    return wanted or not (Path(output).suffix.lower() in STILLS or takes_frames(output))


def _frames(seconds: Fraction, rate: Fraction) -> int:
    return max(round(seconds * rate), 1)


def _trimmed(info: Info, seconds: Fraction, song: _Song | None, recipe: Recipe, notices: list[str]) -> Info:
    """Return a film as long as is asked for, with its tail if it goes on; or else as its music."""
    count = min(_frames(seconds, info.rate), info.count) if seconds else info.count
    goes_on = recipe.camera.then_zoom or recipe.camera.loop
    if seconds and _frames(seconds, info.rate) > info.count and not goes_on:
        notices.append(f"{info.path} lasts {float(info.count / info.rate):.3g} s: --then-zoom goes on from its end")
    if recipe.camera.then_zoom:
        count += _frames(Fraction(recipe.camera.then_zoom).limit_denominator(10**6), info.rate)
    if song and not seconds:
        count = min(count, _frames(song.seconds, info.rate))
    if song and song.seconds > (count + 1) / info.rate:
        notices.append(f"{song.path} lasts {float(song.seconds):.1f} s and is cut off where the picture ends")
    return replace(info, count=count, cut=info.cut or count < info.count)


def _loop_info(source: Info, info: Info, seconds: Fraction, notices: list[str]) -> tuple[Info, int]:
    """Return what a film's loop is, and how many frames more flow into its beginning."""
    usual = min(round(FLOW * source.rate), source.count // 3)
    count = info.count if seconds and info.count < source.count else source.count - usual
    blend_frames = min(source.count - count, max(round(FLOW * source.rate), 1), count)
    if blend_frames < 1 or count < 2:
        raise SourceError(f"{source.path} is too short to loop: its end has to flow into its beginning")
    if blend_frames < usual // 2:
        notices.append(
            f"only {blend_frames} frames are left to flow into the beginning: a shorter --seconds closes better"
        )
    notices.append(
        f"{float(blend_frames / source.rate):.2g} s of the end flow into the beginning: the loop lasts "
        f"{float(count / source.rate):.3g} s"
    )
    return replace(info, count=count, cut=True), blend_frames


def _timeline(source: Info, info: Info, source_frames: int, recipe: Recipe, keep: Path | None) -> Timeline:
    sound: Sound | None = None
    if recipe.music.music and needs_analysis(recipe):
        if recipe.music.music == SOURCE_MUSIC:
            sound = audio.analyse(source.path, source.start + source.delay, info.count / info.rate, keep)
        else:
            sound = audio.analyse(recipe.music.music, audio_cache=keep)
    rests = source_frames if recipe.camera.then_zoom else 0
    begins = source.start + source.delay
    return Timeline(info.rate, info.count, sound, recipe.music.bpm, source.kind == "still", rests, begins)


def _mask_end_notice(path: str, source: Info, info: Info) -> list[str]:
    """Return a notice where what runs along a film ends before it does; what a path names is read for that."""
    lasts = SyncedReader(path, info.rate).lasts
    if lasts > source.start + source.delay + (info.count - 1) / info.rate:
        return []
    return [f"{path} ends after {float(lasts):.3g} s of the film: its last picture stays"]


def limits_flashes(recipe: Recipe) -> bool:
    """Tell whether flashes are held back."""
    wanted = recipe.finish.flash_limit
    return wanted == "on" or (wanted == "auto" and follows_sound(recipe))


def timeline_of(recipe: Recipe, source: str = "", keep: Path | None = None) -> Timeline:
    """Return the timeline that a recipe's curves would be read against, without rendering.

    Args:
        recipe: whose music is listened to if its curves follow it.
        source: what it is to be rendered from; without, its music or `--seconds` tell the length, else ten seconds.
        keep: a folder to keep the analysis of music in.

    Raises:
        DreamError: the source or the music cannot be read.
    """
    if source:
        with open_source(source, selection_of(recipe.clip)) as opened:
            return set_up(opened.info, recipe, "film.mp4", keep).timeline
    rate = parse_rate(recipe.clip.fps) or DEFAULT_RATE
    seconds, sound = Fraction(recipe.clip.seconds).limit_denominator(10**6), None
    if recipe.music.music == SOURCE_MUSIC:
        raise RecipeError("the recipe's music is that of its film: name the film, too, with --source film.mp4")
    if recipe.music.music:
        seconds = seconds or Fraction(len(audio.decode(recipe.music.music)), audio.RATE)
        sound = audio.analyse(recipe.music.music, audio_cache=keep) if needs_analysis(recipe) else None
    return Timeline(rate, max(round((seconds or PLOTTED) * rate), 1), sound, recipe.music.bpm, still=True)
