"""The engine: what dreams a frame, built once for a whole film."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from fractions import Fraction

import numpy as np
import torch
from torch import Tensor

from ..curves.animate import Animation
from ..curves.timeline import Timeline
from ..dream import memory, tiles
from ..dream.guides import Features, Guides, guide_features
from ..dream.objective import objective, text
from ..dream.octaves import Dreamer
from ..finish.composite import composite
from ..finish.mask import Mask
from ..finish.mask import has_mask as masked
from ..media.pixels import Field, Gray, Pixels, luma_8bit, to_device, to_tensor
from ..media.readers.frame import DEFAULT_RATE, Frame
from ..networks.device import PRECISIONS, pick_device, pick_precision
from ..networks.load import default_layers, load_network
from ..recipe import Network, Recipe, guides, parse_rate, parse_time
from . import camera, flow, shots
from .carry import SAME, effort, retarget, settle, start_feedback, warp_state
from .flow import Motion
from .outpaint import Outpainter
from .state import State, TrackerState
from .tracker import CUT_CONFIDENCE, TrackedFrame, seen_motion


class Engine:
    """Network, objective, camera and flow for one recipe, on one device.

    Args:
        recipe: what to dream.
        timeline: what its curves are read against; without, they stay as they are at 0 s, and the camera rests.
        memory_budget: bytes that a frame and an ascent step may take together; what there is, by the recipe, if None.

    Attributes:
        on_octave: told the number of every frame that is dreamed and the dream of each of its octaves, (3, h, w).

    Raises:
        RecipeError, ModelError, SourceError: the recipe names a device, layer, network, list of cuts, guide or mask
            that cannot be had, or a curve that cannot be read.
    """

    def __init__(self, recipe: Recipe, timeline: Timeline | None = None, memory_budget: float | None = None):
        network = recipe.network
        self.recipe, self.filming = recipe, timeline is not None
        self.timeline = timeline or Timeline(
            parse_rate(recipe.clip.fps) or DEFAULT_RATE, 1, begins=parse_time(recipe.clip.start) or Fraction(0)
        )
        self.on_octave: Callable[[int, Tensor], None] | None = None
        self.mask = self.masks()
        self.animation = Animation(recipe, self.timeline)
        self.device = pick_device(network.device)
        if self.device.type == "cpu":
            memory.keep_freed_pages()
        torch.backends.cudnn.deterministic = True  # a render again is the same render
        if network.threads:
            torch.set_num_threads(network.threads)
        goal = self._written(self.animation.at(0))
        features = load_network(
            network.model, goal.layers, network.weights, PRECISIONS[pick_precision(network, self.device)]
        )
        cuts = recipe.temporal.cuts if recipe.temporal.flow != "none" else "none"
        self.mark = shots.shot_rule(cuts, parse_time(recipe.clip.start) or Fraction(0))
        self.network = features.to(self.device)
        self._guides: Guides | None = None
        self._led: tuple[Network, list[Features], objective.Objective] | None = None  # the last one that was guided
        if paths := [path for path, _ in guides(network.guide)]:
            self._guides = Guides(paths, self._features, self.timeline.rate, self.timeline.begins)
        left, self.base_memory = memory.memory_budget(network.memory, self.device)
        beside = tiles.STILL_OVERHEAD if timeline is not None and timeline.count == 1 else tiles.FILM_OVERHEAD
        first = self.animation.at(0)
        memory_budget = left if memory_budget is None else memory_budget
        self.dreamer = Dreamer(self.network, self._goal(first, Fraction(0)), first.dream, memory_budget, beside)

    @staticmethod
    def _written(now: Recipe) -> objective.Objective:
        return text.parse_objective(now.network.layers or default_layers(now.network.model))

    def _goal(self, now: Recipe, time: Fraction) -> objective.Objective:
        """Return a frame's own objective."""
        goal, network = self._written(now), now.network
        moves = {".".join(track) for track in self.animation.tracks}
        if any(name.startswith(("network.layers", "network.guide")) for name in moves):
            goal = replace(goal, fades=True)
        if self._guides is None:
            return goal
        weights = {path: float(weight or 1) for path, weight in guides(network.guide)}
        led = self._guides.at(time, weights)
        seen = [features for features, _ in led.values()]
        if self._led is None or self._led[0] != network or any(a is not b for a, b in zip(self._led[1], seen)):  # noqa: B905
            guided = objective.guided_objective(goal, led, network.guide_weight, network.guide_form)
            self._led = network, seen, guided
        return self._led[2]

    def _features(self, pixels: Pixels) -> dict[str, Tensor]:
        """Return what a guide's picture holds at every place of every layer, (C, places)."""
        return guide_features(self.network, pixels)

    def take(self, recipe: Recipe) -> None:
        """Take up another recipe of the same network and layers; no weights are read again.

        Raises:
            RecipeError, SourceError: a curve or mask that cannot be read.
        """
        self.close()
        self.recipe, self.animation = recipe, Animation(recipe, self.timeline)
        self.mask = self.masks()
        now = self.animation.at(0)
        self.dreamer.recipe, self.dreamer.objective = now.dream, self._goal(now, Fraction(0))

    def image(self, frame: Frame) -> Tensor:
        """Return a frame's pixels as float32 RGB in [0, 1], (3, H, W), on the device."""
        return to_tensor(frame.pixels, self.device)

    def masks(self) -> Mask | None:
        """Return where the dream shows, for one run over the frames; None where that is everywhere."""
        finish = self.recipe.finish
        return Mask(finish, self.timeline.rate, self.timeline.begins) if masked(finish) else None

    def close(self) -> None:
        """Close what is read beside the frames; the next frame opens it again."""
        for read in (self.mask, self._guides):
            if read is not None:
                read.close()

    def path(self, width: int, height: int) -> camera.CameraPath | None:
        """Return the camera's path over pictures of a size; None where it rests."""
        if not self.filming or camera.is_still(self.recipe):
            return None
        return camera.CameraPath(self.animation, width, height)

    def ahead(self, path: camera.CameraPath) -> Outpainter:
        """Return what dreams ahead of the camera where a dream lives on itself."""
        order = range(len(path.steps) - 1)

        def ground(index: int, state: State) -> Tensor:
            return state.layer.new_zeros(state.layer.shape) if state.base is None else state.base.expand_as(state.layer)

        return Outpainter(self.dreamer, self.animation, order, lambda index, before: path.steps[index], ground)

    def follow(self, frames: Iterable[Frame], tracking: TrackerState | None = None) -> Iterator[TrackedFrame]:
        """Yield every frame, as the camera shows it, with how it came from the one before.

        A `tracking` is that of the frame before the first; None where nothing is known of it.
        """
        last, trusted = (tracking.luma, tracking.trusted) if tracking else (None, True)
        path, known = None, False
        if self.mask is not None:
            self.mask.moving = tracking.moving if tracking else None
        for frame, cut in self.mark(frames):
            gray = luma_8bit(frame.pixels)
            temporal = self.animation.at(frame.index).temporal
            if not known:
                path, known = self.path(gray.shape[1], gray.shape[0]), True
            if frame.feedback and last is not None:
                step = np.eye(3) if path is None else path.steps[frame.index]
                moved = camera.camera_motion(step, gray.shape[1], gray.shape[0])
                mask = self._shows(frame)
                yield TrackedFrame(frame, gray, moved, path=path, mask=mask, tracking=self._trail(frame, last, trusted))
                continue
            own: Motion | None = None  # the film's, which the camera's is added to
            repeats = False
            if temporal.flow == "none" or cut or last is None or last.shape != gray.shape:
                trusted = True
            elif flow.is_repeat(gray, last):
                gray = last  # measured against the first of its kind, so that a slow fade is no repetition
                repeats = temporal.morph == 0 and path is None
                own = None if repeats else camera.camera_motion(np.eye(3), gray.shape[1], gray.shape[0])
            else:
                own = flow.estimate_motion(gray, last, *flow.METHODS[temporal.flow])
                # NumPy, since this runs on the thread that reads ahead: one parallel torch operation there gives that
                # thread a team of OpenMP workers, which then outnumber the cores and slow the network to half
                lost = own.confidence.numpy().mean() < CUT_CONFIDENCE
                torn = lost and trusted and temporal.cuts == "auto"  # once: a whip pan is no row of cuts
                own = None if torn else own
                trusted = not lost
            shown = (
                frame
                if path is None
                else replace(frame, pixels=camera.view_through(frame.pixels, path.view(frame.index)))
            )
            motion = None if own is None else seen_motion(own, path, frame.index, frame.index - 1)
            mask = self._shows(frame, own, repeats, path)
            yield TrackedFrame(
                shown, gray, motion, repeats, path=path, mask=mask, tracking=self._trail(frame, gray, trusted)
            )
            last = gray

    def _trail(self, frame: Frame, luma: Gray, trusted: bool) -> TrackerState:
        return TrackerState(frame.index + 1, luma, trusted, None if self.mask is None else self.mask.moving)

    def _shows(
        self, frame: Frame, motion: Motion | None = None, repeats: bool = False, path: camera.CameraPath | None = None
    ) -> Field | None:
        """Return how much of the dream a frame shows, (H, W), as the camera shows it; None for all of it."""
        if self.mask is None:
            return None
        mask = self.mask.at(frame, self.animation.at(frame.index).finish, motion, repeats)
        return mask if path is None else np.clip(camera.view_through(mask, path.view(frame.index)), 0, 1)

    def dream(self, step: TrackedFrame, state: State | None) -> tuple[Tensor, State]:
        """Dream one frame, from the state that the one before left; None starts afresh.

        Returns:
            The dreamed picture, float RGB in [0, 1], (3, H, W), and the state after it.
        """
        image, layer, state = self.carry(step, state)
        return self.finish(step, image, layer), state

    def carry(self, step: TrackedFrame, state: State | None) -> tuple[Tensor, Tensor, State]:
        """Dream one frame without finishing it (see `dream`).

        Returns:
            What was dreamed on, the dream layer, (3, H, W) each, and the state after it.
        """
        now, image = self.aim(step.frame), self.image(step.frame)
        goal, motion = self.dreamer.objective, step.motion
        rests = not any(term.weight for term in goal.terms)  # nothing is climbed: the dream is carried as it is
        changed = (
            0.0 if rests or state is None or not state.shares else objective.share_changed(state.shares, goal.shares)
        )
        if step.frame.feedback and state is not None:
            if state.base is None:
                picture = (image + state.layer).clamp(0, 1)
                state = start_feedback(picture, state, self.dreamer.value(picture) / goal.weight)
            assert state.base is not None
            image = state.base.expand_as(image)
        if step.repeats and state is not None:
            if changed < SAME:
                return image, state.layer, state
            motion = camera.camera_motion(np.eye(3), *step.luma.shape[::-1])
        hear = self._listener(step.frame.index)
        if state is None or motion is None or not (state.control.level or step.frame.feedback):
            carried = None
            layer = torch.zeros_like(image) if rests else step.fill
            layer = self.dreamer(image, on_octave=hear) if layer is None else layer
        else:
            carried = warp_state(state, image, motion.to(self.device), now.temporal, step.fill)
            carried = retarget(carried, changed)
            iterations, finest, steps = effort(carried, now.dream.step, now.temporal)
            iterations = 0 if rests else iterations
            layer = self.dreamer(image, step.frame.index, carried.layer, iterations, steps, finest, hear)
        value = math.nan
        if not rests and (now.temporal.flow != "none" or step.frame.feedback):
            value = self.dreamer.value((image + layer).clamp(0, 1)) / goal.weight
        settled = settle(image, layer, value, carried)
        shares = state.shares if rests and state is not None else goal.shares
        outpainted = None if state is None else state.outpainted
        return image, layer, replace(settled, shares=shares, outpainted=outpainted)

    def _listener(self, index: int) -> Callable[[Tensor], None] | None:
        told = self.on_octave
        return None if told is None else lambda picture: told(index, picture)

    def finish(self, step: TrackedFrame, image: Tensor, layer: Tensor) -> Tensor:
        """Return the picture of a frame (3, H, W), from what it was dreamed on and its dream layer.

        A film made of a still lives on itself: what a blend is laid over and a mask shows is the still, where it was.
        """
        below = self.image(step.frame) if step.frame.feedback else image
        mask = None if step.mask is None else to_device(torch.from_numpy(step.mask), self.device)
        return composite(image, layer, self.animation.at(step.frame.index).finish, below, mask)

    def aim(self, frame: Frame) -> Recipe:
        """Take a frame's own objective and numbers, and return its recipe."""
        now = self.animation.at(frame.index)
        if self.animation.tracks or self._guides is not None:
            self.dreamer.recipe, self.dreamer.objective = now.dream, self._goal(now, frame.time)
        return now
