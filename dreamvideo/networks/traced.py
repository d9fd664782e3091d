"""A network as the graph of what it computes (torch.fx): cut where layers are wanted, folded and rectified."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import fx, nn

from .convolution import Rectified
from .layer_names import LOGITS

ALONE = (nn.Conv2d, Rectified, nn.MaxPool2d, nn.AvgPool2d)  # whose gradient is nobody else's
IDLE = (nn.Dropout, nn.Dropout2d, nn.Identity)  # that hand on what they get


class Traced:
    """The graph of a network, every step of it named as torchvision does: `layer3.0.bn1`, `layer3.0.relu_1`.

    Args:
        model: the network, frozen; it is changed.
        leaves: kinds of modules that are one step each, beside PyTorch's own.
        functions: functions that are one step each.

    Attributes:
        names: of all steps and modules, in the order in which they are done.

    Raises:
        Exception: of any kind, where the network cannot be traced.
    """

    def __init__(self, model: nn.Module, leaves: Sequence[type] = (), functions: Sequence[Callable[..., Any]] = ()):
        from torchvision import ops
        from torchvision.models.feature_extraction import NodePathTracer

        wrapped = {"autowrap_modules": (math, ops), "autowrap_functions": tuple(functions)}
        tracer = NodePathTracer(leaf_modules=list(leaves), **wrapped)
        self._module = fx.GraphModule(model, tracer.trace(model.eval()))
        self._nodes: dict[str, fx.Node] = {}  # the last step of every module, and every step
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

    def cut(self, layers: Mapping[str, str]) -> fx.GraphModule:
        """Return a module that computes {what a layer is asked for as: its activation}, and nothing deeper.

        Args:
            layers: what each is asked for as, and its name here.
        """
        self._output.args = ({asked: self._nodes[name] for asked, name in layers.items()},)
        self._module.graph.eliminate_dead_code()
        _own(self._module)
        self._module.recompile()
        return fx.GraphModule(self._module, self._module.graph)  # holds what is still in use, and no more


def folded(network: fx.GraphModule) -> fx.GraphModule:
    """Return a cut network with batch norm folded into convolutions, and these joined with their rectifiers."""
    from torch.fx.experimental.optimization import fuse

    fused = fuse(network.eval(), inplace=True, no_trace=True)
    assert isinstance(fused, fx.GraphModule)
    return _rectify(fused)


def _own(network: fx.GraphModule) -> None:
    """Let no step change what another looks at, and leave out those that do nothing.

    (What a network adds in place, torch.fx adds anew.)
    """
    for node in list(network.graph.nodes):
        idle = isinstance(_module(network, node), IDLE) or getattr(node.target, "__name__", "") == "stochastic_depth"
        if idle:
            node.replace_all_uses_with(node.args[0])
            network.graph.erase_node(node)
        elif "inplace" in node.kwargs:
            node.kwargs = {**node.kwargs, "inplace": False}


def _rectify(network: fx.GraphModule) -> fx.GraphModule:
    """Join every convolution with the rectifier that alone looks at it."""
    calls = Counter(node.target for node in network.graph.nodes if node.op == "call_module")
    for node in list(network.graph.nodes):
        top = _top(network, node)
        if top is None or not isinstance(conv := _module(network, node.args[0]), nn.Conv2d) or not _suits(conv):
            continue
        if len(node.args[0].users) == 1 and calls[node.args[0].target] == 1:
            network.set_submodule(node.args[0].target, Rectified(conv, top))
            node.replace_all_uses_with(node.args[0])
            network.graph.erase_node(node)
    for node in network.graph.nodes:
        if isinstance(join := _module(network, node), Rectified):
            join.private = all(isinstance(_module(network, user), ALONE) for user in node.users)
    network.recompile()
    return network


def _suits(conv: nn.Conv2d) -> bool:
    """Tell whether `Rectified` can make a convolution."""
    plain = conv.stride[0] == conv.stride[1] and conv.padding_mode == "zeros" and not isinstance(conv.padding, str)
    whole = conv.groups == 1 or conv.groups == conv.in_channels == conv.out_channels
    return plain and whole and conv.dilation == (1, 1)


def _module(network: fx.GraphModule, node: Any) -> nn.Module | None:
    calls = isinstance(node, fx.Node) and node.op == "call_module"
    return network.get_submodule(str(node.target)) if calls else None


def _top(network: fx.GraphModule, node: fx.Node) -> float | None:
    """Return what a node clips at if it is a rectifier, else None."""
    module = _module(network, node)
    if isinstance(module, nn.ReLU) or node.target in (F.relu, torch.relu):
        return math.inf
    return 6.0 if isinstance(module, nn.ReLU6) or node.target == F.relu6 else None
