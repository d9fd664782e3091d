"""The zoo: a network by name, cut after the deepest layer in use, as `features(image) -> {layer: activation}`.

Everything a network needs to know about pixels (normalisation, precision, memory format) stays in here; outside,
an image is float32 RGB in [0, 1].
"""

from __future__ import annotations

from collections.abc import Iterable

import torch

from ..errors import ModelError
from .lite0 import lite0
from .network import EMBEDDED, Network, half_pays, nearest
from .zoo import check_network, torchvision

__all__ = ["EMBEDDED", "Network", "categories", "default_layers", "half_pays", "layers", "load", "nearest"]

# What a network dreams of when the recipe names no layers: those that look best, or the field's habit.
DEFAULT_LAYERS = {
    EMBEDDED: "blocks.9=1,blocks.10=1",
    "inception_v3": "Mixed_5d=0.2,Mixed_6a=3,Mixed_6b=2,Mixed_6c=1.5",  # Chollet's table, in torchvision's names
    "googlenet": "inception4c=1",
    "vgg16": "features.22=1",
    "vgg19": "features.25=1",
    "resnet50": "layer3=1",
}


def load(name: str, layers: Iterable[str], weights: str = "", dtype: torch.dtype = torch.float32) -> Network:
    """Return the network `name`, cut after the deepest of `layers`, batch norm folded, frozen and channels-last.

    Args:
        name: "efficientnet-lite0" (embedded) or any torchvision classification network.
        layers: the layers whose activations are wanted, by module path ("blocks.9", "layer3", "inception4c").
        weights: a state-dict file of one's own; empty for the network's published weights.
        dtype: the precision the network computes in.

    Raises:
        ModelError: no such network or layer; weights that cannot be read, do not fit, or cannot be downloaded.
    """
    layers = list(layers)
    network = lite0(layers, weights) if name == EMBEDDED else torchvision(name, layers, weights)
    network.body.to(dtype=dtype, memory_format=torch.channels_last)  # type: ignore[call-overload]
    return network


def layers(name: str) -> list[str]:
    """Return the layers of a network that are worth showing, shallow to deep.

    Raises:
        ModelError: no such network, or none whose layers are known.
    """
    if name != EMBEDDED:
        check_network(name)
        raise ModelError(f"the layers of {name} are not listed: take --layer and --channels, or --model {EMBEDDED}")
    return ["stem", *(f"blocks.{i}" for i in range(16)), "head"]


def default_layers(name: str) -> str:
    """Return the layer table a network dreams with unless told otherwise, as written after `--layers`."""
    if name not in DEFAULT_LAYERS:
        check_network(name)
        raise ModelError(f"the network {name} has no default layers: name some, like --layers layer3=1")
    return DEFAULT_LAYERS[name]


def categories() -> list[str]:
    from torchvision.models._meta import _IMAGENET_CATEGORIES

    return list(_IMAGENET_CATEGORIES)
