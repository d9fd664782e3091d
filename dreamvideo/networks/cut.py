"""From a stock network to the body of a `Network`: cut at the layers that are wanted, every activation made a map."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import fx, nn

from . import layer_shapes
from .hooked import Hooked
from .layer_names import ALIASES, check_layers
from .traced import Traced, folded

MOST = 40  # layers that are worth showing
ACTIVATIONS = "torch.nn.modules.activation"  # where PyTorch keeps its nonlinearities


@dataclass(frozen=True)
class Stock:
    """A network as its library builds it.

    Attributes:
        name: what it is called.
        build: makes it with random weights.
        leaves: kinds of its modules that are not to be traced.
        functions: functions of its that are not to be traced.
    """

    name: str
    build: Callable[[], nn.Module]
    leaves: Sequence[type] = field(default=())
    functions: Sequence[Callable[..., Any]] = field(default=())

    def blank(self) -> nn.Module:
        """Return the network without any weights, which takes neither time nor memory (on the device "meta")."""
        try:
            with torch.device("meta"):
                return self.build()
        except NotImplementedError:  # RegNet computes with tensors how many channels it has
            return self.build().to("meta")

    def opened(self, model: nn.Module) -> Traced | Hooked:
        """Return a way into a network of this kind: as a graph, or by listening where it cannot be traced."""
        for module in model.modules():
            if getattr(module, "inplace", False):  # else the layer before would be handed out already rectified
                setattr(module, "inplace", False)  # noqa: B010 - mypy knows no such attribute
        try:
            return Traced(model, self.leaves, self.functions)
        except Exception:  # torch.fx raises anything from TraceError to what it makes the network's own code raise
            return Hooked(model)


@dataclass(frozen=True)
class Plan:
    """Where a network is to be cut; see `plan`.

    Attributes:
        stock: the network.
        layers: what each layer is asked for as, and its name in the network.
        kinds: what lies at each, by the name asked for.
    """

    stock: Stock
    layers: dict[str, str]
    kinds: dict[str, str]

    def cut(self, model: nn.Module) -> nn.Module:
        """Return the body cut out of a network of this kind, whose weights are what they shall be; it is used up."""
        body = self.stock.opened(model.requires_grad_(False)).cut(self.layers)
        if isinstance(body, fx.GraphModule):
            body = folded(body)
        return body if set(self.kinds.values()) == {"map"} else layer_shapes.Maps(body, self.kinds)


def plan(stock: Stock, layers: list[str]) -> Plan:
    """Find layers in a network, before any of its weights are there.

    Raises:
        ModelError: there is no such layer, or it is no map over the picture; the network does not take any size.
    """
    way = stock.opened(stock.blank())
    others = ALIASES.get(stock.name, {})
    check_layers(stock.name, layers, [*way.names, *others])
    names = {layer: others.get(layer, layer) for layer in layers}
    return Plan(stock, names, layer_shapes.kinds(stock.name, way.cut(names), list(names)))


def worthwhile(stock: Stock) -> list[str]:
    """Return the layers of a network that are worth showing, shallow to deep, `MOST` of them at most.

    They are its stages and blocks as far as these are chains, and of single steps the nonlinearities; all those that
    look at more than the picture as a whole.

    Raises:
        ModelError: the network does not take pictures of any size.
    """
    model = stock.blank()
    way = stock.opened(model)
    places = {name: place for place, name in enumerate(way.names)}
    names = sorted((name for name in _parts(model) if name in places), key=places.__getitem__)
    found = layer_shapes.survey(stock.name, way.cut({name: name for name in names}), names)
    maps = [
        name for name in names if layer_shapes.kind(found[name]) in ("map", "last") and found[name][0] != found[name][1]
    ]
    if len(maps) <= MOST:
        return maps
    return [maps[round(i * (len(maps) - 1) / (MOST - 1))] for i in range(MOST)]


def _parts(model: nn.Module, path: str = "") -> list[str]:
    """Return the paths of the blocks and nonlinearities of a chain; a chain of plain steps within it is one block."""
    found = []
    for name, part in model.named_children():
        inner = f"{path}{name}"
        chain = isinstance(part, nn.Sequential) and (not path or any(any(p.children()) for p in part))
        if chain:
            found += _parts(part, f"{inner}.")
        elif any(part.children()) or type(part).__module__ == ACTIVATIONS:
            found.append(inner)
    return found
