"""A recipe over time: its curves computed once for a whole film, and the plain numbers of every frame."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..errors import RecipeError
from ..recipe import Dream, Finish, Recipe, Temporal, parameters
from . import expressions, syntax, weight_lists
from .evaluate import CurveEvaluator
from .timeline import Timeline, Values

LEAST_EFFORT, MOST_EFFORT = 0.1, 2.0  # range of the ascent's steps, as a multiple of the recipe's
GROWTH = 0.53  # a layer's RMS after n steps goes with n to this power: 0.045, 0.090, 0.132, 0.186 after 3, 10, 20, 40
DIGITS = 4  # of a weight that changes: equal objectives from frame to frame are recognised, and kept


@dataclass(frozen=True)
class FrameNumbers:
    """What a recipe says at one frame, in plain numbers.

    Attributes:
        dream, temporal, finish: the recipe's sections, without curves.
        guide_weight: see `recipe.Network`.
        layers: the weight of every term in `network.layers`, by its name, in the order written; empty where the
            recipe names none.
        guides: the weight of every guide, by its path.
    """

    dream: Dream
    temporal: Temporal
    finish: Finish
    guide_weight: float
    layers: Mapping[str, float]
    guides: Mapping[str, float]


class Animation:
    """A recipe's curves over a timeline.

    Attributes:
        recipe: as it is written, with its curves.
        timeline: what the curves are evaluated on.
        tracks: each curve's values at every point of the timeline, by (section, key); those of the weights of layers
            and guides under ("network.layers", name) and ("network.guide", path).
        own: the values of the recipe's own `[curves]`, by name.

    Raises:
        RecipeError: a curve uses a name that is unknown here (sound where there is no music), or leaves its range.
    """

    def __init__(self, recipe: Recipe, timeline: Timeline):
        self.recipe, self.timeline = recipe, timeline
        self.tracks: dict[tuple[str, str], Values] = {}
        curves = CurveEvaluator(timeline, recipe.curves)
        for section, key, kind, param in parameters():
            value = getattr(getattr(recipe, section), key)
            if param.curve and isinstance(value, (str, dict)):
                values = _values(curves, f"{section}.{key}", value)
                _check_range(f"{section}.{key}", values, timeline, param.low, param.high)
                self.tracks[section, key] = np.rint(values) if kind is int else values
        self._constant: FrameNumbers | None = None  # every frame's, where no number changes
        self._weights = {name: dict(terms) for name, terms in _weighted_lists(recipe).items()}
        for name, terms in self._weights.items():
            for term, weight in terms.items():
                if isinstance(curve := syntax.read_curve(weight or "1"), (str, dict)):
                    self.tracks[f"network.{name}", term] = _values(curves, f"network.{name}, {term}", curve)
        self.own = {name: _values(curves, f"curves.{name}", curve) for name, curve in recipe.curves.items()}

    def at(self, index: int) -> FrameNumbers:
        """Return the numbers of a frame. Beyond the last frame they stay as they are there."""
        if not self.tracks and self._constant is not None:
            return self._constant
        point = min(index * self.timeline.fine, len(self.timeline.t) - 1)
        numbers = FrameNumbers(
            self._section("dream", point),
            self._section("temporal", point),
            self._section("finish", point),
            float(self._number("network", "guide_weight", point)),
            self._weights_at("layers", point),
            self._weights_at("guide", point),
        )
        self._constant = numbers if ("finish", "strength") in self.tracks else _with_effort(numbers)
        return self._constant

    @property
    def has_moving_objective(self) -> bool:
        """Whether the weights of layers or guides change over time."""
        return any(section in ("network.layers", "network.guide") for section, _ in self.tracks) or (
            ("network", "guide_weight") in self.tracks
        )

    def fine(self, section: str, key: str) -> Values:
        """Return a parameter's number at every point of the timeline, be it a curve or not."""
        if (section, key) in self.tracks:
            return self.tracks[section, key]
        return np.full(self.timeline.t.shape, float(getattr(getattr(self.recipe, section), key)))

    def _section(self, section: str, point: int) -> Any:
        """Return a section of the recipe with numbers in the place of its curves."""
        written = getattr(self.recipe, section)
        curves = [key for name, key in self.tracks if name == section]
        return replace(written, **{key: self._number(section, key, point) for key in curves}) if curves else written

    def _number(self, section: str, key: str, point: int) -> float:
        track = self.tracks.get((section, key))
        if track is None:
            return getattr(getattr(self.recipe, section), key)
        is_whole = isinstance(getattr(getattr(DEFAULT, section), key), int)
        return int(track[point]) if is_whole else float(track[point])

    def _weights_at(self, name: str, point: int) -> dict[str, float]:
        return {
            term: float(weight or 1)
            if (track := self.tracks.get((f"network.{name}", term))) is None
            else _rounded(float(track[point]))
            for term, weight in self._weights[name].items()
        }


DEFAULT = Recipe()


def _with_effort(numbers: FrameNumbers) -> FrameNumbers:
    """Return numbers whose ascent follows the strength: a subtle dream is dreamed in fewer steps, and so faster.

    A layer grows with about the square root of its steps, so the rest of the strength stays a factor of the layer.
    A strength that changes over time is a factor alone: a carried dream cannot follow it from frame to frame.
    """
    strength = numbers.finish.strength
    if strength == 1:
        return numbers
    effort = min(max(strength, LEAST_EFFORT), MOST_EFFORT)
    return replace(
        numbers,
        dream=replace(numbers.dream, iterations=_scaled(numbers.dream.iterations, effort)),
        temporal=replace(numbers.temporal, refine=_scaled(numbers.temporal.refine, effort)),
        finish=replace(numbers.finish, strength=strength / effort**GROWTH),
    )


def _scaled(steps: int, effort: float) -> int:
    """Return a number of ascent steps at an effort; at least one, where there are any."""
    return max(round(steps * effort), 1) if steps else 0


def follows_sound(recipe: Recipe) -> bool:
    """Tell whether any curve of a recipe follows sound, or a beat."""
    return bool(_names_used(recipe) & {*expressions.COUNTERS, *expressions.LEVELS})


def needs_analysis(recipe: Recipe) -> bool:
    """Tell whether the music has to be analysed for any curve; beats and bars are known where the tempo is given."""
    known = {"beat", "bar"} if recipe.music.bpm else set()
    return bool(_names_used(recipe) & {*expressions.COUNTERS, *expressions.LEVELS} - known)


def _rounded(weight: float) -> float:
    """Return a weight to `DIGITS` significant digits."""
    return round(weight, DIGITS - 1 - math.floor(math.log10(abs(weight)))) if weight else weight


def _names_used(recipe: Recipe) -> set[str]:
    written: list[Any] = [getattr(getattr(recipe, s), k) for s, k, _, param in parameters() if param.curve]
    written += [syntax.read_curve(weight or "1") for terms in _weighted_lists(recipe).values() for _, weight in terms]
    written += recipe.curves.values()
    return {name for curve in written for name in syntax.names_used(curve, recipe.curves)}


def _weighted_lists(recipe: Recipe) -> dict[str, list[tuple[str, str]]]:
    """Return the recipe's lists of names with weights, each of which may be a curve."""
    return {
        "layers": weight_lists.split_weights(recipe.network.layers),
        "guide": weight_lists.split_guides(recipe.network.guide),
    }


def _values(curves: CurveEvaluator, name: str, curve: expressions.Curve) -> Values:
    try:
        return curves.values(curve)
    except RecipeError as error:
        raise RecipeError(f"{name}: {error}") from None


def _check_range(name: str, values: Values, timeline: Timeline, low: float, high: float) -> None:
    outside = np.flatnonzero((values < low) | (values > high))
    if len(outside):
        at = outside[0]
        raise RecipeError(
            f"{name} is {values[at]:.4g} at {timeline.t[at]:.3g} s, outside {low:g} … {high:g}: use clamp(…)"
        )
