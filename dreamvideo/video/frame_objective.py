"""The objective of every frame: the recipe's terms with that frame's weights, and what guides add to them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction

from ..curves.animate import Animation, FrameNumbers
from ..curves.weight_lists import split_weights
from ..dream.guides import Features, Guides
from ..dream.objective.objective import Objective, guided_objective
from ..dream.objective.text import parse_objective
from ..networks.load import default_layers
from ..recipe import Network


class FrameObjective:
    """The objective of every frame of a film.

    Args:
        network: the recipe's section: layers, guides and how they lead.
        animation: the recipe over time.

    Attributes:
        guides: what the guides' pictures hold; None without any.

    Raises:
        RecipeError: the terms cannot be read.
    """

    def __init__(self, network: Network, animation: Animation):
        self._network, self._moves = network, animation.has_moving_objective
        named = ",".join(f"{name}=1" for name, _ in split_weights(network.layers))
        self._terms = parse_objective(named or default_layers(network.model)).terms
        self.guides: Guides | None = None
        self._own: Objective | None = None  # the last frame's, without guides
        self._guided: tuple[FrameNumbers, Sequence[Features], Objective] | None = None  # the last one

    @property
    def layers(self) -> list[str]:
        """The layers whose activations are needed."""
        return Objective(self._terms).layers

    def at(self, numbers: FrameNumbers, time: Fraction) -> Objective:
        """Return the objective of a frame.

        Args:
            numbers: the recipe's at that frame.
            time: s from the film's first frame, at which guides that are films are read.
        """
        if not self._moves and self.guides is None and self._own is not None:
            return self._own
        own = self._own = self._weighted(numbers)
        if self.guides is None:
            return own
        found = self.guides.at(time, numbers.guides)
        features = [features for features, _ in found.values()]
        if self._guided is None or not _same(self._guided, numbers, features):
            guided = guided_objective(own, found, numbers.guide_weight, self._network.guide_form)
            self._guided = numbers, features, guided
        return self._guided[2]

    def _weighted(self, numbers: FrameNumbers) -> Objective:
        if not numbers.layers:
            return Objective(self._terms, self._moves)
        pairs = zip(self._terms, numbers.layers.values(), strict=True)
        return Objective(tuple(replace(term, weight=weight) for term, weight in pairs), self._moves)


def _same(last: tuple[FrameNumbers, Sequence[Features], Objective], now: FrameNumbers, seen: list[Features]) -> bool:
    """Tell whether weights and the guides' pictures are those of the last frame."""
    before, features, _ = last
    weights = (before.layers, before.guides, before.guide_weight) == (now.layers, now.guides, now.guide_weight)
    return weights and len(features) == len(seen) and all(a is b for a, b in zip(features, seen, strict=True))
