"""From a stock network to the body of a `Network`: truncated after the layers in use, every activation made a map."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import fx, nn

from . import layer_shapes
from .hooked import Hooked
from .layer_names import ALIASES, check_layers
from .traced import Traced, fold_and_fuse

MAX_SHOWN = 40  # layers of a network listed at most
ACTIVATIONS = "torch.nn.modules.activation"  # where PyTorch keeps its nonlinearities


@dataclass(frozen=True)
class Stock:
    """A network as its library builds it.

    Attributes:
        name: what it is called in recipes.
        build: makes it with random weights.
        leaves: module types that are not traced into.
        functions: functions that are not traced into.
    """

    name: str
    build: Callable[[], nn.Module]
    leaves: Sequence[type] = field(default=())
    functions: Sequence[Callable[..., Any]] = field(default=())

    def on_meta(self) -> nn.Module:
        """Return the network without weights (on the device "meta"), which takes neither time nor memory."""
        try:
            with torch.device("meta"):
                return self.build()
        except NotImplementedError:  # RegNet computes its numbers of channels with tensors
            return self.build().to("meta")

    def open(self, model: nn.Module) -> Traced | Hooked:
        """Return access to the layers of a network of this kind: traced, or hooked where it cannot be traced."""
        for module in model.modules():
            if getattr(module, "inplace", False):  # else the activation before it would come out already rectified
                setattr(module, "inplace", False)  # noqa: B010 - mypy knows no such attribute
        try:
            return Traced(model, self.leaves, self.functions)
        except Exception:  # torch.fx raises anything from TraceError to what it makes the network's own code raise
            return Hooked(model)


@dataclass(frozen=True)
class Truncation:
    """Where a network is to be truncated; see `plan_truncation`.

    Attributes:
        stock: the network.
        layers: the name each layer is requested by, and its name in the network.
        layouts: the layout of each layer's activation, by the name it is requested by.
    """

    stock: Stock
    layers: dict[str, str]
    layouts: dict[str, str]

    def apply(self, model: nn.Module) -> nn.Module:
        """Return the truncated body of a network of this kind, with its weights loaded; the network is used up."""
        body = self.stock.open(model.requires_grad_(False)).truncate(self.layers)
        if isinstance(body, fx.GraphModule):
            body = fold_and_fuse(body)
        return body if set(self.layouts.values()) == {"map"} else layer_shapes.Maps(body, self.layouts)


def plan_truncation(stock: Stock, layers: list[str]) -> Truncation:
    """Find layers in a network before any of its weights are loaded or downloaded.

    Raises:
        ModelError: a layer does not exist or is no map over the picture; the network does not take any size.
    """
    opened = stock.open(stock.on_meta())
    aliases = ALIASES.get(stock.name, {})
    check_layers(stock.name, layers, [*opened.names, *aliases])
    names = {layer: aliases.get(layer, layer) for layer in layers}
    return Truncation(stock, names, layer_shapes.layouts(stock.name, opened.truncate(names), list(names)))


def layers_to_show(stock: Stock) -> list[str]:
    """Return the layers of a network that are worth showing, shallow to deep, `MAX_SHOWN` at most.

    They are its stages and blocks as far as these form a chain, and of single steps the nonlinearities; only those
    whose activation varies over the picture.

    Raises:
        ModelError: the network does not take pictures of any size.
    """
    model = stock.on_meta()
    opened = stock.open(model)
    order = {name: place for place, name in enumerate(opened.names)}
    names = sorted((name for name in _blocks(model) if name in order), key=order.__getitem__)
    body = opened.truncate({name: name for name in names})
    shapes = layer_shapes.activation_shapes(stock.name, body, names)
    maps = [name for name in names if _varies(shapes[name])]
    if len(maps) <= MAX_SHOWN:
        return maps
    return [maps[round(i * (len(maps) - 1) / (MAX_SHOWN - 1))] for i in range(MAX_SHOWN)]


def _varies(shapes: list[torch.Size | None]) -> bool:
    return layer_shapes.layout(shapes) in ("map", "channels last") and shapes[0] != shapes[1]


def _blocks(model: nn.Module, path: str = "") -> list[str]:
    """Return the paths of a chain's blocks and nonlinearities; an inner chain of plain steps counts as one block."""
    found = []
    for name, part in model.named_children():
        inner = f"{path}{name}"
        chain = isinstance(part, nn.Sequential) and (not path or any(any(p.children()) for p in part))
        if chain:
            found += _blocks(part, f"{inner}.")
        elif any(part.children()) or type(part).__module__ == ACTIVATIONS:
            found.append(inner)
    return found
