"""torchvision's networks by name, cut and folded."""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import fx, nn

from ..errors import ModelError
from .convolution import Rectified
from .network import EMBEDDED, Network, check_layers, fit, nearest, read_weights

ALONE = (nn.Conv2d, Rectified, nn.MaxPool2d, nn.AvgPool2d)  # whose gradient is nobody else's


def torchvision(name: str, layers: list[str], weights: str) -> Network:
    """Return a torchvision network, cut after the deepest of `layers`; `weights` is a file, or empty to download."""
    import torchvision.models as zoo

    check_network(name)
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
    state = {k: v for k, v in read_weights(weights).items() if not k.startswith(("aux", "AuxLogits"))}
    extras = {"aux_logits": False, "init_weights": False, "transform_input": True}
    model: nn.Module = zoo.get_model(name, weights=None, **(extras if name in ("googlenet", "inception_v3") else {}))
    fit(model, state, weights)
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
    check_layers(name, layers, sorted(paths))
    extractor = create_feature_extractor(model, return_nodes={layer: layer for layer in layers})
    folded = fuse(extractor.eval(), inplace=True, no_trace=True)
    assert isinstance(folded, fx.GraphModule)
    return _rectify(folded)


def _rectify(network: fx.GraphModule) -> fx.GraphModule:
    """Join every convolution with the rectifier that alone looks at it."""
    for node in list(network.graph.nodes):
        top = _top(network, node)
        if top is None or not isinstance(conv := _module(network, node.args[0]), nn.Conv2d):
            continue
        plain = conv.stride[0] == conv.stride[1] and conv.padding_mode == "zeros" and not isinstance(conv.padding, str)
        if plain and conv.dilation == (1, 1) and conv.groups in (1, conv.out_channels) and len(node.args[0].users) == 1:
            network.set_submodule(node.args[0].target, Rectified(conv, top))
            node.replace_all_uses_with(node.args[0])
            network.graph.erase_node(node)
    for node in network.graph.nodes:
        if isinstance(join := _module(network, node), Rectified):
            join.private = all(isinstance(_module(network, user), ALONE) for user in node.users)
    network.recompile()
    return network


def _module(network: fx.GraphModule, node: Any) -> nn.Module | None:
    calls = isinstance(node, fx.Node) and node.op == "call_module"
    return network.get_submodule(str(node.target)) if calls else None


def _top(network: fx.GraphModule, node: fx.Node) -> float | None:
    """Return what a node clips at if it is a rectifier, else None."""
    module = _module(network, node)
    if isinstance(module, nn.ReLU) or node.target in (F.relu, torch.relu):
        return math.inf
    return 6.0 if isinstance(module, nn.ReLU6) or node.target == F.relu6 else None


def check_network(name: str) -> None:
    """Raise a ModelError that names the nearest networks if there is none of this name."""
    import torchvision.models as zoo

    names = [EMBEDDED, *zoo.list_models(module=zoo)]
    if name not in names:
        raise ModelError(f"no network is called {name!r}{nearest(name, names)}")
