"""timm's networks (PyTorch Image Models), as `timm:resnet18.a1_in1k`."""

from __future__ import annotations

import contextlib
import functools
import logging
from collections import OrderedDict
from collections.abc import Iterator
from typing import Any

from torch import nn

from ..errors import ModelError
from .cut import Stock, plan
from .layer_names import nearest
from .network import Network
from .weights import fit, read_weights

PREFIX = "timm:"


def load_timm(name: str, layers: list[str], weights: str) -> Network:
    """Return a network of timm, cut after the deepest of `layers`; `weights` is a file, or empty to download."""
    kind = stock(name)
    cut = plan(kind, layers)
    model = _with_own_weights(kind, weights) if weights else _download(name)
    about = model.pretrained_cfg
    return Network(name, cut.cut(_split(model)), about["mean"], about["std"])


def stock(name: str) -> Stock:
    """Return a network of timm as it comes.

    Raises:
        ModelError: timm is missing, or has none of this name.
    """
    library = _library()
    known = library.list_models() + library.list_pretrained()
    called = name.removeprefix(PREFIX)
    if called not in known:
        raise ModelError(f"timm has no network {called!r}{nearest(called, known)}")
    layers = library.layers
    # batch norms are taken by_shot from the nonlinearities they carry, so that they can be folded
    leaves = [module for module in layers.get_notrace_modules() if module is not layers.BatchNormAct2d]
    build = functools.partial(library.create_model, called)
    return Stock(name, lambda: _split(build()), leaves, layers.get_notrace_functions())


def _library() -> Any:
    try:
        import timm as library
    except ImportError as error:
        raise ModelError("networks of timm need timm: pip install 'dreamvideo[timm]'") from error
    return library


def _download(name: str) -> Any:
    try:
        with _quiet():
            return _library().create_model(name.removeprefix(PREFIX), pretrained=True)
    except Exception as error:  # the hub's client raises its own, its transport's, and the system's
        told = next(iter(str(error).strip().splitlines()), type(error).__name__)
        raise ModelError(
            f"the weights of {name} could not be downloaded ({told}): bring the file yourself with --weights FILE"
        ) from error


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep the hub's client from telling of every try and bar: what came of it is told in one line."""
    from huggingface_hub.utils.logging import get_verbosity, set_verbosity

    usual = get_verbosity()
    set_verbosity(logging.ERROR)
    try:
        yield
    finally:
        set_verbosity(usual)


def _with_own_weights(kind: Stock, weights: str) -> Any:
    model = _library().create_model(kind.name.removeprefix(PREFIX))
    fit(model, read_weights(weights), weights)
    return model


def _split(model: nn.Module) -> nn.Module:
    """Take every batch norm with a nonlinearity of its own by_shot, into `norm` and `act`; return the network."""
    joined: Any = _library().layers.BatchNormAct2d
    for module in list(model.modules()):
        for name, child in module.named_children():
            part: Any = child
            if type(part) is joined and part.track_running_stats and part.affine:
                norm = nn.BatchNorm2d(part.num_features, part.eps, part.momentum, device=part.weight.device)
                norm.load_state_dict(part.state_dict(), assign=True)
                module.add_module(name, nn.Sequential(OrderedDict(norm=norm, act=part.act)))
    return model
