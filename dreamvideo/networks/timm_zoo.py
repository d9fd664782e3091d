"""Networks of timm (PyTorch Image Models), named like `timm:resnet18.a1_in1k`."""

from __future__ import annotations

import contextlib
import functools
import logging
from collections import OrderedDict
from collections.abc import Iterator
from typing import Any

from torch import nn

from ..errors import ModelError
from .layer_names import nearest
from .network import Network
from .truncate import Stock, plan_truncation
from .weights import load_weights, read_weights

PREFIX = "timm:"


def load_timm(name: str, layers: list[str], weights: str) -> Network:
    """Return a network of timm, truncated after the deepest of `layers`.

    Args:
        name: with the prefix "timm:".
        layers: by module path, or node of its graph.
        weights: a weights file; empty to download the published weights.

    Raises:
        ModelError: timm is missing, a name or layer does not exist, or the weights cannot be loaded.
    """
    kind = stock(name)
    truncation = plan_truncation(kind, layers)
    model = _with_own_weights(kind, weights) if weights else _download(name)
    about = model.pretrained_cfg
    return Network(name, truncation.apply(_split_norms(model)), about["mean"], about["std"])


def stock(name: str) -> Stock:
    """Return a stock network of timm.

    Raises:
        ModelError: timm is missing, or has no network of this name.
    """
    library = _library()
    known = library.list_models() + library.list_pretrained()
    own_name = name.removeprefix(PREFIX)
    if own_name not in known:
        raise ModelError(f"timm has no network {own_name!r}{nearest(own_name, known)}")
    layers = library.layers
    # BatchNormAct2d must not be a leaf: it is split, so that its batch norm can be folded
    leaves = [module for module in layers.get_notrace_modules() if module is not layers.BatchNormAct2d]
    build = functools.partial(library.create_model, own_name)
    return Stock(name, lambda: _split_norms(build()), leaves, layers.get_notrace_functions())


def stage(name: str, reduction: int) -> str:
    """Return the deepest stage of a network whose maps are at most `reduction` times smaller than the picture.

    Empty where timm knows of none that can be dreamed with.

    Raises:
        ModelError: as for `stock`.
    """
    kind = stock(name)
    model: Any = kind.on_meta()
    stages = [about for about in getattr(model, "feature_info", None) or [] if about["reduction"] <= reduction]
    for about in reversed(stages):
        with contextlib.suppress(ModelError):  # it is no layer, or no map over the picture
            plan_truncation(kind, [about["module"]])
            return str(about["module"])
    return ""


def _library() -> Any:
    try:
        import timm as library
    except ImportError as error:
        raise ModelError("networks of timm need timm: pip install 'dreamvideo[timm]'") from error
    return library


def _download(name: str) -> Any:
    try:
        with _quiet_hub():
            return _library().create_model(name.removeprefix(PREFIX), pretrained=True)
    except Exception as error:  # the hub's client raises its own, its transport's, and the system's
        reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
        raise ModelError(
            f"the weights of {name} could not be downloaded ({reason}): bring the file yourself with --weights FILE"
        ) from error


@contextlib.contextmanager
def _quiet_hub() -> Iterator[None]:
    """Silence the hub's client, which logs every attempt; an error is reported in one line instead."""
    from huggingface_hub.utils.logging import get_verbosity, set_verbosity

    usual = get_verbosity()
    set_verbosity(logging.ERROR)
    try:
        yield
    finally:
        set_verbosity(usual)


def _with_own_weights(kind: Stock, weights: str) -> Any:
    model = _library().create_model(kind.name.removeprefix(PREFIX))
    load_weights(model, read_weights(weights), weights)
    return model


def _split_norms(model: nn.Module) -> nn.Module:
    """Split every batch norm that contains a nonlinearity into `norm` and `act`; return the network."""
    joined: Any = _library().layers.BatchNormAct2d
    for module in list(model.modules()):
        for name, child in module.named_children():
            part: Any = child
            if type(part) is joined and part.track_running_stats and part.affine:
                norm = nn.BatchNorm2d(part.num_features, part.eps, part.momentum, device=part.weight.device)
                norm.load_state_dict(part.state_dict(), assign=True)
                module.add_module(name, nn.Sequential(OrderedDict(norm=norm, act=part.act)))
    return model
