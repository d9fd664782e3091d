"""Networks compute the right numbers, are truncated where asked, and say clearly what cannot be loaded."""

from __future__ import annotations

import copy
import math
import urllib.error
from pathlib import Path

import cv2
import pytest
import torch
import torch.nn.functional as F
import torchvision
from conftest import Published, tensor
from skimage import data
from torchvision.models import get_model

from dreamvideo import ModelError
from dreamvideo.dream.objective.response import energy
from dreamvideo.networks import winograd
from dreamvideo.networks.convolution import ConvReLU
from dreamvideo.networks.efficientnet_lite import Lite
from dreamvideo.networks.embedded import VARIANTS
from dreamvideo.networks.inverted_residual import InvertedResidual, SameConv
from dreamvideo.networks.kernel import Kernel
from dreamvideo.networks.load import load_network
from dreamvideo.networks.network import EMBEDDED

ESPRESSO, TABBY, TIGER_CAT, EGYPTIAN_CAT = 967, 281, 282, 285


def square(photo: str) -> torch.Tensor:
    pixels = getattr(data, photo)()
    side = min(pixels.shape[:2])
    top, left = (pixels.shape[0] - side) // 2, (pixels.shape[1] - side) // 2
    crop = pixels[top : top + side, left : left + side]
    return tensor(cv2.resize(crop, (224, 224), interpolation=cv2.INTER_AREA))[None]


@pytest.mark.parametrize("name", VARIANTS)
@pytest.mark.parametrize(("photo", "classes"), [("coffee", {ESPRESSO}), ("chelsea", {TABBY, TIGER_CAT, EGYPTIAN_CAT})])
def test_the_embedded_networks_classify_photos_correctly(name: str, photo: str, classes: set[int]) -> None:
    logits = load_network(name, ["logits"])(square(photo))["logits"]
    best = logits.flatten().softmax(0).topk(1)
    assert best.indices.item() in classes
    assert best.values.item() > 0.3


def test_same_padding_adds_the_odd_pixel_on_the_right_and_bottom() -> None:
    conv = SameConv(1, 1, 3, stride=2).eval()
    torch.nn.init.constant_(conv.conv.weight, 0.25)
    conv.fold()
    row = torch.arange(4.0).expand(1, 1, 4, 4)
    # TensorFlow, 4 wide, kernel 3, stride 2: windows 0-2 and 2-(4), nothing to the left
    assert torch.allclose(conv(row)[0, 0, 0], torch.tensor([9.0, 15.0]) / 4, atol=0.05)


@pytest.mark.parametrize(("kernel", "stride"), [(3, 1), (3, 2), (5, 1), (5, 2)])
@pytest.mark.parametrize(("height", "width"), [(17, 23), (18, 24), (17, 24)])
@pytest.mark.parametrize("groups", [1, 12])
def test_folding_and_fusing_keep_the_numbers(kernel: int, stride: int, height: int, width: int, groups: int) -> None:
    torch.manual_seed(0)
    conv = SameConv(12 if groups > 1 else 3, 12, kernel, stride, groups).eval()
    conv.norm.running_mean.uniform_(-1, 1)
    conv.norm.running_var.uniform_(0.5, 2)
    torch.nn.init.normal_(conv.conv.weight, std=1.0)
    image = torch.rand(1, conv.conv.in_channels, height, width, requires_grad=True)
    margins = []
    for side in (width, height):  # by the definition of SAME
        lacking = (-(-side // stride) - 1) * stride + kernel - side
        margins += [lacking // 2, lacking - lacking // 2]
    reference = F.relu6(conv.norm(F.conv2d(F.pad(image, margins), conv.conv.weight, None, stride, 0, 1, groups)))
    there = torch.randn_like(reference)
    (wanted,) = torch.autograd.grad(reference, image, there)
    conv.requires_grad_(False).fold()
    fast = conv(image)
    assert 0.1 < float((fast == 6).float().mean() + (fast == 0).float().mean()) < 0.9
    assert torch.allclose(fast, reference, atol=1e-4)
    (gradient,) = torch.autograd.grad(fast, image, there)
    assert torch.allclose(gradient, wanted, atol=1e-4 * float(wanted.abs().max()))


@pytest.mark.parametrize(("height", "width"), [(40, 64), (33, 47), (3, 5)])
def test_winograd_computes_the_same_convolution(height: int, width: int) -> None:
    torch.manual_seed(0)
    conv = torch.nn.Conv2d(96, 128, 3, padding=1).requires_grad_(False)
    assert winograd.supports(conv.weight, 1, (1, 1), 1)
    image = torch.rand(1, 96, height, width).to(memory_format=torch.channels_last).requires_grad_()
    slow, fast = conv(image).relu(), ConvReLU(conv, math.inf)(image)
    assert torch.allclose(fast, slow, atol=1e-4 * float(slow.detach().max()))
    there = torch.randn_like(slow)
    wanted, found = (torch.autograd.grad(out, image, there)[0] for out in (slow, fast))
    assert torch.allclose(found, wanted, atol=1e-4 * float(wanted.abs().max()))
    assert not winograd.supports(torch.nn.Conv2d(96, 128, 3).bfloat16().weight, 1, (1, 1), 1)


@pytest.mark.parametrize("groups", [1, 12])
@pytest.mark.parametrize(("kernel", "padding"), [(1, 1), (3, 3), (3, 0)])
def test_a_convolution_padded_by_more_than_its_kernel_has_its_gradient(kernel: int, padding: int, groups: int) -> None:
    torch.manual_seed(0)
    conv = torch.nn.Conv2d(12, 12, kernel, padding=padding, groups=groups).requires_grad_(False)
    image = torch.rand(1, 12, 9, 11).to(memory_format=torch.channels_last).requires_grad_()
    slow, fast = conv(image).relu(), ConvReLU(conv, math.inf)(image)
    there = torch.randn_like(slow)
    wanted, found = (torch.autograd.grad(out, image, there)[0] for out in (slow, fast))
    assert torch.allclose(found, wanted, atol=1e-5)


@pytest.mark.parametrize(("height", "width"), [(131, 97), (130, 98), (94, 65)])
def test_a_block_on_a_cpu_has_the_gradient_of_its_parts(
    height: int, width: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = load_network(EMBEDDED, ["blocks.10"])
    image = torch.rand(1, 3, height, width, generator=torch.Generator().manual_seed(0), requires_grad=True)
    found = []
    for _ in range(2):
        value = energy(network(image)["blocks.10"])
        found.append((value, torch.autograd.grad(value, image)[0]))
        monkeypatch.setattr(InvertedResidual, "forward", InvertedResidual.whole)
    (at_once, gradient), (by_parts, wanted) = found
    assert float(at_once.detach()) == pytest.approx(float(by_parts.detach()), rel=1e-4)
    assert torch.allclose(gradient, wanted, atol=1e-4 * float(wanted.abs().max()))


def reference_activations(body: Lite, image: torch.Tensor) -> dict[str, torch.Tensor]:
    """Return every activation of an embedded network whose batch norms are not folded yet, computed step by step."""
    found = {}

    def conv(name: str, part: SameConv, x: torch.Tensor) -> torch.Tensor:
        margins = []
        kernel, stride = part.conv.kernel_size[0], part.stride
        for side in reversed(x.shape[-2:]):
            lacking = max((-(-side // stride) - 1) * stride + kernel - side, 0)
            margins += [lacking // 2, lacking - lacking // 2]
        y = part.norm(F.conv2d(F.pad(x, margins), part.conv.weight, None, stride, 0, 1, part.conv.groups))
        if part.relu:
            found[f"{name}.pre"] = y
            y = F.relu6(y)
        found[name] = y
        return y

    x = conv("stem", body.stem, image)
    for i, block in enumerate(body.blocks):
        y = conv(f"blocks.{i}.expand", block.expand, x) if isinstance(block.expand, SameConv) else x
        y = conv(f"blocks.{i}.depthwise", block.depthwise, y)
        y = conv(f"blocks.{i}.project", block.project, y)
        x = found[f"blocks.{i}"] = x + y if block.residual else y
    x = conv("head", body.head, x)
    found["logits"] = body.fc(x.mean((2, 3)))[..., None, None]
    return found


def test_every_layer_of_the_embedded_network_equals_the_reference() -> None:
    torch.manual_seed(0)
    body = Lite(VARIANTS[EMBEDDED].stages()).double().eval().requires_grad_(False)
    for module in body.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.uniform_(-1, 1)
            module.running_var.uniform_(0.01, 0.1)
    image = torch.rand(1, 3, 75, 98, dtype=torch.float64, requires_grad=True)
    plain = reference_activations(body, image)
    assert plain.keys() == set(body.names())
    for module in body.modules():
        if isinstance(module, SameConv):
            module.fold()
    chosen = [["blocks.2.expand", "blocks.3"], ["stem.pre", "blocks.0.depthwise", "blocks.9.project"]]
    chosen += [["blocks.9.depthwise.pre"], ["blocks.1.expand.pre", "blocks.1.depthwise", "logits"], body.names()]
    for layers in chosen:
        body = copy.deepcopy(body)
        body.truncate(layers)
        found = body(image)
        assert found.keys() == set(layers)
        for layer in layers:
            assert torch.allclose(found[layer], plain[layer]), layer
        sides = [sum(energy(of[layer]) / energy(plain[layer]).detach() for layer in layers) for of in (plain, found)]
        wanted, ours = (torch.autograd.grad(side, image, retain_graph=True)[0] for side in sides)
        assert float((ours - wanted).norm()) < 1e-4 * float(wanted.norm())


def test_the_embedded_network_stops_at_the_deepest_layer() -> None:
    network = load_network(EMBEDDED, ["blocks.9.expand"])
    network.body.blocks[9].depthwise.register_forward_hook(lambda *_: pytest.fail("computed a deeper layer"))
    assert network(torch.rand(1, 3, 64, 64))["blocks.9.expand"].min() >= 0
    assert load_network(EMBEDDED, ["blocks.9.expand.pre"])(torch.rand(1, 3, 64, 64))["blocks.9.expand.pre"].min() < 0


@pytest.mark.parametrize(
    ("name", "layer"),
    [("googlenet", "inception4c"), ("inception_v3", "Mixed_6c"), ("vgg16", "features.22"), ("resnet50", "layer3")],
)
def test_torchvision_networks_are_truncated_where_asked(name: str, layer: str, published: Published) -> None:
    torch.manual_seed(0)
    extras = {"vgg16": {"init_weights": False}, "resnet50": {}}
    whole = get_model(name, weights=None, **extras.get(name, {"init_weights": False, "transform_input": True})).eval()
    published(whole)
    network = load_network(name, [layer])
    outputs = {}
    dict(whole.requires_grad_(False).named_modules())[layer].register_forward_hook(
        lambda module, args, out: outputs.update(out=out.clone())
    )
    image = torch.rand(1, 3, 96, 112, requires_grad=True)
    whole((image - network.mean) / network.std)
    ours = network(image)[layer]
    assert torch.allclose(ours, outputs["out"], atol=1e-3 * float(outputs["out"].detach().abs().max()))
    wanted, found = (torch.autograd.grad(energy(out), image)[0] for out in (outputs["out"], ours))
    assert float((found - wanted).norm()) < 0.01 * float(wanted.norm())  # rounding may pick another maximum in a pool
    assert sum(isinstance(m, ConvReLU) for m in network.body.modules()) > 5
    assert not any(isinstance(m, torch.nn.Linear) for m in network.body.modules())  # the classifier is gone


def test_a_layer_before_a_rectifier_keeps_its_negative_values(tmp_path: Path) -> None:
    torch.save(get_model("squeezenet1_1", weights=None).state_dict(), tmp_path / "w.pth")
    network = load_network("squeezenet1_1", ["features.0", "features.3"], str(tmp_path / "w.pth"))
    assert network(torch.rand(1, 3, 32, 32))["features.0"].min() < 0


@pytest.mark.parametrize(
    ("model", "layer", "hint"),
    [("efficientnet-lite0", "block.9", "blocks.9"), ("efficientnet-lite0", "blocks.16", "blocks.1")],
)
def test_an_unknown_layer_suggests_similar_ones(model: str, layer: str, hint: str) -> None:
    with pytest.raises(ModelError, match=hint):
        load_network(model, [layer])


def test_an_unknown_network_suggests_similar_ones() -> None:
    with pytest.raises(ModelError, match="googlenet"):
        load_network("googlnet", ["inception4c"])


def test_weights_that_cannot_be_downloaded_name_both_remedies(monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable(*args: object, **kwargs: object) -> None:
        raise urllib.error.URLError("no route to host")

    monkeypatch.setattr(torchvision.models._api, "load_state_dict_from_url", unreachable)
    with pytest.raises(ModelError, match=r"--weights .* --model efficientnet-lite0") as error:
        load_network("resnet50", ["layer3"])
    assert "\n" not in str(error.value)


def test_wrong_weights_are_refused_with_the_keys_that_differ(tmp_path: Path) -> None:
    torch.save({"nothing": torch.zeros(1)}, tmp_path / "w.pth")
    with pytest.raises(ModelError, match="do not fit"):
        load_network("squeezenet1_1", ["features.3"], str(tmp_path / "w.pth"))
    (tmp_path / "w.pth").write_text("not weights")
    with pytest.raises(ModelError, match="not a PyTorch weights file"):
        load_network("squeezenet1_1", ["features.3"], str(tmp_path / "w.pth"))
    with pytest.raises(ModelError, match="does not exist"):
        load_network("squeezenet1_1", ["features.3"], str(tmp_path / "none.pth"))


def test_weights_are_never_unpickled(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[object, ...]:
            return (Path(tmp_path / "sprung").touch, ())

    torch.save({"a": Trap()}, tmp_path / "w.pth")
    with pytest.raises(ModelError):
        load_network("squeezenet1_1", ["features.3"], str(tmp_path / "w.pth"))
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize("kernel", [(3, 3), (4, 3), (6, 6), (5, 4), (2, 3), (1, 1)])
@pytest.mark.parametrize("size", [(9, 12), (16, 11), (7, 7)])
@pytest.mark.parametrize("stride", [2, 3])
def test_depthwise_gradients_by_phase_are_those_of_pytorch(
    kernel: tuple[int, int], size: tuple[int, int], stride: int
) -> None:
    generator = torch.Generator().manual_seed(0)
    weight = torch.randn(5, 1, *kernel, generator=generator)
    padding = ((kernel[0] - 1) // 2, (kernel[1] - 1) // 2)
    x = torch.randn(1, 5, *size, generator=generator, requires_grad=True)
    y = F.conv2d(x, weight, None, stride, padding, 1, 5)
    gradient = torch.randn(y.shape, generator=generator)
    (wanted,) = torch.autograd.grad(y, x, gradient)
    found = torch.full_like(x, math.nan)
    for rows, columns, phase in Kernel(weight, stride, padding, 5).gradient_phases(gradient, x.shape[-2:]):
        found[..., rows, columns] = phase
    assert torch.allclose(found, wanted, atol=1e-5)
