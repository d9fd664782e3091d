"""The stability report: the measurements of a dream as text, JSON, plots over time and pictures of the worst frames."""

from __future__ import annotations

import base64
import dataclasses
import html
import json
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from numpy.typing import NDArray

from ..curves.plot import figure_bytes
from ..media.atomic import check_new_file, write_file
from .metrics import Stability
from .summary import FrameMetrics

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

DIFFERENCE_GAIN = 4  # factor by which differences are amplified in pictures
STRIP = "source, previous dream warped onto the frame, dream, their difference"  # the pictures of a worst frame
KINDS = (".html", ".png", ".json")


@dataclass
class Report:
    """What was measured on a dream.

    Attributes:
        source, dream: the paths.
        stability: every number, per frame and in summary.
        notices: messages for the user, a sentence each.
        worst: the frames that flicker most, as (index, strip); a strip shows the source, the previous dream warped
            onto the frame, the dream, and their difference: RGB uint8, (h, w, 3).
    """

    source: str
    dream: str
    stability: Stability = field(default_factory=Stability)
    notices: list[str] = field(default_factory=list)
    worst: list[tuple[int, NDArray[np.uint8]]] = field(default_factory=list)

    def text(self) -> str:
        """Return the summary as lines of a table; what could not be measured is left out."""
        known = {k: v for k, v in self.stability.summary().items() if not math.isnan(v)}
        return "\n".join(f"{name:30} {_number(value)}" for name, value in known.items())

    def to_json(self) -> str:
        """Return every number, per frame and in summary, as JSON; null for what could not be measured."""
        frames = [{**dataclasses.asdict(frame), "flicker": frame.flicker} for frame in self.stability.frames]
        whole = {"source": self.source, "dream": self.dream, "summary": self.stability.summary(), "frames": frames}
        return json.dumps(_without_nan(whole), indent=1)

    def save(self, path: str, overwrite: bool = False) -> None:
        """Write the report as .html or .png (plots and the worst frames) or .json (numbers), by its name.

        Raises:
            SinkError: another ending, an existing file without `overwrite`, or a file that cannot be written.
        """
        check_new_file(path, overwrite, KINDS)
        suffix = Path(path).suffix.lower()
        write_file(path, {".json": self._json, ".png": self._png, ".html": self._html}[suffix]())

    def _json(self) -> bytes:
        return self.to_json().encode()

    def _png(self) -> bytes:
        return figure_bytes(_figure(self, strip=True), "png")

    def _html(self) -> bytes:
        plot = figure_bytes(_figure(self, strip=False), "svg").decode()
        rows = "".join(
            f"<tr><td>{html.escape(name)}</td><td>{_number(value)}</td></tr>"
            for name, value in self.stability.summary().items()
            if not math.isnan(value)
        )
        strips = "".join(
            f"<figure><figcaption>frame {index}</figcaption>"
            f"<img alt='frame {index}' src='data:image/png;base64,{_png_base64(strip)}'></figure>"
            for index, strip in self.worst
        )
        title = html.escape(f"{self.dream} against {self.source}")
        return f"""<!doctype html><meta charset="utf-8"><title>{title}</title>
<style>body {{ font: 15px system-ui; margin: 2em auto; max-width: 1300px }} td {{ padding: 2px 1em 2px 0 }}
figure {{ margin: 0 0 1em }} img {{ max-width: 100% }}</style>
<h1>{title}</h1><table>{rows}</table>{plot[plot.index("<svg") :]}
<h2>Worst frames</h2>
<p>{STRIP} ×{DIFFERENCE_GAIN} where the motion is certain.</p>
{strips}""".encode()


def _figure(report: Report, strip: bool) -> Figure:
    """Draw the measurements over time; if `strip`, the worst frames below them."""
    from matplotlib.figure import Figure

    frames = report.stability.frames
    has_objective = any(not math.isnan(f.objective) for f in frames)
    rows = 3 + has_objective
    shown = report.worst if strip else []
    figure = Figure(figsize=(13, 2.2 * rows + 2.1 * len(shown)), layout="constrained")
    axes = figure.subplots(rows + len(shown), 1, squeeze=False)[:, 0]
    for axis, (title, lines) in zip(axes, _plots(frames, has_objective), strict=False):
        _plot(axis, title, lines, frames)
    for axis, (index, pictures) in zip(axes[rows:], shown, strict=True):
        axis.imshow(pictures)
        axis.set_title(f"frame {index}: {STRIP} ×{DIFFERENCE_GAIN}", fontsize=10)
        axis.axis("off")
    return figure


def _plot(axis: Axes, title: str, lines: dict[str, list[float]], frames: list[FrameMetrics]) -> None:
    """Draw one plot: a line for each label, a dotted line at every cut."""
    numbers = [f.index for f in frames]
    for label, values in lines.items():
        mark = "o" if label == "alone" else ""
        axis.plot(numbers, values, mark or "-", label=label, linewidth=1.2, markersize=4)
    for frame in frames[1:]:
        if frame.cut:
            axis.axvline(frame.index, color="0.6", linewidth=0.8, linestyle=":")
    axis.set_title(title, loc="left", fontsize=10)
    if len(lines) > 1:
        axis.legend(fontsize=8, loc="upper right")
    axis.margins(x=0.01)


def _plots(frames: list[FrameMetrics], has_objective: bool) -> Iterator[tuple[str, dict[str, list[float]]]]:
    """Yield every plot's title, and {label: values}."""
    yield (
        "temporal error",
        {"dream": [f.error for f in frames], "source": [f.source_error for f in frames]},
    )
    yield "flicker (error added, as a share of strength)", {"": [f.flicker for f in frames]}
    yield (
        "strength, and mean colour added",
        {
            "strength": [f.strength for f in frames],
            **{name: [f.colour[c] for f in frames] for c, name in enumerate(("red", "green", "blue"))},
        },
    )
    if has_objective:
        yield "objective", {"dream": [f.objective for f in frames], "alone": [f.alone for f in frames]}


def _png_base64(pixels: NDArray[np.uint8]) -> str:
    return base64.b64encode(cv2.imencode(".png", cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR))[1].tobytes()).decode()


def _number(value: float) -> str:
    return f"{value:d}" if isinstance(value, int) else f"{value:.4f}"


def _without_nan(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nan(v) for key, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_without_nan(v) for v in value]
    return None if isinstance(value, float) and math.isnan(value) else value
