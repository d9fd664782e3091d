"""torchvision's networks by name, with their published weights or a file of one's own."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from ..errors import ModelError
from .layer_names import nearest
from .network import EMBEDDED, Network
from .truncate import Stock, plan_truncation
from .weights import load_weights, read_weights

# GoogLeNet and Inception have classifiers for training only, and convert ImageNet's usual normalisation into their own.
EXTRAS = {"aux_logits": False, "init_weights": False, "transform_input": True}
AUXILIARY = {"googlenet": ("aux1.", "aux2."), "inception_v3": ("AuxLogits.",)}


def load_torchvision(name: str, layers: list[str], weights: str) -> Network:
    """Return a torchvision network, truncated after the deepest of `layers`.

    Args:
        name: as torchvision calls it.
        layers: by module path, or node of its graph.
        weights: empty for torchvision's default, the name of others it offers like "IMAGENET1K_V1", or a file.

    Raises:
        ModelError: a name or layer does not exist, or the weights cannot be read, do not fit, or cannot be downloaded.
    """
    import torchvision.models as zoo

    kind = stock(name)
    truncation = plan_truncation(kind, layers)
    offered = zoo.get_model_weights(name)
    published = offered.__members__.get(weights) or offered.DEFAULT
    if weights and weights not in offered.__members__:
        model = _with_own_weights(kind, weights, list(offered.__members__))
    else:
        model = _download(kind, published)
    transforms = published.transforms()
    return Network(name, truncation.apply(model), transforms.mean, transforms.std)


def stock(name: str) -> Stock:
    """Return a stock torchvision network.

    Raises:
        ModelError: torchvision has no network of this name.
    """
    import torchvision.models as zoo

    check_network(name)
    return Stock(name, lambda: zoo.get_model(name, weights=None, **(EXTRAS if name in AUXILIARY else {})))


def _download(kind: Stock, published: Any) -> nn.Module:
    remedy = f"bring the file yourself with --weights FILE.pth, or use the embedded network with --model {EMBEDDED}"
    return _loaded(kind, published_weights(kind.name, published, remedy), published.url)


def published_weights(name: str, published: Any, remedy: str) -> dict[str, Tensor]:
    """Return the state dict that torchvision publishes for a network: downloaded once, then read from its cache.

    Args:
        name: of the network, for the error.
        published: torchvision's entry of these weights.
        remedy: what to do where it cannot be downloaded, for the error.

    Raises:
        ModelError: the weights cannot be downloaded, or are not what was published.
    """
    try:
        state: dict[str, Tensor] = published.get_state_dict(progress=False, check_hash=True, weights_only=True)
    except Exception as error:  # no network, a bad checksum, or a file in the cache that holds more than tensors
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        raise ModelError(
            f"the weights of {name} could not be downloaded from {published.url} ({reason}): {remedy}"
        ) from error
    return state


def _with_own_weights(kind: Stock, weights: str, offered: list[str]) -> nn.Module:
    if re.fullmatch("[A-Z][A-Z0-9_]*", weights) and not Path(weights).exists():
        raise ModelError(f"{kind.name} has no weights {weights!r}: there are {', '.join(offered)}, or name a file")
    return _loaded(kind, read_weights(weights), weights)


def _loaded(kind: Stock, state: dict[str, Tensor], path: str) -> nn.Module:
    state = {k: v for k, v in state.items() if not k.startswith(AUXILIARY.get(kind.name, "\0"))}
    if kind.name.startswith("densenet"):  # its published files have the names of an older version
        state = {re.sub(r"\.(norm|conv)\.([12])\.", r".\1\2.", k): v for k, v in state.items()}
    model = kind.build()
    load_weights(model, state, path)
    return model


def categories() -> list[str]:
    """Return the names of ImageNet's 1,000 classes, in order."""
    import torchvision.models as zoo

    return list(zoo.ResNet18_Weights.DEFAULT.meta["categories"])


def check_network(name: str) -> None:
    """Raise a ModelError that suggests similar names if no network is called this."""
    import torchvision.models as zoo

    names = [EMBEDDED, *zoo.list_models(module=zoo)]
    if name not in names:
        raise ModelError(f"no network is called {name!r}{nearest(name, names)}")
