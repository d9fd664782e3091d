"""The frames of a loop: a still seen by a camera that comes round, or a film that flows into its beginning."""

from __future__ import annotations

import itertools
import math
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from typing import IO, Any, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray
from torch import Tensor

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

ZOOMS = 1.1  # least zoom, over the whole loop, for the picture to hold itself
NESTED = 3.5  # a picture stands in itself at most this often as the loop zooms by, and every so often
FEATHER = 0.3  # of the short side, over which a picture fades into the one around it
SOFT = 0.6  # px by which a picture is softened that will be seen at every size
QUICK = 5.0  # how many times as fast one picture gives way to another where they do not match
SMALL = 2.0  # px, below which a picture in the picture is not drawn
CLOSED = 0.25  # px by which a film's camera may miss its beginning


class LoopView(Protocol):
    """The frames of a loop, which lead round.

    Attributes:
        count: frames.
        order: in which they are dreamed, 0 … count − 1 or the other way.
    """

    count: int
    order: Sequence[int]

    def step(self, index: int, before: int | None) -> TrackedFrame:
        """Return a frame with how it came from the one before in the order; from none if that is None."""

    def ahead(self, engine: Engine) -> Outpainter | None:
        """Return what dreams ahead of a camera that uncovers ground, if there is one."""

    def shows(self, index: int, engine: Engine) -> Field | None:
        """Return how much of the dream a frame shows, (H, W) in [0, 1]; None for all of it."""


class StillLoop:
    """A still that holds itself, seen by a camera that comes round.

    Raises:
        RecipeError: the camera neither zooms nor comes back.
    """

    def __init__(self, pixels: NDArray[Any], path: CameraPath):
        self.count, self._rate, self._path = len(path.steps) - 1, path.animation.timeline.rate, path
        self._pixels = cv2.GaussianBlur(pixels, (0, 0), SOFT)  # else the frames at its own size were the sharpest
        self._height, self._width = pixels.shape[:2]
        self._soft = _soft(self._width, self._height)
        whole = path.view(self.count)  # the last view, as the first one's
        zoom = 1 / camera.minification(whole, self._width, self._height)
        self._nested = _nesting(whole, self._width, self._height) if abs(math.log(zoom)) > math.log(ZOOMS) else []
        if not self._nested and (miss := camera.max_distance(whole, np.eye(3), self._width, self._height)) > CLOSED:
            raise RecipeError(
                f"the camera ends {miss:.0f} px from where it began, so the loop cannot close: zoom, turn by whole "
                f"turns (--rotate {360 / float(self.count / self._rate):g} is one), or let what it does go back"
            )
        self.order: Sequence[int] = range(self.count - 1, -1, -1) if zoom > 1 else range(self.count)

    def step(self, index: int, before: int | None) -> TrackedFrame:
        """See `Circle`."""
        pixels, numbers = self._seen(self._path.view(index)), self._path.animation.at(index)
        motion = (
            None if before is None else camera.camera_motion(self.between(index, before), self._width, self._height)
        )
        return TrackedFrame(Frame(index, index / self._rate, pixels), luma_8bit(pixels), numbers, motion)

    def ahead(self, engine: Engine) -> Outpainter:
        """See `Circle`."""

        def image(index: int, state: State) -> Tensor:
            return engine.image(self.step(index, None).frame)

        return Outpainter(engine.dreamer, engine.animation, self.order, self.between, image)

    def shows(self, index: int, engine: Engine) -> Field | None:
        """See `Circle`: a mask lies still on the view."""
        frame = self.step(index, None).frame
        return None if engine.mask is None else engine.mask.at(frame, engine.animation.at(index).finish)

    def between(self, index: int, before: int) -> Matrix:
        """Return a frame's view of the frame before it in the order."""
        if (before + 1) % self.count == index:
            return self._path.steps[index or self.count]
        return np.linalg.inv(self._path.steps[before or self.count])

    def _seen(self, view: Matrix) -> NDArray[Any]:
        """Return the picture in the picture as a view shows it, from the largest that is in sight to the smallest."""
        if not self._nested:
            return camera.view_through(self._pixels, view)
        seen = None
        for inner in self._nested:
            at = inner @ view
            at /= at[2, 2]
            if not _in_sight(np.linalg.inv(at), self._width, self._height):
                continue
            picture = camera.view_through(self._pixels, at)
            if seen is None:
                seen = picture
                continue
            shown = _mask_through(self._soft, at)[..., None]
            seen = (picture * shown + seen * (1 - shown)).round().astype(self._pixels.dtype)
        return seen if seen is not None else camera.view_through(self._pixels, view)


def _nesting(whole: Matrix, width: int, height: int) -> list[Matrix]:
    """Return, from the largest to the smallest, how the picture is seen that stands around or in the picture."""
    scale = max(camera.minification(whole, width, height), 1 / camera.minification(whole, width, height))
    times = max(math.floor(math.log(scale) / math.log(NESTED)), 1)
    values, vectors = np.linalg.eig(whole)
    once = np.real(vectors @ np.diag(values.astype(complex) ** (1 / times)) @ np.linalg.inv(vectors))
    if camera.minification(once, width, height) > 1:
        once = np.linalg.inv(once)  # the next one in
    levels = times + math.ceil(math.log(max(width, height)) / math.log(scale ** (1 / times))) + 1
    return [np.linalg.matrix_power(np.linalg.inv(once), n) for n in range(-2, levels)]


def _soft(width: int, height: int) -> NDArray[np.float32]:
    """Return how much of a picture is shown where it stands in itself, (H, W): all at its middle, none at its edge."""
    reach = FEATHER * min(width, height)
    x = np.minimum(np.arange(width) + 0.5, width - np.arange(width) - 0.5)
    y = np.minimum(np.arange(height) + 0.5, height - np.arange(height) - 0.5)
    near = np.stack(np.meshgrid(np.clip(1 - x / reach, 0, 1), np.clip(1 - y / reach, 0, 1)))
    inside = np.clip(1 - np.hypot(*near), 0, 1)  # the corners are round
    return (inside * inside * (3 - 2 * inside)).astype(np.float32)


def _mask_through(soft: NDArray[np.float32], view: Matrix) -> NDArray[np.float32]:
    height, width = soft.shape
    x, y = camera.pixel_grid(view, width, height)
    return cv2.remap(soft, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)


def _in_sight(place: NDArray[Any], width: int, height: int) -> bool:
    """Tell whether a picture put into place shows, and is no speck."""
    corners = np.array([[[0, 0], [width, 0], [width, height], [0, height]]], np.float64)
    x, y = cv2.perspectiveTransform(corners, place)[0].T
    large = min(np.ptp(x), np.ptp(y)) > SMALL
    return bool(large and x.max() > 0 and y.max() > 0 and x.min() < width and y.min() < height)


class FilmLoop:
    """The frames of a film, the last ones flowing into the first: kept on disk, as there they are seen twice.

    Args:
        frames: as filmed.
        count: how many the loop has; those beyond are what flows into the first ones.
        engine: whose camera sees them.

    Raises:
        RecipeError: the camera does not come back.
    """

    def __init__(self, frames: Sequence[Frame], count: int, engine: Engine):
        self.count, self._engine, self._frames = count, engine, frames
        self.order: Sequence[int] = range(count)
        self._tail = engine.new_mask()  # of the frames after the end; the engine's own is of the others
        self._path = engine.camera_path(frames[0].pixels.shape[1], frames[0].pixels.shape[0])
        height, width = frames[0].pixels.shape[:2]
        if self._path and (miss := camera.max_distance(self._path.view(count), np.eye(3), width, height)) > CLOSED:
            raise RecipeError(
                f"the camera ends {miss:.0f} px from where it began, so the film's loop cannot close: let it go back"
            )

    def step(self, index: int, before: int | None) -> TrackedFrame:
        """See `Circle`."""
        pixels, numbers = self._pixels(index), self._engine.animation.at(index)
        luma = luma_8bit(pixels)
        shown = pixels if self._path is None else camera.view_through(pixels, self._path.view(index))
        frame = Frame(index, self._frames[index].time, shown)
        if before is None:
            return TrackedFrame(frame, luma, numbers)
        last = luma_8bit(self._pixels(before))
        method = self._engine.recipe.temporal.flow
        motion = flow.estimate_motion(luma, last, *flow.METHODS["dis" if method == "none" else method])
        return TrackedFrame(frame, luma, numbers, seen_motion(motion, self._path, index, before), path=self._path)

    def ahead(self, engine: Engine) -> None:
        """See `Circle`: a film's own motion is not known ahead."""

    def shows(self, index: int, engine: Engine) -> Field | None:
        """See `Circle`: a mask that is a film flows into its beginning as the frames do."""
        if engine.mask is None or self._tail is None:
            return None
        finish, over = engine.animation.at(index).finish, len(self._frames) - self.count
        frame = Frame(index, self._frames[index].time, self._pixels(index))
        mask = engine.mask.at(frame, finish)
        if index < over:
            end = self._tail.at(replace(frame, time=self._frames[self.count + index].time), finish)
            mask = end + np.float32(smoothstep_((index + 1) / (over + 1))) * (mask - end)
        return mask if self._path is None else np.clip(camera.view_through(mask, self._path.view(index)), 0, 1)

    def close(self) -> None:
        """Close what is read beside the frames."""
        if self._tail is not None:
            self._tail.close()

    def _pixels(self, index: int) -> NDArray[Any]:
        """Return a frame; of the first ones, what the frame after the end has become by then."""
        over = len(self._frames) - self.count
        first = self._frames[index].pixels
        if index >= over:
            return first
        return morph(self._frames[self.count + index].pixels, first, smoothstep_((index + 1) / (over + 1)))


def morph(one: NDArray[Any], other: NDArray[Any], share: float) -> NDArray[Any]:
    """Return the picture, RGB (H, W, 3), that lies between two: each moved on its way to the other, and mixed.

    Source: frame interpolation by bidirectional flow (Baker et al. 2011), with flow confidence for occlusion.
    """
    a, b = luma_8bit(one), luma_8bit(other)
    there, back = flow.dis(a, b), flow.dis(b, a)
    x, y = np.meshgrid(np.arange(a.shape[1], dtype=np.float32), np.arange(a.shape[0], dtype=np.float32))

    def moved(pixels: NDArray[Any], field: NDArray[np.float32], part: float) -> NDArray[Any]:
        at = x - part * field[..., 0], y - part * field[..., 1]
        return cv2.remap(pixels, *at, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT_101).astype(np.float32)

    quick = min(max((share - 0.5) * QUICK + 0.5, 0.0), 1.0)  # what is not the same in both changes at once: no ghosts
    held = cv2.blur(flow.flow_confidence(back, there), (5, 5))[..., None]
    part = quick + held * (share - quick)
    mixed = (1 - part) * moved(one, there, share) + part * moved(other, back, 1 - share)
    return np.clip(mixed.round(), 0, np.iinfo(one.dtype).max).astype(one.dtype)


def smoothstep_(share: float) -> float:
    """Ease a share, 0 … 1, in and out."""
    return share * share * (3 - 2 * share)


@contextmanager
def open_loop(
    source: Iterable[Frame], filmed: int, flows: int, timeline: Timeline, engine: Engine
) -> Iterator[LoopView]:
    """Make a loop of a source's frames: of a still under the engine's camera, or of a film.

    Args:
        source: its frames.
        filmed: how many of them are filmed: 1 is a still.
        flows: how many further ones of a film flow into its beginning.
        timeline: of the loop.
        engine: whose camera sees it.

    Raises:
        RecipeError: the camera does not come back.
        SourceError: a frame is missing.
    """
    with tempfile.TemporaryFile() as file, closing(engine):
        frames = _frames_on_disk(source, timeline.count + flows if filmed > 1 else 1, file)
        if filmed > 1:
            with closing(FilmLoop(frames, timeline.count, engine)) as film:
                yield film
        else:
            height, width = frames[0].pixels.shape[:2]
            yield StillLoop(frames[0].pixels, CameraPath(engine.animation, width, height))


def _frames_on_disk(source: Iterable[Frame], count: int, file: IO[bytes]) -> list[Frame]:
    """Return frames whose pixels lie on disk."""
    times, first = [], None
    for frame in itertools.islice(source, count):
        first = frame.pixels if first is None else first
        file.write(frame.pixels.tobytes())
        times.append(frame.time)
    if first is None or len(times) < count:
        raise SourceError(f"only {len(times)} of {count} frames can be decoded, and a loop needs all: is it complete?")
    file.flush()
    pixels = np.memmap(file, first.dtype, "r", shape=(count, *first.shape))
    return [Frame(index, time, pixels[index]) for index, time in enumerate(times)]
