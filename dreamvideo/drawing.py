"""Curves as a picture: every number that changes, over time, with the sound and its beats beneath."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from . import audio, media
from .errors import DreamError
from .recipe import Recipe, parse_rate
from .report import check_report, drawn, write
from .score import Score, listens
from .stage import SOURCE, set_up
from .timeline import Timeline

if TYPE_CHECKING:
    from matplotlib.figure import Figure

KINDS = (".png", ".svg", ".pdf")
USUAL = Fraction(10)  # s drawn of a recipe that belongs to nothing that has a length


def curves(recipe: Recipe, output: str, source: str = "", overwrite: bool = False, keep: Path | None = None) -> None:
    """Draw a recipe's curves over time, with the waveform, onsets, beats and bars beneath.

    Args:
        recipe: whose curves; its music is listened to if it has any.
        output: a .png, .svg or .pdf name.
        source: what it is to be rendered from, which tells length and rate; without, its music or `--seconds` do.
        overwrite: whether an existing picture may be replaced.
        keep: a folder to keep the analysis of music in.

    Raises:
        DreamError: nothing in the recipe changes, or a curve, the music or the output will not do.
    """
    check_report(output, overwrite, KINDS)
    if source:
        with media.open_source(source, recipe.clip) as opened:
            timeline = set_up(opened.info, recipe, "film.mp4", keep).timeline
    else:
        timeline = _timeline(recipe, keep)
    score = Score(recipe, timeline)
    if not score.tracks:
        raise DreamError("no number of the recipe changes over time: give one a curve, like --set 'dream.step=0.02*t'")
    write(output, drawn(_figure(score), Path(output).suffix[1:].lower()))


def _timeline(recipe: Recipe, keep: Path | None) -> Timeline:
    rate = parse_rate(recipe.clip.fps) or media.DEFAULT_RATE
    seconds = Fraction(recipe.clip.seconds).limit_denominator(10**6)
    sound = None
    if recipe.music.music == SOURCE:
        raise DreamError("the recipe's music is that of its film: name the film, too, with --source film.mp4")
    if recipe.music.music:
        seconds = seconds or Fraction(len(audio.decode(recipe.music.music)), audio.RATE)
        sound = audio.analyse(recipe.music.music, keep=keep) if listens(recipe) else None
    return Timeline(rate, max(round((seconds or USUAL) * rate), 1), sound, recipe.music.bpm, still=True)


def _figure(score: Score) -> Figure:
    from matplotlib.figure import Figure

    timeline, tracks = score.timeline, {**{f"{s}.{k}": v for (s, k), v in score.tracks.items()}}
    tracks |= {f"curves.{name}": values for name, values in score.own.items()}
    sound = timeline.sound
    rows = len(tracks) + (sound is not None)
    figure = Figure(figsize=(13, 0.6 + 1.35 * rows), layout="constrained")
    axes = figure.subplots(rows, 1, squeeze=False, sharex=True)[:, 0]
    for axis, (name, values) in zip(axes, tracks.items(), strict=False):
        axis.plot(timeline.t, values, color="#7a3fb0", linewidth=1.1)
        axis.set_title(name, loc="left", fontsize=9)
        axis.margins(x=0, y=0.12)
    if sound is not None:
        _draw_sound(axes[-1], score)
    elif timeline.bpm:
        for axis in axes:
            _mark(axis, timeline)
    axes[-1].set_xlabel("s")
    axes[-1].set_xlim(0, timeline.length)
    return figure


def _draw_sound(axis, score: Score) -> None:  # type: ignore[no-untyped-def]
    timeline = score.timeline
    sound = timeline.sound
    assert sound is not None
    t = np.arange(len(sound.wave)) / sound.rate
    axis.fill_between(t, -sound.wave, sound.wave, color="0.75", linewidth=0)
    for onset in sound.onsets:
        axis.axvline(onset, ymax=0.12, color="#c08020", linewidth=0.8)
    _mark(axis, timeline)
    axis.set_title(f"sound: {timeline.bpm or sound.tempo:.0f} bpm; bars, beats, onsets", loc="left", fontsize=9)
    axis.set_yticks([])


def _mark(axis, timeline: Timeline) -> None:  # type: ignore[no-untyped-def]
    for counter, width in (("beat", 0.5), ("bar", 1.4)):
        for moment in timeline.moments(counter):
            if moment <= timeline.length:
                axis.axvline(moment, color="#205080", linewidth=width, alpha=0.6)
