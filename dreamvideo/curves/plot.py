"""Draws curves over time into a picture, with the sound and its beats below."""

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
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FORMATS = (".png", ".svg", ".pdf")


def plot_curves(animation: Animation, output: str, overwrite: bool = False) -> None:
    """Draw a recipe's curves over time, with the waveform, onsets, beats and bars below.

    Args:
        animation: the curves on the timeline to draw.
        output: name of the picture, .png, .svg or .pdf.
        overwrite: whether an existing picture may be replaced.

    Raises:
        DreamError: nothing in the recipe changes over time, or the output cannot be written.
    """
    check_new_file(output, overwrite, FORMATS)
    if not animation.tracks:
        raise DreamError("nothing in the recipe changes over time: add a curve, like --set 'dream.step=0.02*t'")
    write_file(output, figure_bytes(_figure(animation), Path(output).suffix[1:].lower()))


def figure_bytes(figure: Figure, kind: str) -> bytes:
    """Return a figure as the bytes of a file; `kind` is png, svg or pdf."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format=kind, dpi=100)
    return buffer.getvalue()


def _figure(animation: Animation) -> Figure:
    from matplotlib.figure import Figure

    timeline, sound = animation.timeline, animation.timeline.sound
    rows = {f"{section}.{key}": values for (section, key), values in animation.tracks.items()}
    rows |= {f"curves.{name}": values for name, values in animation.own.items()}
    count = len(rows) + (sound is not None)
    figure = Figure(figsize=(13, 0.6 + 1.35 * count), layout="constrained")
    axes = figure.subplots(count, 1, squeeze=False, sharex=True)[:, 0]
    for axis, (name, values) in zip(axes, rows.items(), strict=False):
        axis.plot(timeline.t, values, color="#7a3fb0", linewidth=1.1)
        axis.set_title(name, loc="left", fontsize=9)
        axis.margins(x=0, y=0.12)
    if sound is not None:
        _draw_sound(axes[-1], timeline)
    elif timeline.bpm:
        for axis in axes:
            _mark_beats(axis, timeline)
    axes[-1].set_xlabel("s")
    axes[-1].set_xlim(0, timeline.length)
    return figure


def _draw_sound(axis: Axes, timeline: Timeline) -> None:
    """Draw the waveform, with onsets as short lines, and beats and bars as long ones."""
    sound = timeline.sound
    assert sound is not None
    t = np.arange(len(sound.wave)) / sound.rate
    axis.fill_between(t, -sound.wave, sound.wave, color="0.75", linewidth=0)
    for onset in sound.onsets:
        axis.axvline(onset, ymax=0.12, color="#c08020", linewidth=0.8)
    _mark_beats(axis, timeline)
    axis.set_title(f"sound: {timeline.bpm or sound.tempo:.0f} bpm; bars, beats, onsets", loc="left", fontsize=9)
    axis.set_yticks([])


def _mark_beats(axis: Axes, timeline: Timeline) -> None:
    for counter, width in (("beat", 0.5), ("bar", 1.4)):
        for moment in timeline.moments(counter):
            if moment <= timeline.length:
                axis.axvline(moment, color="#205080", linewidth=width, alpha=0.6)
