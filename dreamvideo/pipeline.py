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

from . import compose, flow, models, objective, shots
from .compose import State
from .dream import Dreamer
from .errors import RecipeError
from .flow import Gray, Motion
from .media import Frame
from .recipe import Network, Recipe, parse_time

T = TypeVar("T")

CUT_TRUST = 0.25  # a flow that all at once is believed over less of the frame than this is no motion but a cut
STRETCH = 32  # frames that are dreamed backwards at a time
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
    """

    frame: Frame
    luma: Gray
    motion: Motion | None = None
    repeats: bool = False
    fill: Tensor | None = None


class Engine:
    """Network, objective and flow for one recipe, on one device.

    Raises:
        RecipeError, ModelError: the recipe names a device, layer, network or list of cuts that cannot be had.
    """

    def __init__(self, recipe: Recipe):
        network = recipe.network
        self.recipe = recipe
        self.device = _device(network.device)
        if network.threads:
            torch.set_num_threads(network.threads)
        goal = objective.parse(network.layers or models.default_layers(network.model))
        features = models.load(network.model, goal.layers, network.weights, _precision(network, self.device))
        cuts = recipe.temporal.cuts if recipe.temporal.flow != "none" else "none"
        self.mark = shots.rule(cuts, parse_time(recipe.clip.start) or Fraction(0))
        self.dreamer = Dreamer(features.to(self.device), goal, recipe.dream)

    def image(self, frame: Frame) -> Tensor:
        """Return a frame's pixels as float32 RGB in [0, 1], (3, H, W), on the device."""
        return as_image(frame.pixels).to(self.device)

    def follow(self, frames: Iterable[Frame], last: Gray | None = None) -> Iterator[Step]:
        """Yield every frame with how it came from the one before.

        `last` is the luma (H, W) of the frame before the first, if there was one.
        """
        temporal, trusted = self.recipe.temporal, True
        for frame, cut in self.mark(frames):
            gray = flow.gray(frame.pixels)
            if temporal.flow == "none" or cut or last is None or last.shape != gray.shape:
                yield Step(frame, gray)
                trusted = True
            elif temporal.morph == 0 and flow.same(gray, last):
                yield Step(frame, last, repeats=True)
                continue  # measured against the first of its kind, so that a slow fade is no repetition
            else:
                motion = flow.estimate(gray, last, *flow.METHODS[temporal.flow])
                # NumPy, since this runs on the thread that reads ahead: one parallel torch operation there gives that
                # thread a team of OpenMP workers, which then outnumber the cores and slow the network to half
                lost = motion.trust.numpy().mean() < CUT_TRUST
                torn = lost and trusted and temporal.cuts == "auto"  # once: a whip pan is no row of cuts
                yield Step(frame, gray, None if torn else motion)
                trusted = not lost
            last = gray

    def dream(self, step: Step, state: State | None) -> tuple[Tensor, State]:
        """Dream one frame, from the state that the one before left; None starts afresh.

        Returns:
            The dreamed picture, float RGB in [0, 1], (3, H, W), and the state after it.
        """
        temporal, image = self.recipe.temporal, self.image(step.frame)
        if step.repeats and state is not None:
            return compose.finish(image, state.layer, self.recipe.finish), state
        if state is None or step.motion is None:
            carried = None
            layer = self.dreamer(image) if step.fill is None else step.fill
        else:
            carried = compose.seed(state, image, step.motion.to(self.device), temporal, step.fill)
            iterations, steps = compose.effort(carried, self.recipe.dream.step, temporal)
            layer = self.dreamer(image, step.frame.index, carried.layer, iterations, steps)
        objective = self.dreamer.value((image + layer).clamp(0, 1)) if temporal.flow != "none" else 0.0
        state = compose.settle(image, layer, step.luma, objective, carried)
        return compose.finish(image, layer, self.recipe.finish), state


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
        for step in _filled(steps, engine) if twice else steps:
            picture, state = engine.dream(step, state)
            yield picture, state


def _filled(steps: Iterable[Step], engine: Engine) -> Iterator[Step]:
    """Give every frame a layer dreamed backwards from its future, to take where nothing is carried from its past.

    A shot is dreamed backwards in stretches, the layers of one kept on disk in half precision: so the first frame of
    a shot, and ground that comes into sight, look at once as they will when they have been seen for a while.
    """
    for stretch in _stretches(steps):
        with tempfile.TemporaryFile() as file:
            state: State | None = None
            for later, step in zip([None, *reversed(stretch)], reversed(stretch)):  # noqa: B905 - the first has no later
                back = None
                if later is not None and not later.repeats:
                    back = flow.estimate(step.luma, later.luma, *flow.METHODS[engine.recipe.temporal.flow])
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
        if stretch and (len(stretch) == STRETCH or (step.motion is None and not step.repeats)):
            yield stretch
            stretch = []
        stretch.append(step)
    if stretch:
        yield stretch


def as_image(pixels: NDArray[np.uint8] | NDArray[np.uint16]) -> Tensor:
    """Return RGB pixels (H, W, 3), 8 or 16 bits, as float32 in [0, 1], (3, H, W)."""
    return torch.from_numpy(pixels.astype(np.float32)).permute(2, 0, 1) / np.iinfo(pixels.dtype).max


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
        return torch.float16 if device.type == "cuda" else torch.float32
    return {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}[network.precision]
