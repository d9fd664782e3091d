"""What lies at a layer: a map of channels over the picture, or something that has to be made one, or cannot be."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from ..errors import ModelError

SIDES = (96, 160)  # px; of the pictures that tell what depends on their size: what every network of any size can see


def survey(name: str, body: nn.Module, layers: list[str]) -> dict[str, list[torch.Size | None]]:
    """Return the shape of every layer's activation on a small and on a larger picture; None for what is no tensor.

    Args:
        name: the network's.
        body: it, from pictures to {layer: activation}, on the device "meta": nothing is computed, only shapes.
        layers: those to look at.

    Raises:
        ModelError: the network does not take pictures of any size.
    """
    found: dict[str, list[torch.Size | None]] = {layer: [] for layer in layers}
    for side in SIDES:
        try:
            activations = body.forward(torch.empty(1, 3, side, side, device="meta"))
        except Exception as error:  # what its own code trips over: most assert their one size, some do not
            raise ModelError(
                f"{name} does not take pictures of any size, which a dream needs: take another network"
            ) from error
        for layer in layers:
            value = activations.get(layer)
            found[layer].append(value.shape if isinstance(value, Tensor) else None)
    return found


def kind(shapes: list[torch.Size | None]) -> str:
    """Tell what an activation of such shapes is: a "map" (1, C, h, w), one with its channels "last" (1, h, w, C), a
    "vector" (1, C), or "" for none of these.
    """
    small, large = shapes
    if small is None or large is None or len(small) != len(large) or small[0] != 1:
        return ""
    if len(small) == 2 and small == large:
        return "vector"
    if len(small) == 4 and small[1] == large[1]:
        return "map"
    return "last" if len(small) == 4 and small[3] == large[3] else ""


def kinds(name: str, body: nn.Module, layers: list[str]) -> dict[str, str]:
    """Return what lies at every layer; see `survey` and `kind`.

    Raises:
        ModelError: a layer is no map and cannot be made one, or the network does not take pictures of any size.
    """
    found = {}
    for layer, shapes in survey(name, body, layers).items():
        found[layer] = kind(shapes)
        if not found[layer]:
            shape = "×".join(map(str, shapes[0])) if shapes[0] else "no tensor"
            raise ModelError(f"{layer} of {name} is no map of channels over the picture ({shape}): name another layer")
    return found


class Maps(nn.Module):
    """Makes maps (1, C, h, w) of all activations.

    Args:
        body: from pictures to {layer: activation}.
        kinds: what each is, as `kind` says.
    """

    def __init__(self, body: nn.Module, kinds: Mapping[str, str]):
        super().__init__()
        self.body, self.kinds = body, dict(kinds)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        return {layer: _map(value, self.kinds[layer]) for layer, value in self.body.forward(x).items()}


def _map(activation: Tensor, kind: str) -> Tensor:
    if kind == "last":
        return activation.permute(0, 3, 1, 2)
    return activation[..., None, None] if kind == "vector" else activation
