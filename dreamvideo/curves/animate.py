"""A recipe over time: its curves computed once for a whole film, and the plain numbers of every frame."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from ..errors import RecipeError
from ..recipe import Recipe, guides, parameters
from . import expressions, syntax, weights
from .evaluate import CurveEvaluator
from .timeline import Timeline, Values


class Animation:
    """Reads a recipe's curves against a timeline.

    Attributes:
        recipe: as it is written, with its curves.
        timeline: what they are read against.
        tracks: each curve's values at every point of the timeline, by (section, key); those of layers' and guides'
            weights under ("network.layers", layer) and ("network.guide", path).

    Raises:
        RecipeError: a curve asks for what is not known here, or leaves its parameter's range.
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
        for key, terms in _weighted_lists(recipe).items():
            for name, weight in terms:
                if isinstance(curve := syntax.read_curve(weight or "1"), (str, dict)):
                    self.tracks[f"network.{key}", name] = _values(curves, f"network.{key}, {name}", curve)
        self.own = {name: _values(curves, f"curves.{name}", curve) for name, curve in recipe.curves.items()}

    def at(self, index: int) -> Recipe:
        """Return the recipe of a frame: numbers where there were curves. Beyond the last frame it stays as it is."""
        if not self.tracks:
            return self.recipe
        point = min(index * self.timeline.fine, len(self.timeline.t) - 1)
        changed: dict[str, dict[str, Any]] = {}
        for (section, key), values in self.tracks.items():
            if section.startswith("network."):
                changed.setdefault("network", {})[section.removeprefix("network.")] = ""
            else:
                number = float(values[point])
                whole = isinstance(getattr(getattr(DEFAULT, section), key), int)
                changed.setdefault(section, {})[key] = int(number) if whole else number
        for key, terms in _weighted_lists(self.recipe).items():
            if key in changed.get("network", {}):
                tracks = {name: self.tracks.get((f"network.{key}", name)) for name, _ in terms}
                changed["network"][key] = ",".join(
                    f"{name}={weight or 1 if (track := tracks[name]) is None else f'{track[point]:.4g}'}"
                    for name, weight in terms
                )
        sections = {name: replace(getattr(self.recipe, name), **values) for name, values in changed.items()}
        return replace(self.recipe, **sections)

    def fine(self, section: str, key: str) -> Values:
        """Return a parameter's number at every point of the timeline, be it a curve or not."""
        if (section, key) in self.tracks:
            return self.tracks[section, key]
        return np.full(self.timeline.t.shape, float(getattr(getattr(self.recipe, section), key)))


DEFAULT = Recipe()


def follows_sound(recipe: Recipe) -> bool:
    """Tell whether any curve of a recipe follows sound, or a beat."""
    return bool(_names_used(recipe) & {*expressions.COUNTERS, *expressions.LEVELS})


def needs_analysis(recipe: Recipe) -> bool:
    """Tell whether any curve needs the music to be listened to: beats and bars do not where the tempo is given."""
    told = {"beat", "bar"} if recipe.music.bpm else set()
    return bool(_names_used(recipe) & {*expressions.COUNTERS, *expressions.LEVELS} - told)


def _names_used(recipe: Recipe) -> set[str]:
    written: list[Any] = [getattr(getattr(recipe, s), k) for s, k, _, param in parameters() if param.curve]
    written += [syntax.read_curve(weight or "1") for terms in _weighted_lists(recipe).values() for _, weight in terms]
    written += recipe.curves.values()
    return {name for curve in written for name in syntax.names_used(curve, recipe.curves)}


def _weighted_lists(recipe: Recipe) -> dict[str, list[tuple[str, str]]]:
    """Return what of a recipe is written as names with weights, each of which may be a curve."""
    return {"layers": weights.split_weights(recipe.network.layers), "guide": guides(recipe.network.guide)}


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
            f"{name} is {values[at]:.4g} at {timeline.t[at]:.3g} s, outside {low:g} … {high:g}: clamp(…) holds it"
        )
