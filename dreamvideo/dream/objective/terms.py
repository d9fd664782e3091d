"""The terms of an objective: a layer, some of its channels or one place of it, a class, a guide.

Every term is called with the activations, {layer: (1, C, h, w)}, and where they lie in the picture; it returns its
weight times a scalar, summed in float32.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PurePath

import torch
from torch import Tensor

from ...curves.expressions import curve_text
from ...errors import RecipeError
from ...networks.layer_names import LOGITS
from .response import COSINE, FORMS, cosine

Activations = Mapping[str, Tensor]


@dataclass(frozen=True)
class View:
    """Where a network's input lies in the picture, px, rows before columns.

    Attributes:
        picture: the picture's size.
        size: the size of the input: the picture, or a tile of it.
        origin: where the input begins in the shifted picture.
        shift: how far jitter has shifted the picture, a tensor (2,).
    """

    picture: tuple[int, int]
    size: tuple[int, int]
    origin: tuple[int, int]
    shift: Tensor

    def at(self, activation: Tensor, place: tuple[float, float]) -> Tensor:
        """Return an activation's values (1, C, 1, 1) at one place of the picture; zero where that is outside the input.

        Args:
            activation: (1, C, h, w).
            place: (x, y), in 0 … 1 of the picture.
        """
        for axis, share in ((0, place[1]), (1, place[0])):
            at = (self.shift[axis] + share * self.picture[axis]) % self.picture[axis] - self.origin[axis]
            count = activation.shape[axis - 2]
            index = (at / self.size[axis] * count).floor().long().clamp(0, count - 1)
            activation = activation.index_select(axis - 2, index[None])
            inside = (at >= 0) & (at < self.size[axis])
            weight = (self.picture[axis] / self.size[axis]) ** 0.5  # a tile's energy is to count as the whole picture's
            activation = activation * (inside * weight)
        return activation


@dataclass(frozen=True)
class Channels:
    """Some channels of a layer, by number."""

    numbers: tuple[int, ...]

    def of(self, activation: Tensor, layer: str) -> Tensor:
        """Return the channels' numbers as indices into an activation (1, C, h, w).

        Raises:
            RecipeError: the layer has no such channel.
        """
        if max(self.numbers) >= activation.shape[1]:
            raise RecipeError(
                f"{layer} has no channel {max(self.numbers)}: it has {activation.shape[1]}, counted from 0"
            )
        return _indices(self.numbers, activation.device)

    def __str__(self) -> str:
        runs: list[list[int]] = []
        for number in self.numbers:
            if runs and number == runs[-1][-1] + 1:
                runs[-1].append(number)
            else:
                runs.append([number])
        return ":" + ",".join(f"{run[0]}-{run[-1]}" if len(run) > 1 else str(run[0]) for run in runs)


@functools.lru_cache(256)
def _indices(numbers: tuple[int, ...], device: torch.device) -> Tensor:
    return torch.tensor(numbers, device=device)


@dataclass(frozen=True)
class Strongest:
    """The channels of a layer that respond most strongly to the current picture, or most weakly."""

    count: int
    weakest: bool = False

    def of(self, activation: Tensor, layer: str) -> Tensor:
        """Return the channels' numbers as indices into an activation (1, C, h, w)."""
        response = activation.detach().float().square().mean((0, 2, 3))
        return response.topk(min(self.count, len(response)), largest=not self.weakest).indices

    def __str__(self) -> str:
        return f":{'bottom' if self.weakest else 'top'}:{self.count}"


@dataclass(frozen=True)
class Layer:
    """A layer, or some of its channels, or one place of it, times a weight.

    Attributes:
        name: the layer's.
        channels: some of its channels; all if None.
        place: (x, y) in 0 … 1 of the picture; everywhere if None.
        form: `l2` for the energy, `mean`, or `cosine`.
    """

    name: str
    weight: float = 1.0
    channels: Channels | Strongest | None = None
    place: tuple[float, float] | None = None
    form: str = "l2"

    def __call__(self, activations: Activations, view: View | None = None) -> Tensor:
        activation = activations[self.name]
        if self.place is not None and view is not None:
            activation = view.at(activation, self.place)
        channels = None if self.channels is None else self.channels.of(activation, self.name)
        if self.form == COSINE:
            return self.weight * cosine(activation, channels)
        chosen = activation if channels is None else activation.index_select(1, channels)
        return self.weight * FORMS[self.form](chosen)

    @property
    def key(self) -> str:
        """The term as it is written, without its weight."""
        place = "" if self.place is None else f"@{curve_text(self.place[0])}x{curve_text(self.place[1])}"
        return f"{self.name}{self.channels or ''}{place}{'' if self.form == 'l2' else '~' + self.form}"

    def __str__(self) -> str:
        return f"{self.key}={curve_text(self.weight)}"


@dataclass(frozen=True)
class Logit:
    """The score of one of a network's classes, before the softmax, times a weight."""

    number: int
    weight: float = 1.0
    label: str = ""
    name: str = LOGITS

    def __call__(self, activations: Activations, view: View | None = None) -> Tensor:
        return self.weight * activations[self.name][0, self.number].float().mean()

    @property
    def key(self) -> str:
        """The term as it is written, without its weight."""
        return f"class:{self.label or self.number}"

    def __str__(self) -> str:
        return f"{self.key}={curve_text(self.weight)}"


@dataclass(frozen=True, eq=False)
class GuideMatch:
    """How well every place of a layer matches the most similar place of a guide, times a weight.

    Attributes:
        name: the layer's.
        features: the guide's features at that layer, (C, places).
        weight: of the term.
        guide: its name.

    Source: guided dreams (Mordvintsev, Olah & Tyka 2015): the best match by dot product, and its gradient.
    """

    name: str
    features: Tensor
    weight: float = 1.0
    guide: str = "guide"

    def __call__(self, activations: Activations, view: View | None = None) -> Tensor:
        activation = activations[self.name][0].float().flatten(1)  # (C, h·w)
        best = (self.features.T @ activation.detach()).argmax(0)
        return self.weight * (activation * self.features[:, best]).sum() / activation.numel()

    @property
    def key(self) -> str:
        """The term as it is printed, without its weight and the guide's folder."""
        return f"{self.name}~{PurePath(self.guide).name}"

    def __str__(self) -> str:
        return f"{self.key}={curve_text(self.weight)}"


@dataclass(frozen=True, eq=False)
class GuideStatistics:
    """How similar a layer's Gram matrix is to a guide's, wherever things lie in either picture, times a weight.

    Attributes: as of `GuideMatch`.

    Source: the Gram matrix of Gatys, Ecker & Bethge 2015; here its component along the guide's, times the cosine
    between the two, which can be maximised.
    """

    name: str
    features: Tensor
    weight: float = 1.0
    guide: str = "guide"
    gram: Tensor = field(init=False)

    def __post_init__(self) -> None:
        gram = _gram(self.features)
        object.__setattr__(self, "gram", gram / torch.linalg.matrix_norm(gram).clamp_min(1e-9))

    def __call__(self, activations: Activations, view: View | None = None) -> Tensor:
        gram = _gram(activations[self.name][0].float().flatten(1))
        along = (gram * self.gram).sum()
        similarity = along / torch.linalg.matrix_norm(gram).clamp_min(1e-9)
        return self.weight * along * similarity / len(gram)

    @property
    def key(self) -> str:
        """The term as it is printed, without its weight and the guide's folder."""
        return f"{self.name}~statistics~{PurePath(self.guide).name}"

    def __str__(self) -> str:
        return f"{self.key}={curve_text(self.weight)}"


def _gram(features: Tensor) -> Tensor:
    return features @ features.T / features.shape[1]


Term = Layer | Logit | GuideMatch | GuideStatistics


def check_term(term: Layer) -> None:
    """Raise a RecipeError if a term's form or place is not valid."""
    if term.form not in (*FORMS, COSINE):
        raise RecipeError(f"a layer has no form ~{term.form}: write ~{', ~'.join((*FORMS, COSINE))}")
    if term.place is not None and not all(0 <= share <= 1 and math.isfinite(share) for share in term.place):
        raise RecipeError(f"the place in {term.key} is outside the picture: write @0.5x0.5, from 0 to 1 each")
