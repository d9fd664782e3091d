"""The objective that gradient ascent maximises: J = Σ c · term, a weighted sum."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ...errors import RecipeError
from ...networks.layer_names import LOGITS
from .terms import Activations, GuideMatch, GuideStatistics, Layer, Term, View

GUIDE_TERMS: dict[str, type[GuideMatch | GuideStatistics]] = {"match": GuideMatch, "statistics": GuideStatistics}


@dataclass(frozen=True)
class Objective:
    """A weighted sum: J = Σ c · term. Objectives can be added, and multiplied by a number.

    Attributes:
        terms: the terms of the sum.
        fades: whether each term's gradient is divided by the term's value, so that only the weights decide between
            large and small terms: then one term fades into another as their weights do. The value of J is the same.
    """

    terms: tuple[Term, ...]
    fades: bool = False

    def __call__(self, activations: Activations, view: View | None = None) -> Tensor:
        values = [term(activations, view) for term in self.terms]
        first, *others = values
        total = sum(others, start=first)
        if not self.fades:
            return total
        relative = torch.stack(
            [abs(t.weight) * v / v.detach().abs().clamp_min(1e-9) for t, v in zip(self.terms, values, strict=True)]
        ).sum()
        return total.detach() + relative - relative.detach()  # the value of one, the gradient of the other

    def __add__(self, other: Objective) -> Objective:
        return Objective((*self.terms, *other.terms), self.fades or other.fades)

    def __mul__(self, weight: float) -> Objective:
        return replace(self, terms=tuple(replace(term, weight=term.weight * weight) for term in self.terms))

    __rmul__ = __mul__

    def __str__(self) -> str:
        return ",".join(map(str, self.terms))

    @property
    def weight(self) -> float:
        """The sum of the weights' magnitudes: the scale of the objective, whatever the picture; 1 if it is zero."""
        return sum(abs(term.weight) for term in self.terms) or 1.0

    @property
    def shares(self) -> dict[str, float]:
        """Each term's share of the total weight, by its key."""
        shares: dict[str, float] = {}
        for term in self.terms:
            shares[term.key] = shares.get(term.key, 0.0) + term.weight / self.weight
        return shares

    @property
    def layers(self) -> list[str]:
        """The layers whose activations the terms need, each once."""
        return list(dict.fromkeys(term.name for term in self.terms))

    @property
    def is_local(self) -> bool:
        """Whether every term is about a single place of the picture."""
        return all(isinstance(term, Layer) and term.place is not None for term in self.terms)


def guided_objective(
    objective: Objective,
    guides: Mapping[str, tuple[Mapping[str, Tensor], float]],
    share: float,
    form: str = "match",
) -> Objective:
    """Return an objective with a share of it replaced by similarity to guides, on the same layers.

    Args:
        objective: without guides.
        guides: by name, each one's features per layer, (C, places), and its weight among the guides.
        share: 0 … 1; 0 returns the objective as it is, 1 leaves the guides alone.
        form: `match`, every place to the guide's most similar one; `statistics`, the Gram matrices to each other.

    Raises:
        RecipeError: the objective has classes only, and so no layer to compare.
    """
    total = sum(abs(weight) for _, weight in guides.values())
    share = share if total else 0.0
    own = objective * (1 - share) if share < 1 else Objective(())
    weights: dict[str, float] = {}  # of the layers
    for term in objective.terms:
        if term.name != LOGITS:
            weights[term.name] = weights.get(term.name, 0.0) + abs(term.weight)
    if share and not weights:
        raise RecipeError("a guide needs a layer, and there are only classes: name a layer, too, like blocks.9=0.1")
    similarity: tuple[GuideMatch | GuideStatistics, ...] = tuple(
        GUIDE_TERMS[form](layer, features[layer], weight * share * part / total, name)
        for name, (features, part) in guides.items()
        if part * share
        for layer, weight in weights.items()
    )
    return Objective((*own.terms, *similarity), fades=objective.fades or 0 < share < 1)


def share_changed(before: Mapping[str, float], now: Mapping[str, float]) -> float:
    """Return how much of an objective is new, 0 … 1: half the total change of its terms' shares."""
    return sum(abs(now.get(key, 0.0) - before.get(key, 0.0)) for key in sorted({*before, *now})) / 2
