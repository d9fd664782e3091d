"""Networks that torch.fx cannot trace: forward hooks collect their activations."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from .layer_names import LOGITS


class _AllCollected(Exception):
    """Every wanted activation has been computed; stops the forward pass."""


class Hooked:
    """A network whose layers are its modules, with the same methods as `traced.Traced`.

    Args:
        model: the network, frozen.

    Attributes:
        names: of all modules.
    """

    def __init__(self, model: nn.Module):
        self._model = model.eval()
        self.names = [*filter(None, dict(model.named_modules())), LOGITS]

    def truncate(self, layers: Mapping[str, str]) -> nn.Module:
        """Return a module that computes {requested name: activation} and stops after the deepest of them.

        Args:
            layers: the name each layer is requested by, and its name here.
        """
        return _HookedBody(self._model, {asked: "" if name == LOGITS else name for asked, name in layers.items()})


class _HookedBody(nn.Module):
    def __init__(self, model: nn.Module, paths: Mapping[str, str]):
        super().__init__()
        self.model, self.paths = model, dict(paths)
        self._outputs: dict[str, Any] = {}
        for path in sorted(set(paths.values())):
            model.get_submodule(path).register_forward_hook(self._collector(path))

    def _collector(self, path: str) -> Any:
        def collect(module: nn.Module, args: Any, out: Any) -> None:
            # a later layer may change its input in place
            self._outputs[path] = out.clone() if isinstance(out, Tensor) else out
            if self._outputs.keys() >= set(self.paths.values()):
                raise _AllCollected

        return collect

    def forward(self, x: Tensor) -> dict[str, Any]:
        self._outputs = {}
        with contextlib.suppress(_AllCollected):
            self.model(x)
        outputs, self._outputs = self._outputs, {}
        return {asked: outputs[path] for asked, path in self.paths.items() if path in outputs}
