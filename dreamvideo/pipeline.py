"""The engine, built once, and the one loop that everything is rendered by."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Generator, Iterable, Iterator
from typing import NoReturn, TypeVar

import torch
from torch import Tensor

from . import compose, flow, models, objective
from .compose import State
from .dream import Dreamer
from .errors import RecipeError
from .flow import Gray, Motion
from .media import Frame
from .recipe import Network, Recipe

T = TypeVar("T")

CUT_TRUST = 0.25  # a flow believed over less of the frame than this is no motion but a cut
AHEAD = 3  # frames decoded and measured for motion before the network needs them


class Engine:
    """Network, objective and flow for one recipe, on one device.

    Raises:
        RecipeError, ModelError: the recipe names a device, layer or network that cannot be had.
    """

    def __init__(self, recipe: Recipe):
        network = recipe.network
        self.recipe = recipe
        self.device = _device(network.device)
        if network.threads:
            torch.set_num_threads(network.threads)
        goal = objective.parse(network.layers or models.default_layers(network.model))
        features = models.load(network.model, goal.layers, network.weights, _precision(network, self.device))
        self.dreamer = Dreamer(features.to(self.device), goal, recipe.dream)

    def image(self, frame: Frame) -> Tensor:
        """Return a frame's pixels as float32 RGB in [0, 1], (3, H, W), on the device."""
        top = torch.iinfo(torch.uint8).max if frame.pixels.dtype.itemsize == 1 else 65535
        return torch.from_numpy(frame.pixels.astype("float32")).to(self.device).permute(2, 0, 1) / top

    def follow(self, frames: Iterable[Frame], last: Gray | None = None) -> Iterator[tuple[Frame, Motion | None]]:
        """Yield every frame with its motion from the one before; None on the first, after a cut, and without flow.

        `last` is the luma (H, W) of the frame before the first, if there was one.
        """
        method = self.recipe.temporal.flow
        for frame in frames:
            if method == "none":
                yield frame, None
                continue
            gray, motion = flow.gray(frame.pixels), None
            if last is not None and last.shape == gray.shape:
                motion = flow.estimate(gray, last, flow.METHODS[method])
                # NumPy, since this runs on the thread that reads ahead: one parallel torch operation there gives that
                # thread a team of OpenMP workers, which then outnumber the cores and slow the network to half
                if motion.trust.numpy().mean() < CUT_TRUST:
                    motion = None
            yield frame, motion
            last = gray


def render(frames: Iterable[Frame], engine: Engine, state: State | None = None) -> Generator[tuple[Tensor, State]]:
    """Dream frames one after the other, each seeded by the one before.

    Args:
        frames: in order of time; read ahead on another thread, a few at a time.
        engine: see `Engine`.
        state: where an earlier call left off; None starts with a full dream.

    Yields:
        The dreamed picture, float RGB in [0, 1], (3, H, W), on the engine's device, and the state after it.

    Source: the dream layer carried by L_t = γ · trust · warp(L_{t−1}) + ascent; trust after Ruder et al. 2016.
    """
    recipe = engine.recipe
    for frame, motion in read_ahead(engine.follow(frames, state.luma if state else None)):
        image = engine.image(frame)
        if state is None or motion is None:
            carried = None
            layer = engine.dreamer(image)
        else:
            carried = compose.seed(state, image, motion.to(engine.device), recipe.temporal)
            step = compose.effort(carried, recipe.dream.step, recipe.temporal)
            layer = engine.dreamer(image, frame.index, carried.layer, recipe.temporal.refine, step)
        state = compose.settle(frame, image, layer, carried)
        yield compose.finish(image, layer, recipe.finish), state


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
