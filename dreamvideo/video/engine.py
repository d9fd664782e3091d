"""The engine: network, objective and dreamer for one recipe, built once; it dreams frame after frame."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction

import torch
from torch import Tensor

from ..curves.animate import Animation, FrameNumbers
from ..curves.timeline import Timeline
from ..curves.weight_lists import split_guides
from ..dream import memory, tiles
from ..dream.guides import Guides, guide_features
from ..dream.objective.objective import Objective
from ..dream.octaves import Dreamer
from ..finish.composite import add_dream, composite
from ..finish.mask import Mask, has_mask
from ..finish.palette import read_palette
from ..media.readers.frame import DEFAULT_RATE, Frame
from ..media.tensors import to_device, to_tensor
from ..networks.device import PRECISIONS, pick_device, pick_precision
from ..networks.load import load_network
from ..recipe import Finish, Recipe, parse_rate, parse_time
from . import camera
from .camera import CameraPath
from .carry import is_zero, settle, start_feedback, start_frame
from .frame_objective import FrameObjective
from .outpaint import Outpainter
from .raft import pick_methods
from .shots import Rule, shot_rule
from .state import State, TrackerState
from .tracker import TrackedFrame, Tracker

MEASURED = 2  # frames from one measurement of the objective to the next; those on which the largest octave rests
OnOctave = Callable[[int, Tensor], None]  # is told a frame's number and its dream at one octave's size, (3, h, w)


class Engine:
    """Network, objective and dreamer for one recipe, on one device.

    Build it in a process that has been set up by `configure_process`; `render` does that, too.

    Args:
        recipe: what to dream.
        timeline: what its curves are evaluated on; without one they stay at their value at 0 s, and the camera rests.
        memory_budget: bytes that a frame and an ascent step may take together; by the recipe and the machine if None.

    Attributes:
        animation: the recipe over time.
        mask: where the dream shows; None for everywhere.
        palette: the colours that the dream takes on; None for its own.
        flow_methods: for the flow, and for checking it.
        shots: marks the frames with which shots begin.
        base_memory: bytes that are taken beside the memory budget.

    Raises:
        RecipeError, ModelError, SourceError: the recipe names a device, layer, network, list of cuts, guide or mask
            that cannot be used, or a curve that cannot be evaluated.
    """

    def __init__(self, recipe: Recipe, timeline: Timeline | None = None, memory_budget: float | None = None):
        network = recipe.network
        self.timeline = timeline or _moment(recipe)
        self._moves_camera = timeline is not None
        self.device = pick_device(network.device)
        self._take(recipe)
        precision = PRECISIONS[pick_precision(network, self.device)]
        loaded = load_network(network.model, self._objective.layers, network.weights, precision)
        self.network = loaded.to(self.device)
        self._read_guides()
        available, self.base_memory = memory.memory_budget(network.memory, self.device)
        is_still = timeline is not None and timeline.count == 1
        overhead = tiles.STILL_OVERHEAD if is_still else tiles.FILM_OVERHEAD
        first, budget = self.animation.at(0), available if memory_budget is None else memory_budget
        self.dreamer = Dreamer(self.network, self._objective.at(first, Fraction(0)), first.dream, budget, overhead)

    def take(self, recipe: Recipe, timeline: Timeline | None = None) -> None:
        """Take up another recipe of the same network, layers and guides; no weights are read again.

        Args:
            recipe: what to dream.
            timeline: what its curves are evaluated on; the one before if None.

        Raises:
            RecipeError, SourceError: a curve or mask that cannot be read.
        """
        self.close()
        self.timeline = timeline or self.timeline
        guides = self._objective.guides
        self._take(recipe)
        self._objective.guides = guides
        self.aim(self.animation.at(0), Fraction(0))

    def _take(self, recipe: Recipe) -> None:
        self.recipe, self.animation = recipe, Animation(recipe, self.timeline)
        self._objective = FrameObjective(recipe.network, self.animation)
        self.mask, self.palette = self.new_mask(), read_palette(recipe.finish.palette)
        self.flow_methods = pick_methods(recipe.temporal, self.device)
        cuts = recipe.temporal.cuts if recipe.temporal.flow != "none" else "none"
        self.shots = shot_rule(cuts, parse_time(recipe.clip.start) or Fraction(0))

    def _read_guides(self) -> None:
        if paths := [path for path, _ in split_guides(self.recipe.network.guide)]:
            self._objective.guides = Guides(
                paths, functools.partial(guide_features, self.network), self.timeline.rate, self.timeline.source_start
            )

    def close(self) -> None:
        """Close the films that are read along with the frames (mask, guides); the next frame opens them again."""
        for film in (self.mask, self._objective.guides):
            if film is not None:
                film.close()

    def image(self, frame: Frame) -> Tensor:
        """Return a frame's pixels as float32 RGB in [0, 1], (3, H, W), on the device."""
        return to_tensor(frame.pixels, self.device)

    def new_mask(self) -> Mask | None:
        """Return where the dream shows, for one run over the frames; None where that is everywhere."""
        finish = self.recipe.finish
        return Mask(finish, self.timeline.rate, self.timeline.source_start) if has_mask(finish) else None

    def camera_path(self, width: int, height: int) -> CameraPath | None:
        """Return the camera's path over pictures of a size, px; None where the camera rests."""
        if not self._moves_camera or camera.is_still(self.recipe):
            return None
        return CameraPath(self.animation, width, height)

    def outpainter(self, path: CameraPath) -> Outpainter:
        """Return what dreams ahead of the camera in a feedback dream."""

        def base(index: int, state: State) -> Tensor:
            flat = state.layer.new_zeros(3, 1, 1) if state.base is None else state.base
            return flat.expand_as(state.layer)

        order = range(len(path.steps) - 1)
        return Outpainter(self.dreamer, self.animation, order, lambda index, before: path.steps[index], base)

    def track(
        self, frames: Iterable[Frame], tracking: TrackerState | None = None, shots: Rule | None = None
    ) -> Iterator[TrackedFrame]:
        """Yield every frame, as the camera shows it, with how it came from the one before.

        Args:
            frames: in order of time.
            tracking: where tracking stood after the frame before the first; None where nothing is known of it.
            shots: marks the frames with which shots begin; by the recipe if None.
        """
        rule = shots or self.shots
        return Tracker(self.animation, rule, self.camera_path, self.mask, self.flow_methods, tracking).track(frames)

    def dream(
        self, tracked: TrackedFrame, state: State | None, on_octave: OnOctave | None = None
    ) -> tuple[Tensor, State]:
        """Dream one frame, from the state that the last one left; None begins afresh.

        Returns:
            The dreamed picture, float RGB in [0, 1], (3, H, W), and the state after it.
        """
        image, layer, state = self.carry(tracked, state, on_octave)
        return self.finish(tracked, image, layer), state

    def carry(
        self, tracked: TrackedFrame, state: State | None, on_octave: OnOctave | None = None
    ) -> tuple[Tensor, Tensor, State]:
        """Dream one frame without finishing it (see `dream`).

        Returns:
            What was dreamed on, the dream layer, (3, H, W) each, and the state after it.
        """
        frame, numbers, image = tracked.frame, tracked.numbers, self.image(tracked.frame)
        goal = self.aim(numbers, frame.time)
        if frame.feedback and state is not None:
            state = self._with_base(image, state, numbers.finish)
            assert state.base is not None
            image = state.base.expand_as(image)
        start = start_frame(tracked, image, state, goal)
        if start is None:
            assert state is not None
            return image, state.layer, state
        heard = None if on_octave is None else lambda picture: on_octave(frame.index, picture)
        if start.carried is not None:
            layer = self.dreamer(
                image, frame.index, start.layer, start.iterations, start.step, start.finest, start.coarser, heard
            )
        else:
            layer = self.dreamer(image, on_octave=heard) if start.layer is None else start.layer
        is_held = not is_zero(goal) and (numbers.temporal.flow != "none" or frame.feedback)
        if start.carried is not None and frame.index % MEASURED:
            is_held = False  # the level changes slowly: it is held by what was measured last
        value = self._value((image + layer).clamp(0, 1)) if is_held else math.nan
        state = settle(image, layer, value, start.carried, state, goal)
        return image, state.layer, state

    def _with_base(self, image: Tensor, state: State, finish: Finish) -> State:
        """Return the state of a feedback dream, which begins with the dream on its first frame, as that was shown."""
        if state.base is not None:
            return state
        picture = add_dream(image, state.layer, finish)
        return start_feedback(picture, state, self._value(picture))

    def _value(self, picture: Tensor) -> float:
        """Return the objective of a picture (3, H, W), for weights that add up to 1."""
        return self.dreamer.value(picture) / self.dreamer.objective.weight

    def finish(self, tracked: TrackedFrame, image: Tensor, layer: Tensor) -> Tensor:
        """Return the picture of a frame (3, H, W), from what it was dreamed on and its dream layer.

        In a feedback dream, blends and masks show the frame itself, and not the base that was dreamed on.
        """
        below = self.image(tracked.frame) if tracked.frame.feedback else None
        mask = None if tracked.mask is None else to_device(torch.from_numpy(tracked.mask), self.device)
        return composite(image, layer, tracked.numbers.finish, below, mask, self.palette)

    def aim(self, numbers: FrameNumbers, time: Fraction) -> Objective:
        """Set the dreamer to the numbers and the objective of a frame, at `time` s, and return the objective."""
        self.dreamer.recipe, self.dreamer.objective = numbers.dream, self._objective.at(numbers, time)
        return self.dreamer.objective


def _moment(recipe: Recipe) -> Timeline:
    """Return a timeline of a single frame."""
    rate = parse_rate(recipe.clip.fps) or DEFAULT_RATE
    return Timeline(rate, 1, source_start=parse_time(recipe.clip.start) or Fraction(0))
