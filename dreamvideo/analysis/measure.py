"""Measures a dream against the source it was made from, frame by frame."""

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
from ..jobs.setup import Setup, set_up
from ..jobs.timelines import selection_of
from ..media.info import Info
from ..media.metadata import read_recipe
from ..media.paths import holds_frames
from ..media.pixels import luma_8bit
from ..media.readers.frame import Frame, Source
from ..media.readers.source import open_source
from ..media.tensors import quantise, to_tensor
from ..recipe import Clip, Recipe, parse_time
from ..video import camera, shots
from ..video.engine import Engine
from ..video.flow import Motion
from ..video.loop import views
from ..video.process_settings import configure_process
from .flow_truth import flow_files, known_motion
from .report import DIFFERENCE_GAIN, Report
from .summary import FrameMetrics

WORST = 4  # frames shown in the strip
WIDE = 320  # px; width of each picture in the strip
MISSHAPEN = 0.1  # relative difference allowed between the aspect ratios of source and dream


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
        source, dream: the film, frames or still that was dreamed, and the dream made from it.
        recipe: what the dream was made with: it says which part of the source, and which network and layers the
            objective is measured with. If None, the recipe in the dream's metadata; without any, no objective is
            measured.
        truth: folder of exact flow, if known: Middlebury .flo files whose names end in the number of their frame, with
            the flow from that frame to the previous one; next to each may lie a .png of the same name, white where the
            flow is valid. A frame without a file begins a shot.
        alone: number of frames, spread evenly, to dream independently, for comparing the objective.
        loop: whether to measure the seam from the last frame to the first.
        on_event: called after every frame, on this thread.

    Raises:
        DreamError: an input cannot be read, source and dream do not belong together, or the recipe cannot be used.
    """
    report = Report(str(source), str(dream))
    files = flow_files(Path(truth)) if truth else None
    if recipe is None:
        recipe = _embedded_recipe(report)
    with _side_by_side(report, recipe) as (total, engine, pairs):
        sampled = set(np.linspace(0, total - 1, min(max(alone, 0), total)).round().astype(int))
        for shown, result in pairs:
            metrics = _measure_frame(report, shown, result, engine, files, shown.frame.index in sampled)
            on_event(Event(metrics.index + 1, total))
    if not report.stability.frames:
        raise SourceError(f"no frame of {source} and {dream} can be compared: are they complete?")
    if loop:
        report.stability.measure_seam()
    return report


@dataclass(frozen=True)
class _Shown:
    """A frame of the source as the camera saw it.

    Attributes:
        frame: with the pixels that were dreamed on.
        gray: its 8-bit luma, (H, W).
        motion: from the previous frame, where the camera's movement gives it exactly.
        cut: whether a shot begins with it.
    """

    frame: Frame
    gray: NDArray[np.uint8]
    motion: Motion | None = None
    cut: bool = False


def _measure_frame(
    report: Report, shown: _Shown, result: Frame, engine: Engine | None, files: dict[int, Path] | None, sampled: bool
) -> FrameMetrics:
    """Measure one frame into the report.

    Args:
        report: to add to.
        shown, result: the frame of the source, and of the dream.
        engine: to measure the objective with, if any.
        files: of the exact flow, by frame, if known.
        sampled: whether to dream the frame independently, for comparing the objective.
    """
    height, width = shown.gray.shape
    picture = to_tensor(result.pixels)[:, :height, :width]
    original = to_tensor(shown.frame.pixels)
    if shown.frame.feedback:  # the dream's own mean colour is its base
        original = picture.mean((1, 2), keepdim=True).expand_as(picture)
    if engine:
        engine.aim(engine.animation.at(shown.frame.index), shown.frame.time)
    motion = known_motion(files, shown.frame.index, picture.shape[1:]) if files else shown.motion
    compared = sampled and engine is not None and _is_whole(engine, shown)
    metrics = report.stability.add(
        shown.gray,
        original,
        picture,
        motion=motion,
        cut=motion is None if files else shown.cut,
        objective=engine.dreamer.value(picture.to(engine.device)) if engine else math.nan,
        alone=_alone(engine, original, shown.frame.index) if engine and compared else math.nan,
    )
    _keep_worst(report, metrics, original, picture)
    return metrics


def _embedded_recipe(report: Report) -> Recipe | None:
    """Return the recipe in the dream's metadata, made to work on this machine; None, with a notice, without one.

    It may have been made with another GPU, and with a mask or a list of cuts that is not here.
    """
    try:
        recipe = Recipe.from_toml(read_recipe(report.dream)).set("network.device=auto")
    except DreamError as error:
        report.notices.append(f"no objective is measured ({error})")
        return None
    if recipe.finish.mask and not holds_frames(recipe.finish.mask) and not Path(recipe.finish.mask).exists():
        recipe = recipe.set("finish.mask=")
    cuts = recipe.temporal.cuts
    return recipe if cuts in ("auto", "none") or Path(cuts).exists() else recipe.set("temporal.cuts=auto")


@contextmanager
def _side_by_side(
    report: Report, recipe: Recipe | None
) -> Iterator[tuple[int, Engine | None, Iterator[tuple[_Shown, Frame]]]]:
    """Open source and dream; the source as it was dreamed: the same part and size, as the camera saw it.

    Yields:
        The number of frames of both; the recipe's engine, if it can be made; and (source frame, dream frame) pairs.

    Raises:
        SourceError: one cannot be opened, or their shapes differ.
    """
    with open_source(report.dream) as dreamed:
        clip = _matching_clip(report, recipe.clip if recipe else Clip(), dreamed.info)
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


def _matching_clip(report: Report, clip: Clip, dreamed: Info) -> Clip:
    """Return the part of the source that was dreamed, at the dream's size."""
    with open_source(report.source, selection_of(clip)) as opened:
        wide, high = dreamed.width - opened.info.width, dreamed.height - opened.info.height
    if 0 <= wide <= 1 and 0 <= high <= 1:  # the padding to an even size
        return clip
    if abs(dreamed.width * opened.info.height / (dreamed.height * opened.info.width) - 1) > MISSHAPEN:
        raise SourceError(f"{report.dream} has another shape than {report.source}: is it a dream of that?")
    return replace(clip, size=f"{dreamed.width}x{dreamed.height}")


def _engine(report: Report, recipe: Recipe | None, source: Info) -> tuple[Engine | None, Setup | None]:
    """Return the engine that the dream was made with, and its setup; None, with a notice, for what cannot be made."""
    if recipe is None:
        return None, None
    report.stability.carried_by = recipe.temporal.flow
    setup = None
    try:
        setup = set_up(source, recipe, report.dream)
        configure_process(setup.recipe.network)
        return Engine(setup.recipe, setup.timeline), setup
    except DreamError as error:
        report.notices.append(f"no objective is measured ({error})")
        return None, setup


@contextmanager
def _shown(
    opened: Source, engine: Engine | None, setup: Setup | None, recipe: Recipe | None
) -> Iterator[Iterator[_Shown]]:
    """Yield the frames of the source as the camera saw them: of a loop, of the setup, or as they are."""
    if engine and setup and setup.recipe.camera.loop:
        with views.open_loop(opened, setup.source_frames, setup.blend_frames, setup.timeline, engine) as loop:
            yield _loop_frames(loop, known=setup.source_frames == 1)
        return
    yield _film_frames(setup.frames(opened) if setup else opened, engine, recipe or Recipe())


def _loop_frames(loop: views.LoopView, known: bool) -> Iterator[_Shown]:
    """Yield the frames of a loop; with their motion if it is `known` exactly, as that of a still is."""
    for index in range(loop.count):
        step = loop.step(index, index - 1 if index else None)
        gray = luma_8bit(step.frame.pixels)
        yield _Shown(step.frame, gray, step.motion if known else None, cut=index == 0)


def _film_frames(frames: Iterable[Frame], engine: Engine | None, recipe: Recipe) -> Iterator[_Shown]:
    """Yield the frames of a film, with the exact motion of those that only the camera moves."""
    marked = shots.shot_rule(recipe.temporal.cuts, parse_time(recipe.clip.start) or Fraction(0))(frames)
    path = None
    for frame, cut in marked:
        height, width = frame.pixels.shape[:2]
        if frame.index == 0 and engine:
            path = engine.camera_path(width, height)
        if frame.feedback:
            step = path.steps[frame.index] if path else np.eye(3)
            yield _Shown(frame, luma_8bit(frame.pixels), camera.camera_motion(step, width, height))
        else:
            seen = camera.view_through(frame.pixels, path.view(frame.index)) if path else frame.pixels
            yield _Shown(replace(frame, pixels=seen), luma_8bit(seen), cut=cut)


def _is_whole(engine: Engine, shown: _Shown) -> bool:
    """Return whether the dream covers the whole frame, so that it can be compared with an independent one."""
    return engine.mask is None and not shown.frame.feedback


def _alone(engine: Engine, image: torch.Tensor, index: int) -> float:
    """Return the objective on an image (3, H, W), a frame's, that is dreamed independently."""
    image, finish = image.to(engine.device), engine.animation.at(index).finish
    return engine.dreamer.value(composite(image, engine.dreamer(image), finish, palette=engine.palette))


def _keep_worst(report: Report, metrics: FrameMetrics, source: torch.Tensor, dream: torch.Tensor) -> None:
    """Keep the frame's pictures if it is among those that flicker most so far."""
    flickers = [report.stability.frames[index].flicker for index, _ in report.worst]
    if math.isnan(metrics.flicker) or (len(flickers) == WORST and metrics.flicker <= min(flickers)):
        return
    compared = report.stability.comparison()
    if compared is None:
        return
    warped, difference = compared
    strip = np.hstack([_thumb(image) for image in (source, warped, dream, difference * DIFFERENCE_GAIN)])
    report.worst.append((metrics.index, strip))
    report.worst.sort(key=lambda kept: -report.stability.frames[kept[0]].flicker)
    del report.worst[WORST:]


def _thumb(image: torch.Tensor) -> NDArray[np.uint8]:
    """Return a small picture, (h, w, 3), of an image (3, H, W) in [0, 1]."""
    pixels = quantise(image, 8)
    h, w = pixels.shape[:2]
    return cv2.resize(pixels, (WIDE, max(round(h * WIDE / w), 1)), interpolation=cv2.INTER_AREA)
