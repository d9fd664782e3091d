"""Works out how many frames a render has, for every kind of input: still, still made into a film, film, tail, loop."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

from ..curves import audio
from ..errors import RecipeError, SourceError
from ..media.info import Info
from ..media.paths import STILLS, takes_frames
from ..media.probe import song_codec
from ..recipe import SOURCE_MUSIC, Recipe

BLEND_SECONDS = Fraction(3, 4)  # of a film's loop, in which its end fades into its beginning
TAIL_ZOOM = 1.5  # factor per second by which the last frame of a film goes on zooming, unless the recipe says otherwise


@dataclass(frozen=True)
class Song:
    """A song that replaces the source's own sound."""

    path: str
    codec: str
    seconds: Fraction


@dataclass(frozen=True)
class Extent:
    """What is rendered, and how much of it.

    Attributes:
        info: of the film to be made.
        recipe: with the defaults of this kind of input filled in.
        source_frames: how many frames come from the source; the rest are feedback frames.
        blend_frames: how many further frames of the source a loop's end fades over.
        notices: sentences for the user.
    """

    info: Info
    recipe: Recipe
    source_frames: int
    blend_frames: int = 0
    notices: tuple[str, ...] = ()


Resolver = Callable[[Info, Recipe, Song | None], Extent]


def extent_of(source: Info, recipe: Recipe, output: str, song: Song | None) -> Extent:
    """Return what is rendered from a source.

    Raises:
        DreamError: the recipe asks for a length that is impossible.
    """
    if recipe.camera.loop and recipe.camera.then_zoom:
        raise RecipeError("a loop has no end to go on from: give --loop or --then-zoom, not both")
    return _resolver(source, recipe, output)(source, recipe, song)


def _resolver(source: Info, recipe: Recipe, output: str) -> Resolver:
    if source.kind == "still":
        return film_of_still if makes_film(recipe, output) else still
    if recipe.camera.loop:
        return loop
    return film_with_tail if recipe.camera.then_zoom else film


def makes_film(recipe: Recipe, output: str) -> bool:
    """Tell whether a film is to be made of a still."""
    wanted = bool(recipe.clip.seconds or recipe.music.music or recipe.camera.then_zoom or recipe.camera.loop)
    return wanted or not (Path(output).suffix.lower() in STILLS or takes_frames(output))


def still(source: Info, recipe: Recipe, song: Song | None) -> Extent:
    """Resolve a still picture that stays one."""
    return Extent(source, recipe, source.count)


def film_of_still(source: Info, recipe: Recipe, song: Song | None) -> Extent:
    """Resolve a still that is made into a film, as long as `--seconds`, `--then-zoom` or its music."""
    seconds = _seconds(recipe) or _tail_seconds(recipe) or (song.seconds if song else Fraction(0))
    if not seconds:
        raise RecipeError(f"say how long the film of {source.path} is to be: --seconds 10, or --music song.mp3")
    count = _frames(seconds, source.rate)
    if recipe.camera.loop and count == 1:
        raise RecipeError("--loop needs several frames: give a longer time, like --seconds 4")
    if recipe.camera.then_zoom and not recipe.clip.seconds:
        recipe = recipe.set(f"clip.seconds={float(seconds)}")
    recipe = recipe.set("camera.then_zoom=0.0")  # all of it goes on from the still: that is no tail
    return Extent(replace(source, kind="sequence", count=count, numbers=(1,)), recipe, source.count)


def film(source: Info, recipe: Recipe, song: Song | None) -> Extent:
    """Resolve a film or frame sequence."""
    count = shown_frames(source, recipe, song)
    notices = [*_too_short(source, recipe), *_song_cut(source, count, song)]
    return Extent(_shortened(source, count), recipe, count, notices=tuple(notices))


def film_with_tail(source: Info, recipe: Recipe, song: Song | None) -> Extent:
    """Resolve a film whose last frame lives on in feedback frames."""
    count = shown_frames(source, recipe, song, tail=_frames(_tail_seconds(recipe), source.rate))
    source_frames = min(shown_frames(source, recipe, None), count)
    if recipe.camera.zoom == 1.0:
        recipe = recipe.set(f"camera.zoom={TAIL_ZOOM}")
    return Extent(_shortened(source, count), recipe, source_frames, notices=_song_cut(source, count, song))


def loop(source: Info, recipe: Recipe, song: Song | None) -> Extent:
    """Resolve a film whose end fades into its beginning."""
    rate, longest_blend = source.rate, max(round(BLEND_SECONDS * source.rate), 1)
    shown = shown_frames(source, recipe, song)
    usual_blend = min(round(BLEND_SECONDS * rate), source.count // 3)
    count = shown if _seconds(recipe) and shown < source.count else source.count - usual_blend
    blend_frames = min(source.count - count, longest_blend, count)
    if blend_frames < 1 or count < 2:
        raise SourceError(f"{source.path} is too short to loop: its end has to fade into its beginning")
    notices = [*_song_cut(source, shown, song)]
    if blend_frames < usual_blend // 2:
        notices.append(f"only {blend_frames} frames are left for the end to fade over: take fewer --seconds")
    notices.append(
        f"the last {float(blend_frames / rate):.2g} s fade into the beginning: the loop lasts "
        f"{float(count / rate):.3g} s"
    )
    info = replace(source, count=count, cut=True)
    return Extent(info, recipe, shown, blend_frames, tuple(notices))


def shown_frames(source: Info, recipe: Recipe, song: Song | None, tail: int = 0) -> int:
    """Return how many frames a film has: as many as `--seconds` asks for, and its tail; else no more than its music."""
    seconds = _seconds(recipe)
    count = (min(_frames(seconds, source.rate), source.count) if seconds else source.count) + tail
    return min(count, _frames(song.seconds, source.rate)) if song and not seconds else count


def _seconds(recipe: Recipe) -> Fraction:
    return Fraction(recipe.clip.seconds).limit_denominator(10**6)


def _tail_seconds(recipe: Recipe) -> Fraction:
    return Fraction(recipe.camera.then_zoom).limit_denominator(10**6)


def _frames(seconds: Fraction, rate: Fraction) -> int:
    return max(round(seconds * rate), 1)


def _shortened(source: Info, count: int) -> Info:
    return replace(source, count=count, cut=source.cut or count < source.count)


def _too_short(source: Info, recipe: Recipe) -> tuple[str, ...]:
    seconds = _seconds(recipe)
    if not seconds or _frames(seconds, source.rate) <= source.count:
        return ()
    return (f"{source.path} lasts {float(source.count / source.rate):.3g} s: --then-zoom continues from its end",)


def _song_cut(source: Info, count: int, song: Song | None) -> tuple[str, ...]:
    if song is None or song.seconds <= (count + 1) / source.rate:
        return ()
    return (f"{song.path} lasts {float(song.seconds):.1f} s and is cut off where the picture ends",)


def song_of(source: Info, recipe: Recipe) -> Song | None:
    """Return the song that replaces the source's own sound; None if it keeps that.

    Raises:
        SourceError: the song cannot be read, or the source's own sound is asked for and it has none.
    """
    path = recipe.music.music
    if path == SOURCE_MUSIC and not source.sound:
        raise SourceError(f"{source.path} holds no sound to be its music: give --music song.mp3")
    if not path or path == SOURCE_MUSIC:
        return None
    return Song(path, song_codec(path), Fraction(len(audio.decode(path)), audio.RATE))
