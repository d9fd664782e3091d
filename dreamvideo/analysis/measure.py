"""Measures a dream against its source."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from ..errors import DreamError, SourceError
from ..finish.composite import composite
from ..jobs.events import Event
from ..jobs.setup import Setup, selection_of, set_up
from ..media.info import Info
from ..media.metadata import read_recipe
from ..media.paths import holds_frames
from ..media.pixels import luma_8bit, to_tensor
from ..media.readers.frame import Frame, Source
from ..media.readers.source import open_source
from ..recipe import Clip, Recipe, parse_time
from ..video import camera, shots
from ..video.engine import Engine
from ..video.flow import Motion
from ..video.loop import views
from .flow_truth import flow_files, known_motion
from .metrics import Measure
from .report import LOUD, Report

WORST = 4  # frames shown in the strip
WIDE = 320  # px; each picture of the strip
MISSHAPEN = 0.1  # part by which the aspect ratios of source and dream may differ


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
    known = flow_files(Path(truth)) if truth else None
    if recipe is None:
        try:
            recipe = _embedded(str(dream))
        except DreamError as error:
            report.notices.append(f"no objective is measured ({error})")
    with _side_by_side(report, recipe) as (total, engine, pairs):
        sampled = set(np.linspace(0, total - 1, min(max(alone, 0), total)).round().astype(int))
        for shown, result in pairs:
            index, (height, width) = shown.frame.index, shown.gray.shape
            picture = to_tensor(result.pixels)[:, :height, :width]
            original = to_tensor(shown.frame.pixels)
            if shown.frame.feedback:  # a dream that lives on itself
                original = picture.mean((1, 2), keepdim=True).expand_as(picture)
            if engine:
                engine.aim(shown.frame)
            motion = known_motion(known, index, picture.shape[1:]) if known else shown.motion
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
    recipe = Recipe.from_toml(read_recipe(dream)).set("network.device=auto")
    if recipe.finish.mask and not holds_frames(recipe.finish.mask) and not Path(recipe.finish.mask).exists():
        recipe = recipe.set("finish.mask=")
    cuts = recipe.temporal.cuts
    return recipe if cuts in ("auto", "none") or Path(cuts).exists() else recipe.set("temporal.cuts=auto")


@dataclass(frozen=True)
class _Shown:
    """A frame as it was dreamed on: with its luma, its motion where the camera's is known, and whether it is a cut."""

    frame: Frame
    gray: NDArray[np.uint8]
    motion: Motion | None = None
    cut: bool = False


@contextmanager
def _side_by_side(
    report: Report, recipe: Recipe | None
) -> Iterator[tuple[int, Engine | None, Iterator[tuple[_Shown, Frame]]]]:
    """Open source and dream, the source as it was dreamed: that part, at the dream's size, as the camera saw it.

    Yields:
        How many frames both have; the engine of the recipe, if it can be had; and the frames: the source's, and the
        dream's.
    """
    clip = recipe.clip if recipe else Clip()
    with open_source(report.dream) as dreamed:
        with open_source(report.source, selection_of(clip)) as opened:
            wide, high = dreamed.info.width - opened.info.width, dreamed.info.height - opened.info.height
        if not (0 <= wide <= 1 and 0 <= high <= 1):  # more than the padding to an even size
            if abs(dreamed.info.width * opened.info.height / (dreamed.info.height * opened.info.width) - 1) > MISSHAPEN:
                raise SourceError(f"{report.dream} has another shape than {report.source}: is it a dream of that?")
            clip = replace(clip, size=f"{dreamed.info.width}x{dreamed.info.height}")
        report.stability.rate = dreamed.info.rate
        with open_source(report.source, selection_of(clip)) as opened:
            engine, setup = _engine(report, recipe, opened.info)
            count = setup.info.count if setup else opened.info.count
            total = min(count, dreamed.info.count)
            if count != dreamed.info.count:
                report.notices.append(
                    f"{report.source} has {count} frames, {report.dream} {dreamed.info.count}: {total} are measured"
                )
            with _shown(opened, engine, setup, recipe) as shown:
                yield total, engine, zip(shown, dreamed, strict=False)


def _engine(report: Report, recipe: Recipe | None, source: Info) -> tuple[Engine | None, Setup | None]:
    """Return the engine that a dream was made by, and its stage; what of it cannot be had is told."""
    if recipe is None:
        return None, None
    report.stability.carried_by = recipe.temporal.flow
    setup = None
    try:
        setup = set_up(source, recipe, report.dream)
        return Engine(setup.recipe, setup.timeline), setup
    except DreamError as error:
        report.notices.append(f"no objective is measured ({error})")
        return None, setup


@contextmanager
def _shown(
    opened: Source, engine: Engine | None, setup: Setup | None, recipe: Recipe | None
) -> Iterator[Iterator[_Shown]]:
    if engine and setup and setup.recipe.camera.loop:
        with views.open_loop(opened, setup.source_frames, setup.blend_frames, setup.timeline, engine) as circle:
            yield _round(circle, known=setup.source_frames == 1)
        return
    yield _straight(setup.frames(opened) if setup else opened, engine, recipe or Recipe())


def _round(circle: views.LoopView, known: bool) -> Iterator[_Shown]:
    for index in range(circle.count):
        step = circle.step(index, index - 1 if index else None)
        gray = luma_8bit(step.frame.pixels)
        yield _Shown(step.frame, gray, step.motion if known else None, cut=index == 0)


def _straight(frames: Iterable[Frame], engine: Engine | None, recipe: Recipe) -> Iterator[_Shown]:
    marked = shots.shot_rule(recipe.temporal.cuts, parse_time(recipe.clip.start) or Fraction(0))(frames)
    path = None
    for frame, cut in marked:
        height, width = frame.pixels.shape[:2]
        if frame.index == 0 and engine:
            path = engine.path(width, height)
        if frame.feedback:
            step = path.steps[frame.index] if path else np.eye(3)
            yield _Shown(frame, luma_8bit(frame.pixels), camera.camera_motion(step, width, height))
        else:
            seen = camera.view_through(frame.pixels, path.view(frame.index)) if path else frame.pixels
            yield _Shown(replace(frame, pixels=seen), luma_8bit(seen), cut=cut)


def _is_whole(engine: Engine, shown: _Shown) -> bool:
    """Tell whether all of a frame shows its dream, and so can be compared with one that is dreamed alone."""
    return engine.mask is None and not shown.frame.feedback


def _alone(engine: Engine, image: torch.Tensor) -> float:
    image = image.to(engine.device)
    return engine.dreamer.value(composite(image, engine.dreamer(image), engine.recipe.finish))


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
