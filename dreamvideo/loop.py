"""Loops: films whose last frame leads to their first, because they were dreamed round and round.

A camera's loop looks at a picture that holds itself: where it zooms to, the same picture stands again, and in it again.
So the view after the last frame is the view of the first, exactly. A film's loop ends in the frames before its
beginning, which its last ones flow into.

The dream is closed by going round: the first time, every frame is dreamed as in any film; the second time, ground that
comes into sight takes what was dreamed there the first time. A zoom goes round in the direction in which it shrinks,
where nothing that has been dreamed is ever too coarse: what is left of the first frame then shrinks away to a point,
and the rounds become the same. What little may still differ is given back over the first frames of a third.
"""

from __future__ import annotations

import itertools
import math
import tempfile
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from fractions import Fraction
from typing import IO, Any, Protocol

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from . import camera, compose, flow
from .camera import Matrix, Path
from .compose import State
from .errors import RecipeError, SourceError
from .flow import Field, Motion
from .media import Frame
from .metrics import seam_error, temporal_error
from .outpaint import Ahead
from .pipeline import Engine, Step, seen
from .timeline import Timeline

ROUNDS = 2  # times that all is dreamed
GENTLE = 0.4  # most that later rounds are driven (see `compose.Governor`)
CLOSING = 0.25  # share of a third time that what still differs is given back over
ZOOMS = 1.1  # least zoom, over the whole loop, for the picture to hold itself
NESTED = 3.5  # a picture stands in itself at most this often as the loop zooms by, and every so often
FEATHER = 0.3  # of the short side, over which a picture fades into the one around it
SOFT = 0.6  # px by which a picture is softened that will be seen at every size
QUICK = 5.0  # how many times as fast one picture gives way to another where they do not match
SMALL = 2.0  # px, below which a picture in the picture is not drawn
CLOSED = 0.25  # px by which a film's camera may miss its beginning


class Circle(Protocol):
    """The frames of a loop, which lead round.

    Attributes:
        count: frames.
        order: in which they are dreamed, 0 … count − 1 or the other way.
    """

    count: int
    order: Sequence[int]

    def step(self, index: int, before: int | None) -> Step:
        """Return a frame with how it came from the one before in the order; from none if that is None."""

    def ahead(self, engine: Engine) -> Ahead | None:
        """Return what dreams ahead of a camera that uncovers ground, if there is one."""

    def shows(self, index: int, engine: Engine) -> Field | None:
        """Return how much of the dream a frame shows, (H, W) in [0, 1]; None for all of it."""


class Picture:
    """A still that holds itself, seen by a camera that comes round.

    Raises:
        RecipeError: the camera neither zooms nor comes back.
    """

    def __init__(self, pixels: NDArray[Any], path: Path, rate: Fraction):
        self.count, self._rate, self._path = len(path.steps) - 1, rate, path
        self._pixels = cv2.GaussianBlur(pixels, (0, 0), SOFT)  # else the frames at its own size were the sharpest
        self._height, self._width = pixels.shape[:2]
        self._soft = _soft(self._width, self._height)
        whole = path.view(self.count)  # the last view, as the first one's
        zoom = 1 / camera.shrinking(whole, self._width, self._height)
        self._nested = _nesting(whole, self._width, self._height) if abs(math.log(zoom)) > math.log(ZOOMS) else []
        if not self._nested and (miss := camera.apart(whole, np.eye(3), self._width, self._height)) > CLOSED:
            raise RecipeError(
                f"the camera ends {miss:.0f} px from where it began, so the loop cannot close: zoom, turn by whole "
                f"turns (--rotate {360 / float(self.count / rate):g} is one), or let what it does go back"
            )
        self.order: Sequence[int] = range(self.count - 1, -1, -1) if zoom > 1 else range(self.count)

    def step(self, index: int, before: int | None) -> Step:
        """See `Circle`."""
        pixels = self._seen(self._path.view(index))
        motion = None if before is None else camera.motion(self.between(index, before), self._width, self._height)
        return Step(Frame(index, index / self._rate, pixels), flow.gray(pixels), motion)

    def ahead(self, engine: Engine) -> Ahead:
        """See `Circle`."""

        def image(index: int, state: State) -> Tensor:
            return engine.image(self.step(index, None).frame)

        return Ahead(engine, self.order, self.between, image)

    def shows(self, index: int, engine: Engine) -> Field | None:
        """See `Circle`: a mask lies still on the view."""
        frame = self.step(index, None).frame
        return None if engine.mask is None else engine.mask.at(frame, engine.score.at(index).finish)

    def between(self, index: int, before: int) -> Matrix:
        """Return a frame's view of the frame before it in the order."""
        if (before + 1) % self.count == index:
            return self._path.steps[index or self.count]
        return np.linalg.inv(self._path.steps[before or self.count])

    def _seen(self, view: Matrix) -> NDArray[Any]:
        """Return the picture in the picture as a view shows it, from the largest that is in sight to the smallest."""
        if not self._nested:
            return camera.look(self._pixels, view)
        seen = None
        for inner in self._nested:
            at = inner @ view
            at /= at[2, 2]
            if not _in_sight(np.linalg.inv(at), self._width, self._height):
                continue
            picture = camera.look(self._pixels, at)
            if seen is None:
                seen = picture
                continue
            shown = _look_at_mask(self._soft, at)[..., None]
            seen = (picture * shown + seen * (1 - shown)).round().astype(self._pixels.dtype)
        return seen if seen is not None else camera.look(self._pixels, view)


def _nesting(whole: Matrix, width: int, height: int) -> list[Matrix]:
    """Return, from the largest to the smallest, how the picture is seen that stands around or in the picture."""
    scale = max(camera.shrinking(whole, width, height), 1 / camera.shrinking(whole, width, height))
    times = max(math.floor(math.log(scale) / math.log(NESTED)), 1)
    values, vectors = np.linalg.eig(whole)
    once = np.real(vectors @ np.diag(values.astype(complex) ** (1 / times)) @ np.linalg.inv(vectors))
    if camera.shrinking(once, width, height) > 1:
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


def _look_at_mask(soft: NDArray[np.float32], view: Matrix) -> NDArray[np.float32]:
    height, width = soft.shape
    x, y = camera.grid(view, width, height)
    return cv2.remap(soft, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)


def _in_sight(place: NDArray[Any], width: int, height: int) -> bool:
    """Tell whether a picture put into place shows, and is no speck."""
    corners = np.array([[[0, 0], [width, 0], [width, height], [0, height]]], np.float64)
    x, y = cv2.perspectiveTransform(corners, place)[0].T
    large = min(np.ptp(x), np.ptp(y)) > SMALL
    return bool(large and x.max() > 0 and y.max() > 0 and x.min() < width and y.min() < height)


class Film:
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
        self._tail = engine.masks()  # of the frames after the end; the engine's own is of the others
        self._path = engine.path(frames[0].pixels.shape[1], frames[0].pixels.shape[0])
        height, width = frames[0].pixels.shape[:2]
        if self._path and (miss := camera.apart(self._path.view(count), np.eye(3), width, height)) > CLOSED:
            raise RecipeError(
                f"the camera ends {miss:.0f} px from where it began, so the film's loop cannot close: let it go back"
            )

    def step(self, index: int, before: int | None) -> Step:
        """See `Circle`."""
        pixels = self._pixels(index)
        luma = flow.gray(pixels)
        shown = pixels if self._path is None else camera.look(pixels, self._path.view(index))
        frame = Frame(index, self._frames[index].time, shown)
        if before is None:
            return Step(frame, luma)
        last = flow.gray(self._pixels(before))
        method = self._engine.recipe.temporal.flow
        motion = flow.estimate(luma, last, *flow.METHODS["dis" if method == "none" else method])
        return Step(frame, luma, seen(motion, self._path, index, before), path=self._path)

    def ahead(self, engine: Engine) -> None:
        """See `Circle`: a film's own motion is not known ahead."""

    def shows(self, index: int, engine: Engine) -> Field | None:
        """See `Circle`: a mask that is a film flows into its beginning as the frames do."""
        if engine.mask is None or self._tail is None:
            return None
        finish, over = engine.score.at(index).finish, len(self._frames) - self.count
        frame = Frame(index, self._frames[index].time, self._pixels(index))
        mask = engine.mask.at(frame, finish)
        if index < over:
            end = self._tail.at(replace(frame, time=self._frames[self.count + index].time), finish)
            mask = end + np.float32(_gently((index + 1) / (over + 1))) * (mask - end)
        return mask if self._path is None else np.clip(camera.look(mask, self._path.view(index)), 0, 1)

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
        return morph(self._frames[self.count + index].pixels, first, _gently((index + 1) / (over + 1)))


def morph(one: NDArray[Any], other: NDArray[Any], share: float) -> NDArray[Any]:
    """Return the picture, RGB (H, W, 3), that lies between two: each moved on its way to the other, and mixed.

    Source: frame interpolation by bidirectional flow (Baker et al. 2011); its occlusion reasoning is replaced by trust.
    """
    a, b = flow.gray(one), flow.gray(other)
    there, back = flow.dis(a, b), flow.dis(b, a)
    x, y = np.meshgrid(np.arange(a.shape[1], dtype=np.float32), np.arange(a.shape[0], dtype=np.float32))

    def moved(pixels: NDArray[Any], field: NDArray[np.float32], part: float) -> NDArray[Any]:
        at = x - part * field[..., 0], y - part * field[..., 1]
        return cv2.remap(pixels, *at, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT_101).astype(np.float32)

    quick = min(max((share - 0.5) * QUICK + 0.5, 0.0), 1.0)  # what is not the same in both changes at once: no ghosts
    held = cv2.blur(flow.trust(back, there), (5, 5))[..., None]
    part = quick + held * (share - quick)
    mixed = (1 - part) * moved(one, there, share) + part * moved(other, back, 1 - share)
    return np.clip(mixed.round(), 0, np.iinfo(one.dtype).max).astype(one.dtype)


def _gently(share: float) -> float:
    return share * share * (3 - 2 * share)


@contextmanager
def circle(source: Iterable[Frame], filmed: int, flows: int, timeline: Timeline, engine: Engine) -> Iterator[Circle]:
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
        frames = _kept(source, timeline.count + flows if filmed > 1 else 1, file)
        if filmed > 1:
            with closing(Film(frames, timeline.count, engine)) as film:
                yield film
        else:
            height, width = frames[0].pixels.shape[:2]
            yield Picture(frames[0].pixels, Path(engine.score, width, height), timeline.rate)


def _kept(source: Iterable[Frame], count: int, file: IO[bytes]) -> list[Frame]:
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


class Layers(Mapping[int, Tensor]):
    """A dream layer for every frame, kept on disk in half precision."""

    def __init__(self, file: IO[bytes], height: int, width: int):
        self._file, self._shape = file, (3, height, width)

    def __getitem__(self, index: int) -> Tensor:
        size = 2 * math.prod(self._shape)
        self._file.seek(index * size)
        return torch.from_numpy(np.frombuffer(self._file.read(size), np.float16).astype(np.float32)).view(self._shape)

    def __iter__(self) -> Iterator[int]:
        return iter(range(len(self)))

    def __len__(self) -> int:
        return self._file.seek(0, 2) // (2 * math.prod(self._shape))

    def __setitem__(self, index: int, layer: Tensor) -> None:
        half = layer.cpu().half().numpy().tobytes()
        self._file.seek(index * len(half))
        self._file.write(half)


def render(
    circle: Circle, engine: Engine, on_frame: Callable[[float], None] = lambda share: None
) -> Generator[tuple[Tensor, Motion]]:
    """Dream a loop.

    Args:
        circle: its frames.
        engine: see `Engine`.
        on_frame: told, after every frame that is dreamed, how much of all the work is done.

    Yields:
        From the first frame to the last, the dreamed picture, float RGB in [0, 1], (3, H, W), on the engine's device,
        and the motion from the frame before, which for the first is the last.
    """
    first = circle.step(circle.order[0], None)
    closing = math.ceil(CLOSING * circle.count)
    work = ROUNDS * circle.count + closing
    ahead = circle.ahead(engine)
    with tempfile.TemporaryFile() as file:
        layers, state = Layers(file, *first.frame.pixels.shape[:2]), None
        for done in range(work):
            turn, place = divmod(done, circle.count)
            index = circle.order[place]
            step = circle.step(index, circle.order[place - 1]) if done else first
            if turn == 1 and ahead is not None and state is not None:
                step = replace(step, fill=ahead.join(index, state, layers).to(engine.device))
            elif turn:
                step = replace(step, fill=layers[index].to(engine.device))
            elif ahead is not None and state is not None:
                step = replace(step, fill=ahead.fill(index, state))
            if turn and state is not None:  # what has been dreamed well is only to be carried
                state = replace(state, governor=replace(state.governor, drive=min(state.governor.drive, GENTLE)))
            *_, state = engine.carry(step, state)
            layer = state.layer
            if turn == ROUNDS:
                kept = layers[index].to(engine.device)
                layer = compose.between(layer, kept, _gently(place / closing))
            layers[index] = layer
            on_frame((done + 1) / work)
        for index in range(circle.count):
            step = circle.step(index, (index - 1) % circle.count)
            assert step.motion is not None
            shown = replace(step, mask=circle.shows(index, engine))
            yield engine.finish(shown, engine.image(step.frame), layers[index].to(engine.device)), step.motion


class Errors:
    """The temporal error of every frame of a loop, from the one before; that of the first once all are there."""

    def __init__(self) -> None:
        self._first: tuple[Tensor, Motion] | None = None
        self._last: Tensor | None = None
        self._found: list[float] = []

    def add(self, picture: Tensor, motion: Motion) -> None:
        """Take the next picture, (3, H, W), and the motion from the one before."""
        picture = picture.cpu()
        if self._first is None or self._last is None:
            self._first = picture, motion
        else:
            self._found.append(temporal_error(picture, self._last, motion))
        self._last = picture

    @property
    def seam(self) -> float:
        """The error from the last frame to the first over the median of the others."""
        if self._first is None or self._last is None:
            return math.nan
        return seam_error(temporal_error(self._first[0], self._last, self._first[1]), self._found)
