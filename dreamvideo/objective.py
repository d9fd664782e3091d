"""What the dream climbs towards: small callables from activations to a scalar, that add up and print as written.

An objective is written `layer=weight,layer=weight`, and `str()` gives that back.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

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


@dataclass(frozen=True)
class Objective:
    """A weighted sum over layers: J = Σ c_l · energy(a_l)."""

    terms: tuple[Layer, ...]

    def __call__(self, activations: Mapping[str, Tensor]) -> Tensor:
        first, *others = (term(activations) for term in self.terms)
        return sum(others, start=first)

    def __str__(self) -> str:
        return ",".join(map(str, self.terms))

    @property
    def layers(self) -> list[str]:
        """The layers whose activations it asks for."""
        return [term.name for term in self.terms]


def parse(text: str) -> Objective:
    """Read an objective written `blocks.9=1,blocks.10=0.5` (a layer alone weighs 1).

    Raises:
        RecipeError: no layer at all, one named twice, or a weight that is no finite number.
    """
    terms: dict[str, Layer] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, _, weight = (piece.strip() for piece in part.partition("="))
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
