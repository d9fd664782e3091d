"""The stability report: a dream measured against its source, as numbers, a plot over time, and its worst frames."""

from __future__ import annotations

import base64
import dataclasses
import html
import io
import json
import math
import os
import re
import struct
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from . import camera, compose, flow, media, shots
from . import loop as loops
from .errors import DreamError, SinkError, SourceError
from .flow import Motion
from .job import Event
from .media.names import holds_frames
from .metrics import Measure, Stability, exact_motion
from .pipeline import Engine, as_image
from .recipe import Clip, Recipe, parse_time
from .stage import Stage, set_up

if TYPE_CHECKING:
    from matplotlib.figure import Figure

WORST = 4  # frames shown in the strip
WIDE = 320  # px; each picture of the strip
LOUD = 4  # times that differences are shown at
MISSHAPEN = 0.1  # part by which the aspect ratios of source and dream may differ
UNKNOWN = 1e9  # px; what .flo files hold where the flow is not known
FLO, FLO_TAG = struct.Struct("<fii"), 202021.25  # what a .flo file begins with: tag, width, height
KINDS = (".html", ".png", ".json")


@dataclass
class Report:
    """What was measured.

    Attributes:
        source, dream: the paths.
        stability: every measure.
        notices: what the user should be told, a sentence each.
        worst: of the frames that flicker most, (index, strip of source, dream before carried here, dream, difference);
            strips are RGB uint8, (h, w, 3).
    """

    source: str
    dream: str
    stability: Stability = field(default_factory=Stability)
    notices: list[str] = field(default_factory=list)
    worst: list[tuple[int, NDArray[np.uint8]]] = field(default_factory=list)

    def text(self) -> str:
        """Return the summary as lines of a table; what could not be measured is left out."""
        told = {k: v for k, v in self.stability.summary().items() if not math.isnan(v)}
        return "\n".join(f"{name:30} {_number(value)}" for name, value in told.items())

    def to_json(self) -> str:
        """Return everything measured, per frame and in summary, as JSON; null for what could not be measured."""
        frames = [{**dataclasses.asdict(frame), "flicker": frame.flicker} for frame in self.stability.frames]
        whole = {"source": self.source, "dream": self.dream, "summary": self.stability.summary(), "frames": frames}
        return json.dumps(_without_nan(whole), indent=1)

    def save(self, path: str, overwrite: bool = False) -> None:
        """Write the report; its name decides: .html, .png (plots and strip) or .json (numbers).

        Raises:
            SinkError: it exists already, has another ending, or cannot be written.
        """
        check_report(path, overwrite)
        suffix = Path(path).suffix.lower()
        write(path, {".json": self._json, ".png": self._png, ".html": self._html}[suffix]())

    def _json(self) -> bytes:
        return self.to_json().encode()

    def _png(self) -> bytes:
        return drawn(_figure(self, strip=True), "png")

    def _html(self) -> bytes:
        plot = drawn(_figure(self, strip=False), "svg").decode()
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
<p>Source, the dream before carried here, the dream, and their difference ×{LOUD} where the motion is sure.</p>
{strips}""".encode()


def check_report(path: str, overwrite: bool, kinds: tuple[str, ...] = KINDS) -> None:
    """Refuse a report's name before any work is done (see `Report.save`)."""
    if Path(path).suffix.lower() not in kinds:
        raise SinkError(f"{path}: end the name in {' or '.join(kinds)}")
    if os.path.exists(path) and not overwrite:
        raise SinkError(f"{path} exists already: give another name, or --overwrite")
    folder = os.path.dirname(path) or "."
    if not os.path.isdir(folder) or not os.access(folder, os.W_OK):
        raise SinkError(f"cannot write into {folder}: give the report another folder")


def write(path: str, data: bytes) -> None:
    """Write a report's file, whole or not at all.

    Raises:
        SinkError: it cannot be written.
    """
    try:
        Path(path + ".part").write_bytes(data)
        os.replace(path + ".part", path)
    except OSError as error:
        raise SinkError(f"cannot write {path} ({error.strerror}): choose another place") from error


def measure(
    source: str | Path,
    dream: str | Path,
    recipe: Recipe | None = None,
    *,
    truth: str | Path | None = None,
    alone: int = 0,
    loop: bool = False,
    on_event: Callable[[Event], None] = lambda event: None,
) -> Report:
    """Measure how steady and how strong a dream is.

    Args:
        source, dream: film, frames or still each; what was dreamed, and what came of it.
        recipe: what it was dreamed with, which tells the part of the source, and the network that its objective is
            measured with; None: the recipe inside the dream, if it holds one. Without, no objective is measured.
        truth: folder of the exact flow, if it is known: Middlebury .flo files whose names end in the number of their
            frame, with the flow from that frame to the one before; beside each, if there is one, a .png of the same
            name, white where the flow holds. A frame without a file begins a shot.
        alone: how many frames, spread evenly, are dreamed alone to compare the objective with.
        loop: whether the last frame should lead to the first: measures the seam.
        on_event: called after every frame, on this thread.

    Raises:
        DreamError: one of the inputs cannot be read, they do not belong together, or the recipe names what cannot be
            had.
    """
    report = Report(str(source), str(dream))
    known = _truth(Path(truth)) if truth else None
    if recipe is None:
        try:
            recipe = _embedded(str(dream))
        except DreamError as error:
            report.notices.append(f"no objective is measured ({error})")
    with _side_by_side(report, recipe) as (total, engine, pairs):
        sampled = set(np.linspace(0, total - 1, min(max(alone, 0), total)).round().astype(int))
        for shown, result in pairs:
            index, (height, width) = shown.frame.index, shown.gray.shape
            picture = as_image(result.pixels)[:, :height, :width]
            original = as_image(shown.frame.pixels)
            if shown.frame.held:  # a dream that lives on itself
                original = picture.mean((1, 2), keepdim=True).expand_as(picture)
            if engine:
                engine.aim(shown.frame)
            motion = _known(known, index, picture.shape[1:]) if known else shown.motion
            measured = report.stability.add(
                shown.gray,
                original,
                picture,
                motion=motion,
                cut=motion is None if known else shown.cut,
                objective=engine.dreamer.value(picture.to(engine.device)) if engine else math.nan,
                alone=_alone(engine, original)
                if engine and _is_whole(engine, shown) and index in sampled
                else math.nan,
            )
            _keep_worst(report, measured, original, picture)
            on_event(Event(measured.index + 1, total))
    if not report.stability.frames:
        raise SourceError(f"no frame of {source} and {dream} can be compared: are they complete?")
    if loop:
        report.stability.close()
    return report


def _embedded(dream: str) -> Recipe:
    """Return the recipe inside a dream, fit for this machine: another may have had another GPU, and a list of cuts."""
    recipe = Recipe.from_toml(media.read_recipe(dream)).set("network.device=auto")
    if recipe.finish.mask and not holds_frames(recipe.finish.mask) and not Path(recipe.finish.mask).exists():
        recipe = recipe.set("finish.mask=")
    cuts = recipe.temporal.cuts
    return recipe if cuts in ("auto", "none") or Path(cuts).exists() else recipe.set("temporal.cuts=auto")


@dataclass(frozen=True)
class _Shown:
    """A frame as it was dreamed on: with its luma, its motion where the camera's is known, and whether it is a cut."""

    frame: media.Frame
    gray: NDArray[np.uint8]
    motion: Motion | None = None
    cut: bool = False


@contextmanager
def _side_by_side(
    report: Report, recipe: Recipe | None
) -> Iterator[tuple[int, Engine | None, Iterator[tuple[_Shown, media.Frame]]]]:
    """Open source and dream, the source as it was dreamed: that part, at the dream's size, as the camera saw it.

    Yields:
        How many frames both have; the engine of the recipe, if it can be had; and the frames: the source's, and the
        dream's.
    """
    clip = recipe.clip if recipe else Clip()
    with media.open_source(report.dream) as dreamed:
        with media.open_source(report.source, clip) as opened:
            wide, high = dreamed.info.width - opened.info.width, dreamed.info.height - opened.info.height
        if not (0 <= wide <= 1 and 0 <= high <= 1):  # more than the padding to an even size
            if abs(dreamed.info.width * opened.info.height / (dreamed.info.height * opened.info.width) - 1) > MISSHAPEN:
                raise SourceError(f"{report.dream} has another shape than {report.source}: is it a dream of that?")
            clip = replace(clip, size=f"{dreamed.info.width}x{dreamed.info.height}")
        report.stability.rate = dreamed.info.rate
        with media.open_source(report.source, clip) as opened:
            engine, staged = _engine(report, recipe, opened.info)
            count = staged.info.count if staged else opened.info.count
            total = min(count, dreamed.info.count)
            if count != dreamed.info.count:
                report.notices.append(
                    f"{report.source} has {count} frames, {report.dream} {dreamed.info.count}: {total} are measured"
                )
            with _shown(opened, engine, staged, recipe) as shown:
                yield total, engine, zip(shown, dreamed, strict=False)


def _engine(report: Report, recipe: Recipe | None, source: media.Info) -> tuple[Engine | None, Stage | None]:
    """Return the engine that a dream was made by, and its stage; what of it cannot be had is told."""
    if recipe is None:
        return None, None
    report.stability.carried_by = recipe.temporal.flow
    staged = None
    try:
        staged = set_up(source, recipe, report.dream)
        return Engine(staged.recipe, staged.timeline), staged
    except DreamError as error:
        report.notices.append(f"no objective is measured ({error})")
        return None, staged


@contextmanager
def _shown(
    opened: media.Source, engine: Engine | None, staged: Stage | None, recipe: Recipe | None
) -> Iterator[Iterator[_Shown]]:
    if engine and staged and staged.recipe.camera.loop:
        with loops.circle(opened, staged.filmed, staged.flows, staged.timeline, engine) as circle:
            yield _round(circle, known=staged.filmed == 1)
        return
    yield _straight(staged.frames(opened) if staged else opened, engine, recipe or Recipe())


def _round(circle: loops.Circle, known: bool) -> Iterator[_Shown]:
    for index in range(circle.count):
        step = circle.step(index, index - 1 if index else None)
        gray = flow.gray(step.frame.pixels)
        yield _Shown(step.frame, gray, step.motion if known else None, cut=index == 0)


def _straight(frames: Iterable[media.Frame], engine: Engine | None, recipe: Recipe) -> Iterator[_Shown]:
    marked = shots.rule(recipe.temporal.cuts, parse_time(recipe.clip.start) or Fraction(0))(frames)
    path = None
    for frame, cut in marked:
        height, width = frame.pixels.shape[:2]
        if frame.index == 0 and engine:
            path = engine.path(width, height)
        if frame.held:
            step = path.steps[frame.index] if path else np.eye(3)
            yield _Shown(frame, flow.gray(frame.pixels), camera.motion(step, width, height))
        else:
            seen = camera.look(frame.pixels, path.view(frame.index)) if path else frame.pixels
            yield _Shown(replace(frame, pixels=seen), flow.gray(seen), cut=cut)


def _is_whole(engine: Engine, shown: _Shown) -> bool:
    """Tell whether all of a frame shows its dream, and so can be compared with one that is dreamed alone."""
    return engine.mask is None and not shown.frame.held


def _alone(engine: Engine, image: torch.Tensor) -> float:
    image = image.to(engine.device)
    return engine.dreamer.value(compose.finish(image, engine.dreamer(image), engine.recipe.finish))


def _truth(folder: Path) -> dict[int, Path]:
    """Return the flow files of a folder by the number their names end in."""
    numbered = {int(m[1]): file for file in folder.glob("*.flo") if (m := re.search(r"(\d+)$", file.stem))}
    if not numbered:
        raise SourceError(f"{folder} holds no flow: give a folder of .flo files, numbered by frame")
    return numbered


def _known(files: dict[int, Path], index: int, size: torch.Size) -> Motion | None:
    if index not in files:
        return None
    field = _field(files[index], size[0], size[1])
    mask = files[index].with_suffix(".png")
    held = np.asarray((np.abs(field) < UNKNOWN).all(-1))
    field[~held] = 0
    if mask.exists():
        read = _gray(mask)
        if read is None or read.shape != held.shape:
            raise SourceError(f"{mask} is no picture of {size[1]}×{size[0]} pixels")
        held &= read > 127
    return exact_motion(field, held)


def _field(file: Path, height: int, width: int) -> NDArray[np.float32]:
    """Read the flow in a .flo file (Baker et al. 2011), (H, W, 2): of the size it has to be, whatever it says."""
    try:
        with open(file, "rb") as opened:
            data = opened.read(FLO.size + 8 * height * width + 1)
    except OSError as error:
        raise SourceError(f"{file} cannot be read ({error.strerror})") from error
    if len(data) != FLO.size + 8 * height * width or FLO.unpack_from(data) != (FLO_TAG, width, height):
        raise SourceError(f"{file} is no flow of {width}×{height} pixels, as the dream has")
    return np.frombuffer(data, "<f4", offset=FLO.size).reshape(height, width, 2).astype(np.float32)


def _gray(file: Path) -> NDArray[np.uint8] | None:
    try:
        return cv2.imread(str(file), cv2.IMREAD_GRAYSCALE)
    except cv2.error:  # a picture larger than OpenCV reads
        return None


def save_truth(folder: Path, index: int, field: NDArray[np.float32], held: NDArray[np.bool_]) -> None:
    """Write a frame's exact flow (H, W, 2) and where it holds (H, W), as `measure` reads them."""
    cv2.writeOpticalFlow(str(folder / f"{index:05d}.flo"), np.ascontiguousarray(field))
    cv2.imwrite(str(folder / f"{index:05d}.png"), held.astype(np.uint8) * 255)


def _keep_worst(report: Report, measured: Measure, source: torch.Tensor, dream: torch.Tensor) -> None:
    """Keep the frame's pictures if it is among the worst so far."""
    flickers = [report.stability.frames[index].flicker for index, _ in report.worst]
    if math.isnan(measured.flicker) or (len(flickers) == WORST and measured.flicker <= min(flickers)):
        return
    compared = report.stability.comparison()
    if compared is None:
        return
    carried, difference = compared
    strip = np.hstack([_thumb(image) for image in (source, carried, dream, difference * LOUD)])
    report.worst.append((measured.index, strip))
    report.worst.sort(key=lambda kept: -report.stability.frames[kept[0]].flicker)
    del report.worst[WORST:]


def _thumb(image: torch.Tensor) -> NDArray[np.uint8]:
    pixels = (image.clamp(0, 1).permute(1, 2, 0).numpy() * 255).round().astype(np.uint8)
    h, w = pixels.shape[:2]
    return cv2.resize(pixels, (WIDE, max(round(h * WIDE / w), 1)), interpolation=cv2.INTER_AREA)


def _figure(report: Report, strip: bool) -> Figure:
    """Draw the measures over time, and under them the worst frames if asked."""
    from matplotlib.figure import Figure

    frames = report.stability.frames
    has_objective = any(not math.isnan(f.objective) for f in frames)
    rows = 3 + has_objective
    shown = report.worst if strip else []
    figure = Figure(figsize=(13, 2.2 * rows + 2.1 * len(shown)), layout="constrained")
    axes = figure.subplots(rows + len(shown), 1, squeeze=False)[:, 0]
    number = [f.index for f in frames]
    for axis, (title, lines) in zip(axes, _plots(frames, has_objective), strict=False):
        for label, values in lines.items():
            mark = "o" if label == "alone" else ""
            axis.plot(number, values, mark or "-", label=label, linewidth=1.2, markersize=4)
        for frame in frames[1:]:
            if frame.cut:
                axis.axvline(frame.index, color="0.6", linewidth=0.8, linestyle=":")
        axis.set_title(title, loc="left", fontsize=10)
        if len(lines) > 1:
            axis.legend(fontsize=8, loc="upper right")
        axis.margins(x=0.01)
    for axis, (index, pictures) in zip(axes[rows:], shown, strict=True):
        axis.imshow(pictures)
        axis.set_title(f"frame {index}: source, dream before carried here, dream, difference ×{LOUD}", fontsize=10)
        axis.axis("off")
    return figure


def _plots(frames: list[Measure], has_objective: bool) -> Iterator[tuple[str, dict[str, list[float]]]]:
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


def drawn(figure: Figure, kind: str) -> bytes:
    """Return a figure as a picture file's bytes: png, svg or pdf."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format=kind, dpi=100)
    return buffer.getvalue()


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
