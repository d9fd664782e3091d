"""What there is to climb towards in a layer: all of it, some of its channels, one place, a class, a guide.

Every term is called with the activations, {layer: (1, C, h, w)}, and where they lie in the picture; it returns a
scalar, summed in float32.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import PurePath

import torch
from torch import Tensor

from ...curves.expressions import curve_text
from ...errors import RecipeError

BORDER = 2  # rows and columns left out at the activation's edge, where padding rather than the picture excites it
LEAST = 0.1  # cosine that one is taken for at least: what points elsewhere is led round, too
LOGITS = "logits"  # the layer that holds what a network takes the picture for
Activations = Mapping[str, Tensor]


@dataclass(frozen=True)
class View:
    """Where what a network looks at lies in the picture, px, rows before columns.

    Attributes:
        whole: the picture's size.
        seen: the size of the part that is looked at.
        start: where that part begins in the picture as it was rolled.
        shift: how far it was rolled, a tensor (2,).
    """

    whole: tuple[int, int]
    seen: tuple[int, int]
    start: tuple[int, int]
    shift: Tensor

    def at(self, activation: Tensor, place: tuple[float, float]) -> Tensor:
        """Return what an activation (1, C, h, w) holds at a place, (x, y) in 0 … 1 of the picture, as (1, C, 1, 1); all
        zero where that is out of sight.
        """
        for axis, share in ((0, place[1]), (1, place[0])):
            at = (self.shift[axis] + share * self.whole[axis]) % self.whole[axis] - self.start[axis]
            count = activation.shape[axis - 2]
            index = (at / self.seen[axis] * count).floor().long().clamp(0, count - 1)
            activation = activation.index_select(axis - 2, index[None])
            there = (at >= 0) & (at < self.seen[axis])
            activation = activation * (there * (self.whole[axis] / self.seen[axis]) ** 0.5)  # of all, not of a part
        return activation


@dataclass(frozen=True)
class Channels:
    """Some channels of a layer, by number."""

    numbers: tuple[int, ...]

    def of(self, activation: Tensor, layer: str) -> Tensor:
        """Return the channels' numbers in an activation (1, C, h, w), as indices.

        Raises:
            RecipeError: it has no such channel.
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
    """The channels of a layer that respond most strongly to the picture as it is, or most weakly."""

    count: int
    weakest: bool = False

    def of(self, activation: Tensor, layer: str) -> Tensor:
        """Return the channels' numbers in an activation (1, C, h, w), as indices."""
        response = activation.detach().float().square().mean((0, 2, 3))
        return response.topk(min(self.count, len(response)), largest=not self.weakest).indices

    def __str__(self) -> str:
        return f":{'bottom' if self.weakest else 'top'}:{self.count}"


def energy(activation: Tensor) -> Tensor:
    """Return how strongly a layer responds: the sum of squares inside the border, over the number of activations.

    Args:
        activation: (1, C, h, w), any precision; summed in float32.

    Returns:
        A scalar ≥ 0. An activation too small to have an inside is taken whole.

    Source: Mordvintsev, Olah & Tyka 2015; border crop and scaling as in Chollet, Deep Learning with Python, 8.2.
    """
    return _inside(activation).float().square().sum() / activation.numel()


def mean(activation: Tensor) -> Tensor:
    """Return the mean of an activation (1, C, h, w): no channel pulls harder for being strong already."""
    return _inside(activation).float().sum() / activation.numel()


FORMS: dict[str, Callable[[Tensor], Tensor]] = {"l2": energy, "mean": mean}  # and cosine, which looks at all channels
COSINE = "cosine"


def cosine(activation: Tensor, channels: Tensor | None) -> Tensor:
    """Return how far every place goes in one direction times how nearly it points there: dot product times cosine.

    Args:
        activation: (1, C, h, w).
        channels: the direction, by number; None for what the layer holds on average.

    Source: the direction objective with a power of the cosine, of Lucid (Olah, Mordvintsev & Schubert 2017).
    """
    inside = _inside(activation)[0].float().flatten(1)  # (C, places)
    direction = (
        inside.detach().mean(1) if channels is None else torch.zeros_like(inside[:, 0]).index_fill(0, channels, 1)
    )
    direction = direction / torch.linalg.vector_norm(direction).clamp_min(1e-9)
    dot = direction @ inside
    near = dot / torch.linalg.vector_norm(inside, dim=0).clamp_min(1e-9)
    return (dot * near.clamp_min(LEAST)).mean()


def _inside(activation: Tensor) -> Tensor:
    h, w = activation.shape[-2:]
    if min(h, w) > 2 * BORDER:
        return activation[..., BORDER : h - BORDER, BORDER : w - BORDER]
    return activation


@dataclass(frozen=True)
class Layer:
    """A layer, or some of its channels, or one place of it, times a weight.

    Attributes:
        name: the layer's.
        channels: which of its channels; all if None.
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
        taken = activation if channels is None else activation.index_select(1, channels)
        return self.weight * FORMS[self.form](taken)

    @property
    def key(self) -> str:
        """What it is, its weight scratch, as it is written."""
        place = "" if self.place is None else f"@{curve_text(self.place[0])}x{curve_text(self.place[1])}"
        return f"{self.name}{self.channels or ''}{place}{'' if self.form == 'l2' else '~' + self.form}"

    def __str__(self) -> str:
        return f"{self.key}={curve_text(self.weight)}"


@dataclass(frozen=True)
class Logit:
    """How sure a network is that the picture shows one of the things it knows, before the softmax, times a weight."""

    number: int
    weight: float = 1.0
    label: str = ""
    name: str = LOGITS

    def __call__(self, activations: Activations, view: View | None = None) -> Tensor:
        return self.weight * activations[self.name][0, self.number].float().mean()

    @property
    def key(self) -> str:
        """What it is, its weight scratch, as it is written."""
        return f"class:{self.label or self.number}"

    def __str__(self) -> str:
        return f"{self.key}={curve_text(self.weight)}"


@dataclass(frozen=True, eq=False)
class Guided:
    """How well a layer's every place matches the place of a guide that it is nearest to, times a weight.

    Attributes:
        name: of the layer.
        features: what the guide's places hold there, (C, places).
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
        """What it is, its weight scratch."""
        return f"{self.name}~{PurePath(self.guide).name}"  # wherever it lies

    def __str__(self) -> str:
        return f"{self.key}={curve_text(self.weight)}"


@dataclass(frozen=True, eq=False)
class Statistics:
    """How much of what a guide's channels do together, wherever in the picture, a layer's do, times a weight.

    Attributes: as of `Guided`.

    Source: the Gram matrix of Gatys, Ecker & Bethge 2015; here the part of it that points along the guide's, times the
    cosine between the two, so that there is a direction to climb in.
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
        near = along / torch.linalg.matrix_norm(gram).clamp_min(1e-9)
        return self.weight * along * near / len(gram)

    @property
    def key(self) -> str:
        """What it is, its weight scratch."""
        return f"{self.name}~statistics~{PurePath(self.guide).name}"

    def __str__(self) -> str:
        return f"{self.key}={curve_text(self.weight)}"


def _gram(features: Tensor) -> Tensor:
    return features @ features.T / features.shape[1]


Term = Layer | Logit | Guided | Statistics


def check_term(term: Layer) -> None:
    """Raise a RecipeError if what a term names cannot be."""
    if term.form not in (*FORMS, COSINE):
        raise RecipeError(f"there is no form ~{term.form} of a layer: write ~{', ~'.join((*FORMS, COSINE))}")
    if term.place is not None and not all(0 <= share <= 1 and math.isfinite(share) for share in term.place):
        raise RecipeError(f"the place in {term.key} is outside the picture: write @0.5x0.5, from 0 to 1 each")
