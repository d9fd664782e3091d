"""Curves as a picture: every number that changes, over time, with the sound and its beats beneath."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..errors import DreamError
from ..media.atomic import check_new_file, write_file
from .animate import Animation
from .timeline import Timeline

if TYPE_CHECKING:
    from matplotlib.figure import Figure

KINDS = (".png", ".svg", ".pdf")


def plot_curves(animation: Animation, output: str, overwrite: bool = False) -> None:
    """Draw a recipe's curves over time, with the waveform, onsets, beats and bars beneath.

    Args:
        animation: the curves, over the timeline to be drawn.
        output: a .png, .svg or .pdf name.
        overwrite: whether an existing picture may be replaced.

    Raises:
        DreamError: nothing in the recipe changes, or the output cannot be written.
    """
    check_new_file(output, overwrite, KINDS)
    if not animation.tracks:
        raise DreamError("no number of the recipe changes over time: give one a curve, like --set 'dream.step=0.02*t'")
    write_file(output, figure_bytes(_figure(animation), Path(output).suffix[1:].lower()))


def figure_bytes(figure: Figure, kind: str) -> bytes:
    """Return a figure as a picture file's bytes: png, svg or pdf."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format=kind, dpi=100)
    return buffer.getvalue()


def _figure(animation: Animation) -> Figure:
    from matplotlib.figure import Figure

    timeline, tracks = animation.timeline, {**{f"{s}.{k}": v for (s, k), v in animation.tracks.items()}}
    tracks |= {f"curves.{name}": values for name, values in animation.own.items()}
    sound = timeline.sound
    rows = len(tracks) + (sound is not None)
    figure = Figure(figsize=(13, 0.6 + 1.35 * rows), layout="constrained")
    axes = figure.subplots(rows, 1, squeeze=False, sharex=True)[:, 0]
    for axis, (name, values) in zip(axes, tracks.items(), strict=False):
        axis.plot(timeline.t, values, color="#7a3fb0", linewidth=1.1)
        axis.set_title(name, loc="left", fontsize=9)
        axis.margins(x=0, y=0.12)
    if sound is not None:
        _draw_sound(axes[-1], animation)
    elif timeline.bpm:
        for axis in axes:
            _mark_beats(axis, timeline)
    axes[-1].set_xlabel("s")
    axes[-1].set_xlim(0, timeline.length)
    return figure


def _draw_sound(axis, animation: Animation) -> None:  # type: ignore[no-untyped-def]
    timeline = animation.timeline
    sound = timeline.sound
    assert sound is not None
    t = np.arange(len(sound.wave)) / sound.rate
    axis.fill_between(t, -sound.wave, sound.wave, color="0.75", linewidth=0)
    for onset in sound.onsets:
        axis.axvline(onset, ymax=0.12, color="#c08020", linewidth=0.8)
    _mark_beats(axis, timeline)
    axis.set_title(f"sound: {timeline.bpm or sound.tempo:.0f} bpm; bars, beats, onsets", loc="left", fontsize=9)
    axis.set_yticks([])


def _mark_beats(axis, timeline: Timeline) -> None:  # type: ignore[no-untyped-def]
    for counter, width in (("beat", 0.5), ("bar", 1.4)):
        for moment in timeline.moments(counter):
            if moment <= timeline.length:
                axis.axvline(moment, color="#205080", linewidth=width, alpha=0.6)
