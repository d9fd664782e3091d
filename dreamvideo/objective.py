"""What the dream climbs towards: small callables from activations to a scalar, that add up and print as written.

An objective is written `layer=weight,layer=weight`, and `str()` gives that back.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from . import schedule
from .errors import RecipeError

BORDER = 2  # rows and columns left out at the activation's edge, where padding rather than the picture excites it


def energy(activation: Tensor) -> Tensor:
    """Return how strongly a layer responds: the sum of squares inside the border, over the number of activations.

    Args:
        activation: (1, C, h, w), any precision; summed in float32.

    Returns:
        A scalar ≥ 0. An activation too small to have an inside is taken whole.

    Source: Mordvintsev, Olah & Tyka 2015; border crop and scaling as in Chollet, Deep Learning with Python, 8.2.
    """
    h, w = activation.shape[-2:]
    inside = activation
    if min(h, w) > 2 * BORDER:
        inside = activation[..., BORDER : h - BORDER, BORDER : w - BORDER]
    return inside.float().square().sum() / activation.numel()


@dataclass(frozen=True)
class Layer:
    """The energy of one layer, times a weight."""

    name: str
    weight: float = 1.0

    def __call__(self, activations: Mapping[str, Tensor]) -> Tensor:
        return self.weight * energy(activations[self.name])

    def __str__(self) -> str:
        return f"{self.name}={self.weight:g}"


@dataclass(frozen=True, eq=False)
class Guided:
    """How well a layer's every place matches the place of a guide that it is nearest to, times a weight.

    Attributes:
        name: of the layer.
        features: what the guide's places hold there, (C, places).
        weight: of the term.

    Source: guided dreams (Mordvintsev, Olah & Tyka 2015): the best match by dot product, and its gradient.
    """

    name: str
    features: Tensor
    weight: float = 1.0

    def __call__(self, activations: Mapping[str, Tensor]) -> Tensor:
        activation = activations[self.name][0].float().flatten(1)  # (C, h·w)
        best = (self.features.T @ activation.detach()).argmax(0)
        return self.weight * (activation * self.features[:, best]).sum() / activation.numel()

    def __str__(self) -> str:
        return f"{self.name}~guide={self.weight:g}"


@dataclass(frozen=True)
class Objective:
    """A weighted sum over layers: J = Σ c_l · energy(a_l), or how well they match a guide.

    Attributes:
        terms: what is added up.
        fades: whether the terms pull by their weights alone, however large they are: so that one fades into another as
            the weights do. The value is the same sum all the same.
    """

    terms: tuple[Layer | Guided, ...]
    fades: bool = False

    def __call__(self, activations: Mapping[str, Tensor]) -> Tensor:
        values = [term(activations) for term in self.terms]
        first, *others = values
        whole = sum(others, start=first)
        if not self.fades:
            return whole
        pull = torch.stack(
            [abs(t.weight) * v / v.detach().abs().clamp_min(1e-9) for t, v in zip(self.terms, values, strict=True)]
        ).sum()
        return whole.detach() + pull - pull.detach()

    def __str__(self) -> str:
        return ",".join(map(str, self.terms))

    @property
    def weight(self) -> float:
        """The sum of all weights, signs aside: what the objective goes by, whatever the picture."""
        return sum(abs(term.weight) for term in self.terms) or 1.0

    @property
    def layers(self) -> list[str]:
        """The layers whose activations it asks for."""
        return [term.name for term in self.terms]


def guided(goal: Objective, features: Mapping[str, Tensor], share: float) -> Objective:
    """Return an objective of which so much, 0 … 1, is to match a guide on the same layers.

    Args:
        goal: energies of layers.
        features: of the guide, by layer, (C, places).
        share: 0 leaves the objective as it is, 1 leaves the guide alone.
    """
    own = [Layer(t.name, t.weight * (1 - share)) for t in goal.terms if share < 1]
    led = [Guided(t.name, features[t.name], t.weight * share) for t in goal.terms if share > 0]
    return Objective((*own, *led), fades=goal.fades or 0 < share < 1)


def difference(before: Objective, now: Objective) -> float:
    """Return how much of an objective is new, 0 … 1: what its layers' shares have gained over those before."""
    shares = []
    for goal in (before, now):
        shares.append({(type(term), term.name): term.weight / goal.weight for term in goal.terms})
    was, is_ = shares
    return sum(abs(is_.get(name, 0.0) - was.get(name, 0.0)) for name in {*was, *is_}) / 2


def parse(text: str) -> Objective:
    """Read an objective written `blocks.9=1,blocks.10=0.5` (a layer alone weighs 1).

    Raises:
        RecipeError: no layer at all, one named twice, or a weight that is no finite number.
    """
    terms: dict[str, Layer] = {}
    for name, weight in schedule.terms(text):
        part = f"{name}={weight}"
        try:
            value = float(weight or 1)
        except ValueError:
            value = math.nan
        if not math.isfinite(value) or not name:
            raise RecipeError(f"cannot read {part!r} in layers: write them as blocks.9=1,blocks.10=0.5")
        if name in terms:
            raise RecipeError(f"the layer {name} is named twice in layers: give it one weight")
        terms[name] = Layer(name, value)
    if not terms:
        raise RecipeError("layers names no layer: write them as blocks.9=1,blocks.10=0.5")
    return Objective(tuple(terms.values()))
