"""A network as its torch.fx graph: truncated at the wanted layers, batch norm folded, convolutions fused with ReLU."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import fx, nn

from .convolution import ConvReLU
from .layer_names import LOGITS

FRESH_GRADIENT = (nn.Conv2d, ConvReLU, nn.MaxPool2d, nn.AvgPool2d)  # whose input gradient is a tensor of its own
NO_OPS = (nn.Dropout, nn.Dropout2d, nn.Identity)  # in evaluation


class Traced:
    """The graph of a network, with every node named as torchvision does: `layer3.0.bn1`, `layer3.0.relu_1`.

    (torchvision's own create_feature_extractor traces every network twice, knows no layer by two names, and lists
    neither the modules nor the network's output among its nodes' names.)

    Args:
        model: the network, frozen; it is changed.
        leaves: module types, besides PyTorch's own, that become one node each.
        functions: functions that become one node each.

    Attributes:
        names: of all nodes and modules, in the order in which they are computed.

    Raises:
        Exception: of any kind, where the network cannot be traced.
    """

    def __init__(self, model: nn.Module, leaves: Sequence[type] = (), functions: Sequence[Callable[..., Any]] = ()):
        from torchvision import ops
        from torchvision.models.feature_extraction import NodePathTracer

        wrapped = {"autowrap_modules": (math, ops), "autowrap_functions": tuple(functions)}
        tracer = NodePathTracer(leaf_modules=list(leaves), **wrapped)
        self._module = fx.GraphModule(model, tracer.trace(model.eval()))
        self._nodes: dict[str, fx.Node] = {}  # every node by its name, and every module's last node by the module's
        for node, path in tracer.node_to_qualname.items():
            parts = path.split(".")
            for i in range(len(parts)):
                name = ".".join(parts[: i + 1])
                self._nodes.pop(name, None)
                self._nodes[name] = node
        self._nodes[LOGITS] = self._output.args[0]  # type: ignore[assignment]
        self.names = list(self._nodes)

    @property
    def _output(self) -> fx.Node:
        return next(node for node in self._module.graph.nodes if node.op == "output")

    def truncate(self, layers: Mapping[str, str]) -> fx.GraphModule:
        """Return a module that computes {requested name: activation}, and nothing deeper.

        Args:
            layers: the name each layer is requested by, and its name here; two may request the same layer.
        """
        self._output.args = ({asked: self._nodes[name] for asked, name in layers.items()},)
        self._module.graph.eliminate_dead_code()
        _remove_no_ops(self._module)
        self._module.recompile()
        return fx.GraphModule(self._module, self._module.graph)  # with the modules that are still in use, and no more


def fold_and_fuse(network: fx.GraphModule) -> fx.GraphModule:
    """Return a truncated network with batch norms folded into convolutions, and these fused with their ReLU."""
    from torch.fx.experimental.optimization import fuse

    folded = fuse(network.eval(), inplace=True, no_trace=True)
    assert isinstance(folded, fx.GraphModule)
    return _fuse_relus(folded)


def _remove_no_ops(network: fx.GraphModule) -> None:
    """Remove nodes that do nothing in evaluation, and let none change its input in place.

    (Additions in place need no care: torch.fx records them as plain additions.)
    """
    for node in list(network.graph.nodes):
        no_op = isinstance(_module(network, node), NO_OPS) or getattr(node.target, "__name__", "") == "stochastic_depth"
        if no_op:
            node.replace_all_uses_with(node.args[0])
            network.graph.erase_node(node)
        elif "inplace" in node.kwargs:
            node.kwargs = {**node.kwargs, "inplace": False}


def _fuse_relus(network: fx.GraphModule) -> fx.GraphModule:
    """Fuse every convolution with the ReLU that is its only user."""
    calls = Counter(node.target for node in network.graph.nodes if node.op == "call_module")
    for node in list(network.graph.nodes):
        ceiling = _relu_ceiling(network, node)
        if ceiling is None or not isinstance(conv := _module(network, node.args[0]), nn.Conv2d) or not _fusible(conv):
            continue
        if len(node.args[0].users) == 1 and calls[node.args[0].target] == 1:
            network.set_submodule(node.args[0].target, ConvReLU(conv, ceiling))
            node.replace_all_uses_with(node.args[0])
            network.graph.erase_node(node)
    for node in network.graph.nodes:
        if isinstance(fused := _module(network, node), ConvReLU):
            fused.owns_gradient = all(isinstance(_module(network, user), FRESH_GRADIENT) for user in node.users)
    network.recompile()
    return network


def _fusible(conv: nn.Conv2d) -> bool:
    """Tell whether `ConvReLU` supports a convolution."""
    plain = conv.stride[0] == conv.stride[1] and conv.padding_mode == "zeros" and not isinstance(conv.padding, str)
    dense_or_depthwise = conv.groups == 1 or conv.groups == conv.in_channels == conv.out_channels
    return plain and dense_or_depthwise and conv.dilation == (1, 1)


def _module(network: fx.GraphModule, node: Any) -> nn.Module | None:
    calls = isinstance(node, fx.Node) and node.op == "call_module"
    return network.get_submodule(str(node.target)) if calls else None


def _relu_ceiling(network: fx.GraphModule, node: fx.Node) -> float | None:
    """Return the value a node clips at if it is a ReLU (infinite) or ReLU6 (6), else None."""
    module = _module(network, node)
    if isinstance(module, nn.ReLU) or node.target in (F.relu, torch.relu):
        return math.inf
    return 6.0 if isinstance(module, nn.ReLU6) or node.target == F.relu6 else None
