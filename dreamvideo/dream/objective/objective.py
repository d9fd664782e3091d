"""The sum that is climbed: terms, each times its weight."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ...errors import RecipeError
from .terms import LOGITS, Activations, Guided, Layer, Statistics, Term, View

GUIDES: dict[str, type[Guided | Statistics]] = {"match": Guided, "statistics": Statistics}


@dataclass(frozen=True)
class Objective:
    """A weighted sum: J = Σ c · term. Objectives add up, and can be multiplied.

    Attributes:
        terms: what is added up.
        fades: whether the terms pull by their weights alone, however large they are: so that one fades into another as
            the weights do. The value is the same sum all the same.
    """

    terms: tuple[Term, ...]
    fades: bool = False

    def __call__(self, activations: Activations, view: View | None = None) -> Tensor:
        values = [term(activations, view) for term in self.terms]
        first, *others = values
        whole = sum(others, start=first)
        if not self.fades:
            return whole
        pull = torch.stack(
            [abs(t.weight) * v / v.detach().abs().clamp_min(1e-9) for t, v in zip(self.terms, values, strict=True)]
        ).sum()
        return whole.detach() + pull - pull.detach()

    def __add__(self, other: Objective) -> Objective:
        return Objective((*self.terms, *other.terms), self.fades or other.fades)

    def __mul__(self, weight: float) -> Objective:
        return replace(self, terms=tuple(replace(term, weight=term.weight * weight) for term in self.terms))

    __rmul__ = __mul__

    def __str__(self) -> str:
        return ",".join(map(str, self.terms))

    @property
    def weight(self) -> float:
        """The sum of all weights, signs scratch: what the objective goes by, whatever the picture."""
        return sum(abs(term.weight) for term in self.terms) or 1.0

    @property
    def shares(self) -> dict[str, float]:
        """How much of the whole each term is, by what it is."""
        shares: dict[str, float] = {}
        for term in self.terms:
            shares[term.key] = shares.get(term.key, 0.0) + term.weight / self.weight
        return shares

    @property
    def layers(self) -> list[str]:
        """The layers whose activations it asks for, each once."""
        return list(dict.fromkeys(term.name for term in self.terms))

    @property
    def is_local(self) -> bool:
        """Whether it looks at single places only."""
        return all(isinstance(term, Layer) and term.place is not None for term in self.terms)


def guided_objective(
    goal: Objective,
    guides: Mapping[str, tuple[Mapping[str, Tensor], float]],
    share: float,
    form: str = "match",
) -> Objective:
    """Return an objective of which so much, 0 … 1, is to be like guides on the same layers.

    Args:
        goal: what is dreamed of by itself.
        guides: by name, what each holds at every place of every layer, (C, places), and its weight among them.
        share: 0 leaves the objective as it is, 1 leaves the guides alone.
        form: `match`: every place as the guide's nearest; `statistics`: all together as the guide's together.
    """
    whole = sum(abs(weight) for _, weight in guides.values())
    share = share if whole else 0.0
    own = goal * (1 - share) if share < 1 else Objective(())
    pull: dict[str, float] = {}
    for term in goal.terms:
        if term.name != LOGITS:
            pull[term.name] = pull.get(term.name, 0.0) + abs(term.weight)
    if share and not pull:
        raise RecipeError("a guide leads by layers, and there are classes alone: name a layer, too, like blocks.9=0.1")
    led: tuple[Guided | Statistics, ...] = tuple(
        GUIDES[form](layer, features[layer], weight * share * part / whole, name)
        for name, (features, part) in guides.items()
        if part * share
        for layer, weight in pull.items()
    )
    return Objective((*own.terms, *led), fades=goal.fades or 0 < share < 1)


def share_changed(before: Mapping[str, float], now: Mapping[str, float]) -> float:
    """Return how much of an objective is new, 0 … 1: what its terms' shares have gained over those before."""
    return sum(abs(now.get(key, 0.0) - before.get(key, 0.0)) for key in sorted({*before, *now})) / 2
