"""torchvision's networks by name, cut and folded."""

from __future__ import annotations

from typing import Any

from torch import nn

from ..errors import ModelError
from .network import EMBEDDED, Network, check_layers, fit, nearest, read_weights


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
    return fuse(extractor.eval(), inplace=True, no_trace=True)


def check_network(name: str) -> None:
    """Raise a ModelError that names the nearest networks if there is none of this name."""
    import torchvision.models as zoo

    names = [EMBEDDED, *zoo.list_models(module=zoo)]
    if name not in names:
        raise ModelError(f"no network is called {name!r}{nearest(name, names)}")
