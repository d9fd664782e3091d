"""A network that cannot be traced: its modules are listened to, and it stops once all that is wanted was heard."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from .layer_names import LOGITS


class _Heard(Exception):
    """Everything that is wanted is there: the rest need not be computed."""


class Hooked:
    """A network by its modules; see `graph.Graph`, of which this is the humbler sister.

    Attributes:
        names: of all modules.
    """

    def __init__(self, model: nn.Module):
        self._model = model.eval()
        self.names = [*filter(None, dict(model.named_modules())), LOGITS]

    def cut(self, layers: Mapping[str, str]) -> nn.Module:
        """Return a module that computes {what a layer is asked for as: its activation}."""
        return _Listening(self._model, {asked: "" if name == LOGITS else name for asked, name in layers.items()})


class _Listening(nn.Module):
    def __init__(self, model: nn.Module, paths: Mapping[str, str]):
        super().__init__()
        self.model, self.paths = model, dict(paths)
        self._heard: dict[str, Any] = {}
        for path in sorted(set(paths.values())):
            model.get_submodule(path).register_forward_hook(self._listener(path))

    def _listener(self, path: str) -> Any:
        def hear(module: nn.Module, args: Any, out: Any) -> None:
            # What the network does to this in place later must not show.
            self._heard[path] = out.clone() if isinstance(out, Tensor) else out
            if self._heard.keys() >= set(self.paths.values()):
                raise _Heard

        return hear

    def forward(self, x: Tensor) -> dict[str, Any]:
        self._heard = {}
        with contextlib.suppress(_Heard):
            self.model(x)
        heard, self._heard = self._heard, {}
        return {asked: heard[path] for asked, path in self.paths.items() if path in heard}
