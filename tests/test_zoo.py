"""Networks of torchvision and timm: the stock network's numbers at every layer, whatever is cut, folded and joined."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torchvision
from torch import Tensor, nn
from torchvision.models import get_model

from dreamvideo import models
from dreamvideo.models.convolution import Rectified
from dreamvideo.objective import energy

EXTRAS = {"init_weights": False, "transform_input": True}


def stock(name: str) -> nn.Module:
    """Return a network as torchvision has it, of random weights, its batch norms far from doing nothing."""
    torch.manual_seed(0)
    model = get_model(name, weights=None, **(EXTRAS if name in ("googlenet", "inception_v3") else {})).eval()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.uniform_(-0.5, 0.5)
            module.running_var.uniform_(0.5, 2)
    return model.requires_grad_(False)


@pytest.fixture
def published(monkeypatch: pytest.MonkeyPatch) -> Callable[[nn.Module], list[str]]:
    """Return a function that has a network's weights come from the net; it returns the list of what is asked for."""

    def publish(model: nn.Module) -> list[str]:
        asked = []

        def download(url: str, *args: object, check_hash: bool = False, **kwargs: object) -> dict[str, Tensor]:
            assert check_hash
            asked.append(url)
            state = model.state_dict()
            for key, value in state.items():
                state[key] = value.float()
            return state

        monkeypatch.setattr(torchvision.models._api, "load_state_dict_from_url", download)
        return asked

    return publish


def heard(model: nn.Module, image: Tensor, layers: list[str]) -> dict[str, Tensor]:
    """Return what a stock network puts out, by hooks; `relu_1` is what `relu` puts out when it is called again."""
    calls: dict[str, list[Tensor]] = {}
    modules = dict(model.named_modules())
    handles = []
    for layer in layers:
        path = "" if layer == "logits" else layer if layer in modules else re.sub(r"_\d+$", "", layer)

        def hear(module: nn.Module, args: Any, out: Tensor, path: str = path) -> None:
            calls[path] = [*calls.get(path, []), out.clone()]

        if path not in calls:
            calls[path] = []
            handles.append(modules[path].register_forward_hook(hear))
    model(image)
    for handle in handles:
        handle.remove()
    found = {}
    for layer in layers:
        path = "" if layer == "logits" else layer if layer in modules else re.sub(r"_\d+$", "", layer)
        found[layer] = calls[path][0 if path in ("", layer) else int(layer.rsplit("_", 1)[1])]
    return found


def agree(network: models.Network, model: nn.Module, layers: list[str], image: Tensor) -> None:
    """Assert that a network has the stock one's numbers at these layers, and leads the same gradient back."""
    wanted = heard(model, (image - network.mean) / network.std, layers)
    ours = network(image)
    assert ours.keys() == set(layers)
    goals = []
    for layer in layers:
        there, here = wanted[layer], ours[layer]
        there = there[..., None, None] if there.ndim == 2 else there
        there = there.permute(0, 3, 1, 2) if there.shape != here.shape else there  # Swin's channels stand last
        assert here.shape == there.shape, layer
        assert torch.allclose(here, there, atol=1e-6 * float(there.detach().abs().max())), layer
        goals.append([energy(out) / energy(there).detach() for out in (there, here)])
    slow, fast = (torch.autograd.grad(sum(parts), image)[0] for parts in zip(*goals, strict=True))
    assert float(slow.norm()) > 0
    assert float((fast - slow).norm()) < 1e-4 * float(slow.norm())


def picture(height: int = 80, width: int = 96) -> Tensor:
    source = torch.Generator().manual_seed(1)
    return torch.rand(1, 3, height, width, dtype=torch.float64, generator=source, requires_grad=True)


# A small member each: where to cut, how many rectifiers have a convolution before them there, and layers inside.
FAMILIES = {
    "alexnet": ("features.9", 4, ["features.6", "features.7"]),
    "convnext_tiny": ("features.3.1", 0, ["features.1.0.block.0", "features.1.0.block.3", "features.1.0"]),
    "densenet121": (
        "features.denseblock2",
        19,
        ["features.denseblock1.denselayer1.norm2", "features.denseblock1.denselayer1.relu2", "features.norm5"],
    ),
    "efficientnet_b0": ("features.4.1", 0, ["features.3.1.block.3", "features.3.1", "features.3.0.block.1.1"]),
    "googlenet": ("inception4c", 33, ["inception4a.branch2.1.bn", "inception4a.branch2.1"]),
    "inception_v3": ("Mixed_6c", 50, ["Mixed_6a.branch3x3.bn", "Mixed_6a.branch3x3"]),
    "mnasnet0_5": ("layers.10", 20, ["layers.9.1.layers.4", "layers.9.1.layers.5", "layers.9.1.layers.7"]),
    "mobilenet_v2": ("features.8", 16, ["features.3.conv.1.1", "features.3.conv.1.2", "features.3.conv.3"]),
    "mobilenet_v3_small": ("features.5", 8, ["features.5.block.3", "features.5", "features.3.block.0.1"]),
    "regnet_x_400mf": (
        "trunk_output.block3",
        11,
        ["trunk_output.block2.block2-0.f.a.1", "trunk_output.block2.block2-0"],
    ),
    "resnet18": ("layer3", 7, ["layer3.0.bn1", "layer3.0.relu", "layer3.0.bn2", "layer3.0.relu_1"]),
    "resnext50_32x4d": ("layer2", 8, ["layer2.0.conv2", "layer2.0.bn3", "layer2.0"]),
    "shufflenet_v2_x0_5": ("stage3.1", 15, ["stage2.1.branch2.1", "stage2.1.branch2.2", "stage2.1"]),
    "squeezenet1_1": ("features.7", 13, ["features.3.squeeze", "features.3.expand3x3", "features.3"]),
    "swin_t": ("features.3.1", 0, ["features.1.0", "features.0.0"]),
}


@pytest.mark.parametrize("name", FAMILIES)
def test_every_family_is_cut_folded_and_rectified_to_the_same_numbers(
    name: str, published: Callable[[nn.Module], list[str]]
) -> None:
    layer, rectified, inside = FAMILIES[name]
    model = stock(name)
    published(model)
    image = picture()
    network = models.load(name, [layer], dtype=torch.float64)
    assert sum(isinstance(m, Rectified) for m in network.body.modules()) == rectified
    assert not any(isinstance(m, nn.Linear) and m.out_features == 1000 for m in network.body.modules())
    model.double()
    agree(network, model, [layer], image)
    agree(models.load(name, [*inside, "logits"], dtype=torch.float64), model, [*inside, "logits"], image)
