"""The shape of each layer's activation: a map of channels over the picture, or something that can be made into one."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from ..errors import ModelError

SIDES = (96, 160)  # px; two picture sizes that show which dimensions grow with the picture


def activation_shapes(name: str, body: nn.Module, layers: list[str]) -> dict[str, list[torch.Size | None]]:
    """Return the shape of every layer's activation on a small and on a larger picture; None for what is no tensor.

    Args:
        name: the network's.
        body: computes {layer: activation}, on the device "meta": only shapes are computed.
        layers: the layers to look at.

    Raises:
        ModelError: the network does not take pictures of any size.
    """
    shapes: dict[str, list[torch.Size | None]] = {layer: [] for layer in layers}
    for side in SIDES:
        try:
            activations = body.forward(torch.empty(1, 3, side, side, device="meta"))
        except Exception as error:  # most such networks assert their one size, others fail anywhere
            raise ModelError(
                f"{name} does not take pictures of any size, which a dream needs: take another network"
            ) from error
        for layer in layers:
            value = activations.get(layer)
            shapes[layer].append(value.shape if isinstance(value, Tensor) else None)
    return shapes


def layout(shapes: list[torch.Size | None]) -> str:
    """Return the layout of an activation from its shapes on both pictures.

    It is a "map" (1, C, h, w), a map with "channels last" (1, h, w, C), a "vector" (1, C), or "" for none of these.
    """
    small, large = shapes
    if small is None or large is None or len(small) != len(large) or small[0] != 1:
        return ""
    if len(small) == 2 and small == large:
        return "vector"
    if len(small) == 4 and small[1] == large[1]:
        return "map"
    return "channels last" if len(small) == 4 and small[3] == large[3] else ""


def layouts(name: str, body: nn.Module, layers: list[str]) -> dict[str, str]:
    """Return the layout of every layer's activation; see `activation_shapes` and `layout`.

    Raises:
        ModelError: a layer is no map and cannot be made one, or the network does not take pictures of any size.
    """
    found = {}
    for layer, shapes in activation_shapes(name, body, layers).items():
        found[layer] = layout(shapes)
        if not found[layer]:
            shape = "×".join(map(str, shapes[0])) if shapes[0] else "no tensor"
            raise ModelError(f"{layer} of {name} is no map of channels over the picture ({shape}): name another layer")
    return found


class Maps(nn.Module):
    """Brings all activations of a network into the layout (1, C, h, w).

    Args:
        body: computes {layer: activation}.
        layouts: the layout of each, as `layout` names it.
    """

    def __init__(self, body: nn.Module, layouts: Mapping[str, str]):
        super().__init__()
        self.body, self.layouts = body, dict(layouts)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        return {layer: _as_map(value, self.layouts[layer]) for layer, value in self.body.forward(x).items()}


def _as_map(activation: Tensor, layout: str) -> Tensor:
    if layout == "channels last":
        return activation.permute(0, 3, 1, 2)
    return activation[..., None, None] if layout == "vector" else activation
