"""The engine: what dreams a frame, built once for a whole film."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from .. import camera, compose, flow, memory, models, objective, shots, tiles
from ..compose import START, State, Trail
from ..dream import Dreamer, resize
from ..errors import RecipeError
from ..flow import Field, Gray, Motion
from ..guides import Features, Guides
from ..mask import Mask
from ..mask import wanted as masked
from ..media import DEFAULT_RATE, Frame
from ..media.pictures import Pixels
from ..outpaint import Ahead
from ..recipe import Network, Recipe, guides, parse_rate, parse_time
from ..score import Score
from ..timeline import Timeline

CUT_TRUST = 0.25  # a flow that all at once is believed over less of the frame than this is no motion but a cut
GUIDE_SIDE = 448  # px; a guide is looked at no larger
CPU = torch.device("cpu")
PRECISIONS = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


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
        mask: how much of the dream the frame shows, (H, W) in [0, 1]; None for all of it everywhere.
        trail: from where on the film has to be read for the frame after this one.
    """

    frame: Frame
    luma: Gray
    motion: Motion | None = None
    repeats: bool = False
    fill: Tensor | None = None
    path: camera.Path | None = None
    mask: Field | None = None
    trail: Trail = START


class Engine:
    """Network, objective, camera and flow for one recipe, on one device.

    Args:
        recipe: what to dream.
        timeline: what its curves are read against; without, they stay as they are at 0 s, and the camera rests.
        room: bytes that a frame and an ascent step may take together; what there is, by the recipe, if None.

    Attributes:
        on_octave: told the number of every frame that is dreamed and the dream of each of its octaves, (3, h, w).

    Raises:
        RecipeError, ModelError, SourceError: the recipe names a device, layer, network, list of cuts, guide or mask
            that cannot be had, or a curve that cannot be read.
    """

    def __init__(self, recipe: Recipe, timeline: Timeline | None = None, room: float | None = None):
        network = recipe.network
        self.recipe, self.filming = recipe, timeline is not None
        self.timeline = timeline or Timeline(
            parse_rate(recipe.clip.fps) or DEFAULT_RATE, 1, begins=parse_time(recipe.clip.start) or Fraction(0)
        )
        self.on_octave: Callable[[int, Tensor], None] | None = None
        self.mask = self.masks()
        self.score = Score(recipe, self.timeline)
        self.device = device(network.device)
        if self.device.type == "cpu":
            memory.keep_pages()
        torch.backends.cudnn.deterministic = True  # a render again is the same render
        if network.threads:
            torch.set_num_threads(network.threads)
        goal = self._written(self.score.at(0))
        features = models.load(network.model, goal.layers, network.weights, PRECISIONS[precision(network, self.device)])
        cuts = recipe.temporal.cuts if recipe.temporal.flow != "none" else "none"
        self.mark = shots.rule(cuts, parse_time(recipe.clip.start) or Fraction(0))
        self.network = features.to(self.device)
        self._guides: Guides | None = None
        self._led: tuple[Network, list[Features], objective.Objective] | None = None  # the last one that was guided
        if paths := [path for path, _ in guides(network.guide)]:
            self._guides = Guides(paths, self._features, self.timeline.rate, self.timeline.begins)
        left, self.held = memory.left(network.memory, self.device)
        beside = tiles.STILL if timeline is not None and timeline.count == 1 else tiles.FRAME
        first = self.score.at(0)
        room = left if room is None else room
        self.dreamer = Dreamer(self.network, self._goal(first, Fraction(0)), first.dream, room, beside)

    @staticmethod
    def _written(now: Recipe) -> objective.Objective:
        return objective.parse(now.network.layers or models.default_layers(now.network.model))

    def _goal(self, now: Recipe, time: Fraction) -> objective.Objective:
        """Return a frame's own objective."""
        goal, network = self._written(now), now.network
        moves = {".".join(track) for track in self.score.tracks}
        if any(name.startswith(("network.layers", "network.guide")) for name in moves):
            goal = replace(goal, fades=True)
        if self._guides is None:
            return goal
        weights = {path: float(weight or 1) for path, weight in guides(network.guide)}
        led = self._guides.at(time, weights)
        seen = [features for features, _ in led.values()]
        if self._led is None or self._led[0] != network or any(a is not b for a, b in zip(self._led[1], seen)):  # noqa: B905
            guided = objective.guided(goal, led, network.guide_weight, network.guide_form)
            self._led = network, seen, guided
        return self._led[2]

    def _features(self, pixels: Pixels) -> dict[str, Tensor]:
        """Return what a guide's picture holds at every place of every layer, (C, places)."""
        image = as_image(pixels, self.device)[None]
        scale = GUIDE_SIDE / max(image.shape[-2:])
        size = [max(round(side * scale), 1) for side in image.shape[-2:]]
        with torch.no_grad():
            activations = self.network(resize(image, size if scale < 1 else image.shape[-2:]))
        return {name: activation[0].float().flatten(1) for name, activation in activations.items()}

    def take(self, recipe: Recipe) -> None:
        """Take up another recipe of the same network and layers; no weights are read again.

        Raises:
            RecipeError, SourceError: a curve or mask that cannot be read.
        """
        self.close()
        self.recipe, self.score = recipe, Score(recipe, self.timeline)
        self.mask = self.masks()
        now = self.score.at(0)
        self.dreamer.recipe, self.dreamer.objective = now.dream, self._goal(now, Fraction(0))

    def image(self, frame: Frame) -> Tensor:
        """Return a frame's pixels as float32 RGB in [0, 1], (3, H, W), on the device."""
        return as_image(frame.pixels, self.device)

    def masks(self) -> Mask | None:
        """Return where the dream shows, for one run over the frames; None where that is everywhere."""
        finish = self.recipe.finish
        return Mask(finish, self.timeline.rate, self.timeline.begins) if masked(finish) else None

    def close(self) -> None:
        """Close what is read beside the frames; the next frame opens it again."""
        for read in (self.mask, self._guides):
            if read is not None:
                read.close()

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

    def follow(self, frames: Iterable[Frame], trail: Trail | None = None) -> Iterator[Step]:
        """Yield every frame, as the camera shows it, with how it came from the one before.

        A `trail` is that of the frame before the first; None where nothing is known of it.
        """
        last, trusted = (trail.luma, trail.trusted) if trail else (None, True)
        path, known = None, False
        if self.mask is not None:
            self.mask.moving = trail.moving if trail else None
        for frame, cut in self.mark(frames):
            gray = flow.gray(frame.pixels)
            temporal = self.score.at(frame.index).temporal
            if not known:
                path, known = self.path(gray.shape[1], gray.shape[0]), True
            if frame.held and last is not None:
                step = np.eye(3) if path is None else path.steps[frame.index]
                moved = camera.motion(step, gray.shape[1], gray.shape[0])
                mask = self._shows(frame)
                yield Step(frame, gray, moved, path=path, mask=mask, trail=self._trail(frame, last, trusted))
                continue
            own: Motion | None = None  # the film's, which the camera's is added to
            repeats = False
            if temporal.flow == "none" or cut or last is None or last.shape != gray.shape:
                trusted = True
            elif flow.same(gray, last):
                gray = last  # measured against the first of its kind, so that a slow fade is no repetition
                repeats = temporal.morph == 0 and path is None
                own = None if repeats else camera.motion(np.eye(3), gray.shape[1], gray.shape[0])
            else:
                own = flow.estimate(gray, last, *flow.METHODS[temporal.flow])
                # NumPy, since this runs on the thread that reads ahead: one parallel torch operation there gives that
                # thread a team of OpenMP workers, which then outnumber the cores and slow the network to half
                lost = own.trust.numpy().mean() < CUT_TRUST
                torn = lost and trusted and temporal.cuts == "auto"  # once: a whip pan is no row of cuts
                own = None if torn else own
                trusted = not lost
            shown = frame if path is None else replace(frame, pixels=camera.look(frame.pixels, path.view(frame.index)))
            motion = None if own is None else seen(own, path, frame.index, frame.index - 1)
            mask = self._shows(frame, own, repeats, path)
            yield Step(shown, gray, motion, repeats, path=path, mask=mask, trail=self._trail(frame, gray, trusted))
            last = gray

    def _trail(self, frame: Frame, luma: Gray, trusted: bool) -> Trail:
        return Trail(frame.index + 1, luma, trusted, None if self.mask is None else self.mask.moving)

    def _shows(
        self, frame: Frame, motion: Motion | None = None, repeats: bool = False, path: camera.Path | None = None
    ) -> Field | None:
        """Return how much of the dream a frame shows, (H, W), as the camera shows it; None for all of it."""
        if self.mask is None:
            return None
        mask = self.mask.at(frame, self.score.at(frame.index).finish, motion, repeats)
        return mask if path is None else np.clip(camera.look(mask, path.view(frame.index)), 0, 1)

    def dream(self, step: Step, state: State | None) -> tuple[Tensor, State]:
        """Dream one frame, from the state that the one before left; None starts afresh.

        Returns:
            The dreamed picture, float RGB in [0, 1], (3, H, W), and the state after it.
        """
        image, layer, state = self.carry(step, state)
        return self.finish(step, image, layer), state

    def carry(self, step: Step, state: State | None) -> tuple[Tensor, Tensor, State]:
        """Dream one frame without finishing it (see `dream`).

        Returns:
            What was dreamed on, the dream layer, (3, H, W) each, and the state after it.
        """
        now, image = self.aim(step.frame), self.image(step.frame)
        goal, motion = self.dreamer.objective, step.motion
        rests = not any(term.weight for term in goal.terms)  # nothing is climbed: the dream is carried as it is
        changed = 0.0 if rests or state is None or not state.shares else objective.difference(state.shares, goal.shares)
        if step.frame.held and state is not None:
            if state.ground is None:
                picture = (image + state.layer).clamp(0, 1)
                state = compose.feed(picture, state, self.dreamer.value(picture) / goal.weight)
            assert state.ground is not None
            image = state.ground.expand_as(image)
        if step.repeats and state is not None:
            if changed < compose.SAME:
                return image, state.layer, state
            motion = camera.motion(np.eye(3), *step.luma.shape[::-1])
        hear = self._listener(step.frame.index)
        if state is None or motion is None or not (state.governor.level or step.frame.held):
            carried = None
            layer = torch.zeros_like(image) if rests else step.fill
            layer = self.dreamer(image, on_octave=hear) if layer is None else layer
        else:
            carried = compose.seed(state, image, motion.to(self.device), now.temporal, step.fill)
            carried = compose.turn(carried, changed)
            iterations, finest, steps = compose.effort(carried, now.dream.step, now.temporal)
            iterations = 0 if rests else iterations
            layer = self.dreamer(image, step.frame.index, carried.layer, iterations, steps, finest, hear)
        value = math.nan
        if not rests and (now.temporal.flow != "none" or step.frame.held):
            value = self.dreamer.value((image + layer).clamp(0, 1)) / goal.weight
        settled = compose.settle(image, layer, value, carried)
        shares = state.shares if rests and state is not None else goal.shares
        reach = None if state is None else state.reach
        return image, layer, replace(settled, shares=shares, reach=reach)

    def _listener(self, index: int) -> Callable[[Tensor], None] | None:
        told = self.on_octave
        return None if told is None else lambda picture: told(index, picture)

    def finish(self, step: Step, image: Tensor, layer: Tensor) -> Tensor:
        """Return the picture of a frame (3, H, W), from what it was dreamed on and its dream layer.

        A film made of a still lives on itself: what a blend is laid over and a mask shows is the still, where it was.
        """
        below = self.image(step.frame) if step.frame.held else image
        mask = None if step.mask is None else memory.sent(torch.from_numpy(step.mask), self.device)
        return compose.finish(image, layer, self.score.at(step.frame.index).finish, below, mask)

    def aim(self, frame: Frame) -> Recipe:
        """Take a frame's own objective and numbers, and return its recipe."""
        now = self.score.at(frame.index)
        if self.score.tracks or self._guides is not None:
            self.dreamer.recipe, self.dreamer.objective = now.dream, self._goal(now, frame.time)
        return now


def seen(motion: Motion, path: camera.Path | None, index: int, before: int) -> Motion:
    """Return a film's own motion between two of its frames as the camera shows it."""
    return motion if path is None else camera.over(path.view(index), motion, path.view(before))


def as_image(pixels: NDArray[np.uint8] | NDArray[np.uint16], device: torch.device = CPU) -> Tensor:
    """Return RGB pixels (H, W, 3), 8 or 16 bits, as float32 in [0, 1], (3, H, W), on a device."""
    # of unsigned integers, PyTorch knows little more than 8 bits
    sendable = pixels if pixels.dtype == np.uint8 else pixels.astype(np.float32)
    sent = memory.sent(torch.from_numpy(np.require(sendable, requirements=["C", "W"])), device)
    return sent.permute(2, 0, 1).float() / np.iinfo(pixels.dtype).max


def device(name: str) -> torch.device:
    """Return a device by its name; `auto` is the fastest there is.

    Raises:
        RecipeError: it cannot be used here.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        found = torch.device(name)
        torch.zeros(1, device=found)
    except (RuntimeError, AssertionError) as error:
        raise RecipeError(f"the device {name!r} cannot be used here: take --device cpu or auto") from error
    return found


def precision(network: Network, device: torch.device) -> str:
    """Return the precision a network computes in, by its name; where `auto` is asked for, what is fastest there."""
    if network.precision != "auto":
        return network.precision
    if device.type == "cuda":
        return "fp16"
    return "bf16" if device.type == "cpu" and models.half_pays() else "fp32"
