"""Layer names: the aliases of well-known networks, and suggestions for a name that does not exist."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from ..errors import ModelError

LOGITS = "logits"  # the class scores, in every network that classifies
# Inception v3 in Keras, in the order of torchvision's names.
_MIXED = ["5b", "5c", "5d", "6a", "6b", "6c", "6d", "6e", "7a", "7b", "7c"]
_KERAS = {f"mixed{i}": f"Mixed_{block}" for i, block in enumerate(_MIXED)}
# GoogLeNet in Caffe (bvlc_googlenet): each name means the output after the rectifier, as a module's name does here.
_TRUNK = {
    "conv1/7x7_s2": "conv1",
    "pool1/3x3_s2": "maxpool1",
    "conv2/3x3_reduce": "conv2",
    "conv2/3x3": "conv3",
    "pool2/3x3_s2": "maxpool2",
    "pool3/3x3_s2": "maxpool3",
    "pool4/3x3_s2": "maxpool4",
    "pool5/7x7_s1": "avgpool",
    "loss3/classifier": LOGITS,
}
_BRANCHES = {  # torchvision's branch3 has a 3×3 kernel where the paper has 5×5; it keeps the paper's name
    "1x1": ".branch1",
    "3x3_reduce": ".branch2.0",
    "3x3": ".branch2.1",
    "5x5_reduce": ".branch3.0",
    "5x5": ".branch3.1",
    "pool": ".branch4.0",
    "pool_proj": ".branch4.1",
    "output": "",
}
_BLOCKS = ["3a", "3b", "4a", "4b", "4c", "4d", "4e", "5a", "5b"]
_CAFFE = {f"inception_{b}/{part}": f"inception{b}{path}" for b in _BLOCKS for part, path in _BRANCHES.items()}


def _vgg(*convolutions: int) -> dict[str, str]:
    """Return Caffe's names of a VGG's layers, by the convolutions of each block; conv3_2 is block 3's second."""
    names, at = {}, 0
    for block, count in enumerate(convolutions, 1):
        for number in range(1, count + 1):
            names[f"conv{block}_{number}"] = f"features.{at + 1}"  # the rectifier's output
            at += 2
        names[f"pool{block}"] = f"features.{at}"
        at += 1
    return names


ALIASES = {  # network → {alias: torchvision's name}
    "inception_v3": _KERAS,
    "googlenet": _TRUNK | _CAFFE,
    "vgg16": _vgg(2, 2, 3, 3, 3),
    "vgg19": _vgg(2, 2, 4, 4, 4),
    "vgg16-hed": _vgg(2, 2, 3, 3, 3),
}


def check_layers(network: str, layers: Iterable[str], known: list[str]) -> None:
    """Raise a ModelError that suggests similar layers if one of `layers` is not `known`."""
    for layer in layers:
        if layer not in known:
            raise ModelError(f"{network} has no layer {layer!r}{nearest(layer, known)}")


def nearest(name: str, known: list[str]) -> str:
    """Return a hint for an unknown name: the known names most similar to it."""
    close = difflib.get_close_matches(name, known, n=4, cutoff=0.4)
    return ": did you mean " + ", ".join(close) + "?" if close else ": there is " + ", ".join(known[:20])
