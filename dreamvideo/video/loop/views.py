"""The frames of a loop: of a still under a camera that comes back, or of a film that blends into its beginning."""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from typing import IO, Any, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from ...curves.functions import smoothstep
from ...curves.timeline import Timeline
from ...errors import RecipeError, SourceError
from ...media.pixels import Field, luma_8bit
from ...media.readers.frame import Frame
from .. import camera, flow
from ..camera import CameraPath, Matrix
from ..engine import Engine
from ..outpaint import Outpainter
from ..state import State
from ..tracker import TrackedFrame, seen_motion
from .morph import morph
from .nested import NestedPicture

BLUR = 0.6  # sigma that softens a still, px: otherwise the frames at its own size would be sharper than all others
CLOSED = 0.25  # px by which a camera may miss its first view at the end of the loop


class LoopView(Protocol):
    """The frames of a loop, as the camera shows them.

    Attributes:
        count: number of frames.
        order: the order in which they are dreamed: 0 … count − 1, or backwards.
    """

    count: int
    order: Sequence[int]

    def step(self, index: int, before: int | None) -> TrackedFrame:
        """Return a frame with its motion from the one before it in the order; without motion if that is None."""

    def ahead(self, engine: Engine) -> Outpainter | None:
        """Return what outpaints the areas that the camera disoccludes; None where its motion is not known ahead."""

    def shows(self, index: int, engine: Engine) -> Field | None:
        """Return the mask of a frame: how much of the dream it shows, (H, W) in [0, 1]; None for all of it."""


class StillLoop:
    """A still that contains itself, under a camera that comes back to its first view or zooms into the next copy.

    Args:
        pixels: RGB (H, W, 3), 8 or 16 bits.
        path: the camera's, over the frames of the loop.
        rate: frames per second.

    Raises:
        RecipeError: the camera neither zooms nor comes back.
    """

    def __init__(self, pixels: NDArray[Any], path: CameraPath):
        self.count, self._rate, self._path = len(path.steps) - 1, path.animation.timeline.rate, path
        self._height, self._width = pixels.shape[:2]
        loop_view = path.view(self.count)  # the camera's view where the first frame comes again
        self._picture = NestedPicture(cv2.GaussianBlur(pixels, (0, 0), BLUR), loop_view)
        if not self._picture.zooms and (
            (miss := camera.max_distance(loop_view, np.eye(3), self._width, self._height)) > CLOSED
        ):
            raise RecipeError(
                f"the camera ends {miss:.0f} px from where it began, so the loop cannot close: let it zoom, rotate by "
                f"whole turns (--rotate {360 / float(self.count / self._rate):g} makes one), or return to its beginning"
            )
        narrows = camera.minification(loop_view, self._width, self._height) < 1
        self.order: Sequence[int] = range(self.count - 1, -1, -1) if narrows else range(self.count)

    def step(self, index: int, before: int | None) -> TrackedFrame:
        """See `LoopView`."""
        pixels = self._picture.view_through(self._path.view(index))
        numbers = self._path.animation.at(index)
        motion = (
            None if before is None else camera.camera_motion(self.between(index, before), self._width, self._height)
        )
        return TrackedFrame(Frame(index, index / self._rate, pixels), luma_8bit(pixels), numbers, motion)

    def ahead(self, engine: Engine) -> Outpainter:
        """See `LoopView`."""

        def image(index: int, state: State) -> Tensor:
            return engine.image(self.step(index, None).frame)

        return Outpainter(engine.dreamer, engine.animation, self.order, self.between, image)

    def shows(self, index: int, engine: Engine) -> Field | None:
        """See `LoopView`; the mask does not move with the camera."""
        frame = self.step(index, None).frame
        return None if engine.mask is None else engine.mask.at(frame, engine.animation.at(index).finish)

    def between(self, index: int, before: int) -> Matrix:
        """Return a frame's view of the one before it in the order, (3, 3)."""
        if (before + 1) % self.count == index:
            return self._path.steps[index or self.count]
        return np.linalg.inv(self._path.steps[before or self.count])


class FilmLoop:
    """A film whose frames after the loop's end are blended into its first frames.

    Args:
        frames: the source's, those of the loop and those after its end.
        count: number of frames of the loop.
        engine: gives the camera's path, the flow method and the masks.

    Raises:
        RecipeError: the camera does not come back.
    """

    def __init__(self, frames: Sequence[Frame], count: int, engine: Engine):
        self.count, self._engine, self._frames = count, engine, frames
        self._overlap = len(frames) - count  # frames that are blended
        self.order: Sequence[int] = range(count)
        self._tail = engine.new_mask()  # of the frames after the end; the engine's own mask is for the others
        self._path = engine.camera_path(frames[0].pixels.shape[1], frames[0].pixels.shape[0])
        height, width = frames[0].pixels.shape[:2]
        if self._path and (miss := camera.max_distance(self._path.view(count), np.eye(3), width, height)) > CLOSED:
            raise RecipeError(
                f"the camera ends {miss:.0f} px from where it began, so the film's loop cannot close: let it "
                "return to where it began"
            )

    def step(self, index: int, before: int | None) -> TrackedFrame:
        """See `LoopView`."""
        pixels = self._pixels(index)
        numbers = self._engine.animation.at(index)
        luma = luma_8bit(pixels)
        shown = pixels if self._path is None else camera.view_through(pixels, self._path.view(index))
        frame = Frame(index, self._frames[index].time, shown)
        if before is None:
            return TrackedFrame(frame, luma, numbers)
        last = luma_8bit(self._pixels(before))
        motion = flow.estimate_motion(luma, last, *self._engine.flow_methods)
        return TrackedFrame(frame, luma, numbers, seen_motion(motion, self._path, index, before), path=self._path)

    def ahead(self, engine: Engine) -> None:
        """See `LoopView`; the motion of a film is not known ahead."""

    def shows(self, index: int, engine: Engine) -> Field | None:
        """See `LoopView`; a mask blends into its beginning as the frames do."""
        if engine.mask is None or self._tail is None:
            return None
        finish = engine.animation.at(index).finish
        frame = Frame(index, self._frames[index].time, self._pixels(index))
        mask = engine.mask.at(frame, finish)
        if index < self._overlap:
            end = self._tail.at(replace(frame, time=self._frames[self.count + index].time), finish)
            mask = end + np.float32(self._blend_share(index)) * (mask - end)
        return mask if self._path is None else np.clip(camera.view_through(mask, self._path.view(index)), 0, 1)

    def close(self) -> None:
        """Close the mask's file."""
        if self._tail is not None:
            self._tail.close()

    def _pixels(self, index: int) -> NDArray[Any]:
        """Return the pixels of a frame; the first ones are morphed out of the frames after the loop's end."""
        pixels = self._frames[index].pixels
        if index >= self._overlap:
            return pixels
        return morph(self._frames[self.count + index].pixels, pixels, self._blend_share(index))

    def _blend_share(self, index: int) -> float:
        """Return how much of a blended frame is its own: rising to 1 where the overlap ends."""
        return float(smoothstep((index + 1) / (self._overlap + 1)))


@contextmanager
def open_loop(
    source: Iterable[Frame], source_frames: int, blend_frames: int, timeline: Timeline, engine: Engine
) -> Iterator[LoopView]:
    """Make a loop of a source's frames: of a still under the engine's camera, or of a film.

    Args:
        source: its frames.
        source_frames: how many it has; 1 for a still.
        blend_frames: how many frames after the loop's end are blended into its beginning; of a film only.
        timeline: of the loop.
        engine: gives the camera's path, the flow method and the masks; closed at the end.

    Raises:
        RecipeError: the camera does not come back.
        SourceError: a frame is missing.
    """
    with tempfile.TemporaryFile() as file, closing(engine):
        frames = _frames_on_disk(source, timeline.count + blend_frames if source_frames > 1 else 1, file)
        if source_frames > 1:
            with closing(FilmLoop(frames, timeline.count, engine)) as film:
                yield film
        else:
            height, width = frames[0].pixels.shape[:2]
            yield StillLoop(frames[0].pixels, CameraPath(engine.animation, width, height))


def _frames_on_disk(source: Iterable[Frame], count: int, file: IO[bytes]) -> list[Frame]:
    """Read frames and return them with their pixels in a file: a loop reads them several times."""
    times, first = [], None
    for frame in itertools.islice(source, count):
        first = frame.pixels if first is None else first
        file.write(frame.pixels.tobytes())
        times.append(frame.time)
    if first is None or len(times) < count:
        raise SourceError(
            f"only {len(times)} of {count} frames can be decoded, and a loop needs them all: is the file complete?"
        )
    file.flush()
    pixels = np.memmap(file, first.dtype, "r", shape=(count, *first.shape))
    return [Frame(index, time, pixels[index]) for index, time in enumerate(times)]
