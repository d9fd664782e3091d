"""The engine, built once, and the one loop that everything is rendered by."""

from __future__ import annotations

import queue
import tempfile
import threading
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import NoReturn, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from . import camera, compose, flow, memory, models, objective, shots
from .compose import State
from .dream import Dreamer, resize
from .errors import RecipeError
from .flow import Gray, Motion
from .guides import Guides
from .media import Frame
from .outpaint import Ahead
from .recipe import Network, Recipe, guides, parse_time
from .score import Score
from .timeline import Timeline

T = TypeVar("T")

CUT_TRUST = 0.25  # a flow that all at once is believed over less of the frame than this is no motion but a cut
STRETCH = 32  # frames that are dreamed backwards at a time
GUIDE_SIDE = 448  # px; a guide is looked at no larger
CPU = torch.device("cpu")
AHEAD = 3  # frames decoded and measured for motion before the network needs them


@dataclass(frozen=True)
class Step:
    """A frame, and how it came from the one before.

    Attributes:
        frame: the frame.
        luma: its 8-bit luma, (H, W).
        motion: from the frame before; None where a dream starts: on a shot's first frame, and without flow.
        repeats: whether it shows what the frame before showed, so that it takes over the dream as it is.
        fill: a dream layer (3, H, W) of this frame, to take where nothing is carried.
        path: the camera's, which the frame is seen through and the luma is not.
    """

    frame: Frame
    luma: Gray
    motion: Motion | None = None
    repeats: bool = False
    fill: Tensor | None = None
    path: camera.Path | None = None


class Engine:
    """Network, objective, camera and flow for one recipe, on one device.

    Args:
        recipe: what to dream.
        timeline: what its curves are read against; without, they stay as they are at 0 s, and the camera rests.

    Raises:
        RecipeError, ModelError: the recipe names a device, layer, network or list of cuts that cannot be had, or a
            curve that cannot be read.
    """

    def __init__(self, recipe: Recipe, timeline: Timeline | None = None):
        network = recipe.network
        self.recipe, self.filming = recipe, timeline is not None
        self.score = Score(recipe, timeline or Timeline(Fraction(24), 1))
        self.device = _device(network.device)
        if self.device.type == "cpu":
            memory.keep_pages()
        torch.backends.cudnn.deterministic = True  # a render again is the same render
        if network.threads:
            torch.set_num_threads(network.threads)
        goal = self._written(self.score.at(0))
        features = models.load(network.model, goal.layers, network.weights, _precision(network, self.device))
        cuts = recipe.temporal.cuts if recipe.temporal.flow != "none" else "none"
        self.mark = shots.rule(cuts, parse_time(recipe.clip.start) or Fraction(0))
        self.network = features.to(self.device)
        self._guides = Guides([path for path, _ in guides(network.guide)], self._features) if network.guide else None
        room = memory.left(network.memory, self.device)
        self.dreamer = Dreamer(self.network, self._goal(self.score.at(0), Fraction(0)), self.score.at(0).dream, room)

    @staticmethod
    def _written(now: Recipe) -> objective.Objective:
        return objective.parse(now.network.layers or models.default_layers(now.network.model))

    def _goal(self, now: Recipe, time: Fraction) -> objective.Objective:
        """Return a frame's own objective."""
        goal, network = self._written(now), now.network
        if any(section == "network.layers" for section, _ in self.score.tracks):
            goal = replace(goal, fades=True)
        if self._guides is None:
            return goal
        weights = {path: float(weight or 1) for path, weight in guides(network.guide)}
        return objective.guided(goal, self._guides.at(time, weights), network.guide_weight, network.guide_form)

    def _features(self, frame: Frame) -> dict[str, Tensor]:
        """Return what a guide's picture holds at every place of every layer, (C, places)."""
        image = self.image(frame)[None]
        scale = GUIDE_SIDE / max(image.shape[-2:])
        size = [max(round(side * scale), 1) for side in image.shape[-2:]]
        with torch.no_grad():
            activations = self.network(resize(image, size if scale < 1 else image.shape[-2:]))
        return {name: activation[0].float().flatten(1) for name, activation in activations.items()}

    def take(self, recipe: Recipe) -> None:
        """Take up another recipe of the same network and layers; no weights are read again.

        Raises:
            RecipeError: a curve that cannot be read.
        """
        self.recipe, self.score = recipe, Score(recipe, self.score.timeline)
        now = self.score.at(0)
        self.dreamer.recipe, self.dreamer.objective = now.dream, self._goal(now, Fraction(0))

    def image(self, frame: Frame) -> Tensor:
        """Return a frame's pixels as float32 RGB in [0, 1], (3, H, W), on the device."""
        return as_image(frame.pixels, self.device)

    def path(self, width: int, height: int) -> camera.Path | None:
        """Return the camera's path over pictures of a size; None where it rests."""
        if not self.filming or camera.rests(self.recipe):
            return None
        return camera.Path(self.score, width, height)

    def ahead(self, path: camera.Path) -> Ahead:
        """Return what dreams ahead of the camera where a dream lives on itself."""
        order = range(len(path.steps) - 1)

        def ground(index: int, state: State) -> Tensor:
            return (
                state.layer.new_zeros(state.layer.shape)
                if state.ground is None
                else state.ground.expand_as(state.layer)
            )

        return Ahead(self, order, lambda index, before: path.steps[index], ground)

    def follow(self, frames: Iterable[Frame], last: Gray | None = None) -> Iterator[Step]:
        """Yield every frame, as the camera shows it, with how it came from the one before.

        `last` is the luma (H, W) of the frame before the first, as it was filmed, if there was one.
        """
        trusted, path, known = True, None, False
        for frame, cut in self.mark(frames):
            gray = flow.gray(frame.pixels)
            temporal = self.score.at(frame.index).temporal
            if not known:
                path, known = self.path(gray.shape[1], gray.shape[0]), True
            if frame.held and last is not None:
                step = np.eye(3) if path is None else path.steps[frame.index]
                yield Step(frame, gray, camera.motion(step, gray.shape[1], gray.shape[0]), path=path)
                continue
            shown = frame if path is None else replace(frame, pixels=camera.look(frame.pixels, path.view(frame.index)))
            if temporal.flow == "none" or cut or last is None or last.shape != gray.shape:
                yield Step(shown, gray, path=path)
                trusted = True
            elif flow.same(gray, last):
                if temporal.morph == 0 and path is None:
                    yield Step(shown, last, repeats=True)
                else:
                    still = camera.motion(np.eye(3), gray.shape[1], gray.shape[0])
                    yield Step(shown, last, seen(still, path, frame.index, frame.index - 1), path=path)
                continue  # measured against the first of its kind, so that a slow fade is no repetition
            else:
                motion = flow.estimate(gray, last, *flow.METHODS[temporal.flow])
                # NumPy, since this runs on the thread that reads ahead: one parallel torch operation there gives that
                # thread a team of OpenMP workers, which then outnumber the cores and slow the network to half
                lost = motion.trust.numpy().mean() < CUT_TRUST
                torn = lost and trusted and temporal.cuts == "auto"  # once: a whip pan is no row of cuts
                shows = None if torn else seen(motion, path, frame.index, frame.index - 1)
                yield Step(shown, gray, shows, path=path)
                trusted = not lost
            last = gray

    def dream(self, step: Step, state: State | None) -> tuple[Tensor, State]:
        """Dream one frame, from the state that the one before left; None starts afresh.

        Returns:
            The dreamed picture, float RGB in [0, 1], (3, H, W), and the state after it.
        """
        now, image = self.aim(step.frame), self.image(step.frame)
        goal, motion = self.dreamer.objective, step.motion
        changed = objective.difference(state.aim, goal) if state is not None and state.aim else 0.0
        if step.frame.held and state is not None:
            if state.ground is None:
                picture = (image + state.layer).clamp(0, 1)
                state = compose.feed(picture, state, self.dreamer.value(picture) / goal.weight)
            assert state.ground is not None
            image = state.ground.expand_as(image)
        if step.repeats and state is not None:
            if changed < compose.SAME:
                return compose.finish(image, state.layer, now.finish), state
            motion = camera.motion(np.eye(3), *step.luma.shape[::-1])
        if state is None or motion is None:
            carried = None
            layer = self.dreamer(image) if step.fill is None else step.fill
        else:
            carried = compose.seed(state, image, motion.to(self.device), now.temporal, step.fill)
            carried = compose.turn(carried, changed)
            iterations, finest, steps = compose.effort(carried, now.dream.step, now.temporal)
            layer = self.dreamer(image, step.frame.index, carried.layer, iterations, steps, finest)
        value = 0.0
        if now.temporal.flow != "none" or step.frame.held:
            value = self.dreamer.value((image + layer).clamp(0, 1)) / goal.weight
        state = replace(compose.settle(image, layer, step.luma, value, carried), aim=goal)
        return compose.finish(image, layer, now.finish), state

    def aim(self, frame: Frame) -> Recipe:
        """Take a frame's own objective and numbers, and return its recipe."""
        now = self.score.at(frame.index)
        if self.score.tracks or self._guides is not None:
            self.dreamer.recipe, self.dreamer.objective = now.dream, self._goal(now, frame.time)
        return now


def seen(motion: Motion, path: camera.Path | None, index: int, before: int) -> Motion:
    """Return a film's own motion between two of its frames as the camera shows it."""
    return motion if path is None else camera.over(path.view(index), motion, path.view(before))


def render(frames: Iterable[Frame], engine: Engine, state: State | None = None) -> Generator[tuple[Tensor, State]]:
    """Dream frames one after the other, each seeded by the one before.

    Args:
        frames: in order of time; read ahead on another thread, a few at a time.
        engine: see `Engine`.
        state: where an earlier call left off; None starts with a full dream.

    Yields:
        The dreamed picture, float RGB in [0, 1], (3, H, W), on the engine's device, and the state after it.

    Source: the dream layer carried by L_t = warp(L_{t−1}) + ascent; trust after Ruder et al. 2016.
    """
    with closing(read_ahead(engine.follow(frames, state.luma if state else None))) as steps:
        twice = engine.recipe.temporal.passes == 2 and engine.recipe.temporal.flow != "none"
        ahead: Ahead | None = None
        for step in _filled(steps, engine) if twice else steps:
            if step.frame.held and step.path is not None and state is not None:
                ahead = ahead or engine.ahead(step.path)
                step = replace(step, fill=ahead.fill(step.frame.index, state))  # noqa: PLW2901
            picture, state = engine.dream(step, state)
            yield picture, state


def _filled(steps: Iterable[Step], engine: Engine) -> Iterator[Step]:
    """Give every frame a layer dreamed backwards from its future, to take where nothing is carried from its past.

    A shot is dreamed backwards in stretches, the layers of one kept on disk in half precision: so the first frame of
    a shot, and ground that comes into sight, look at once as they will when they have been seen for a while.
    """
    for stretch in _stretches(steps):
        if stretch[0].frame.held:  # a dream that lives on itself has no future to look at
            yield from stretch
            continue
        with tempfile.TemporaryFile() as file:
            state: State | None = None
            for later, step in zip([None, *reversed(stretch)], reversed(stretch)):  # noqa: B905 - the first has no later
                back = None
                if later is not None and not later.repeats:
                    back = flow.estimate(step.luma, later.luma, *flow.METHODS[engine.recipe.temporal.flow])
                    back = seen(back, step.path, step.frame.index, later.frame.index)
                repeats = later is not None and later.repeats
                _, state = engine.dream(replace(step, motion=back, repeats=repeats), state)
                file.write(state.layer.cpu().half().numpy().tobytes())
            size = file.tell() // len(stretch)
            stretch.reverse()
            while stretch:  # what has been given away is let go
                step = stretch.pop()
                file.seek(len(stretch) * size)
                half = np.frombuffer(file.read(size), np.float16).reshape(3, *step.luma.shape)
                yield replace(step, fill=torch.from_numpy(half.astype(np.float32)).to(engine.device))


def _stretches(steps: Iterable[Step]) -> Iterator[list[Step]]:
    """Cut steps into lists of at most `STRETCH` frames, none reaching across a cut."""
    stretch: list[Step] = []
    for step in steps:
        begins = step.motion is None and not step.repeats
        if stretch and (len(stretch) == STRETCH or begins or step.frame.held):
            yield stretch
            stretch = []
        stretch.append(step)
    if stretch:
        yield stretch


def as_image(pixels: NDArray[np.uint8] | NDArray[np.uint16], device: torch.device = CPU) -> Tensor:
    """Return RGB pixels (H, W, 3), 8 or 16 bits, as float32 in [0, 1], (3, H, W), on a device."""
    # of unsigned integers, PyTorch knows little more than 8 bits
    sendable = pixels if pixels.dtype == np.uint8 else pixels.astype(np.float32)
    sent = memory.sent(torch.from_numpy(np.require(sendable, requirements=["C", "W"])), device)
    return sent.permute(2, 0, 1).float() / np.iinfo(pixels.dtype).max


def read_ahead(items: Iterable[T], depth: int = AHEAD) -> Generator[T]:
    """Yield what `items` yields, computed on another thread up to `depth` items early.

    An error raised there is raised here in its place. Closing this generator ends the thread and closes `items`.
    """
    ahead: queue.Queue[Callable[[], T] | None] = queue.Queue(depth)
    closed = threading.Event()

    def put(outcome: Callable[[], T] | None) -> bool:
        while not closed.is_set():
            try:
                ahead.put(outcome, timeout=0.1)
                return True
            except queue.Full:
                pass
        return False

    def work() -> None:
        source: Iterator[T] | None = None
        try:
            source = iter(items)
            for item in source:
                if not put(lambda item=item: item):  # type: ignore[misc]
                    break
            put(None)
        except BaseException as error:  # carried over to the reader, who is the one to judge it
            put(_raiser(error))
        finally:
            getattr(source, "close", lambda: None)()

    worker = threading.Thread(target=work, name="read-ahead", daemon=True)
    worker.start()
    try:
        while (outcome := ahead.get()) is not None:
            yield outcome()
    finally:
        closed.set()
        worker.join()


def _raiser(error: BaseException) -> Callable[[], NoReturn]:
    def fail() -> NoReturn:
        raise error

    return fail


def _device(name: str) -> torch.device:
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        device = torch.device(name)
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise RecipeError(f"the device {name!r} cannot be used here: take --device cpu or auto") from error
    return device


def _precision(network: Network, device: torch.device) -> torch.dtype:
    if network.precision == "auto":
        if device.type == "cuda":
            return torch.float16
        return torch.bfloat16 if device.type == "cpu" and models.half_pays() else torch.float32
    return {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}[network.precision]
