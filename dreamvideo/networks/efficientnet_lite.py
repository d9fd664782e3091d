"""EfficientNet-Lite, the architecture of the embedded networks (see `embedded`): it dreams well on a CPU."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd import Function
from torch.nn.utils.fusion import fuse_conv_bn_eval

from .convolution import ConvSettings, conv_relu
from .layer_names import LOGITS

Stage = tuple[int, int, int, int, int]  # expansion, kernel, stride, output channels, repeats
MAX_WHOLE = 30 * 2**20  # bytes of a block's expanded activation above which the block is computed in strips
STRIP_BYTES = 16 * 2**20  # of a strip's expanded activation
STRIP_MARGIN = 4  # output rows a strip adds on either side: at least what a kernel of 5 reaches, and even


class SameConv(nn.Module):
    """Convolution, batch norm and optional ReLU6, padded as TensorFlow's SAME does.

    SAME puts the odd pixel of padding on the right and bottom, which differs from PyTorch's symmetric padding
    wherever the stride is 2; the published weights were trained with it.

    Attributes:
        owns_gradient: see `ConvSettings`.
        before_relu: whether the activation before the ReLU is wanted, too.
    """

    def __init__(self, channels: int, out: int, kernel: int, stride: int = 1, groups: int = 1, relu: bool = True):
        super().__init__()
        self.stride, self.relu, self.owns_gradient, self.before_relu = stride, relu, False, False
        self.margin = (kernel - 1) // 2
        self.conv = nn.Conv2d(channels, out, kernel, stride, self.margin, groups=groups, bias=False)
        self.norm: nn.Module = nn.BatchNorm2d(out, eps=1e-3)

    def forward(self, x: Tensor) -> Tensor:
        conv = self.conv
        if not self.relu:
            return F.conv2d(x, conv.weight, conv.bias)
        settings = ConvSettings(self.stride, (self.margin, self.margin), conv.groups, 6.0, self.owns_gradient)
        return conv_relu(x, self._weight(x), conv.bias, settings)

    def activations(self, x: Tensor) -> Iterator[tuple[str, Tensor]]:
        """Yield the activation before the ReLU as ".pre", where it is wanted, and then the output as ""."""
        if self.before_relu:
            before = F.conv2d(x, self._weight(x), self.conv.bias, self.stride, self.margin, 1, self.conv.groups)
            yield ".pre", before
            yield "", F.relu6(before)
        else:
            yield "", self(x)

    def _weight(self, x: Tensor) -> Tensor:
        if self.stride == 1:
            return self.conv.weight
        height, width = x.shape[-2:]  # a zero tap in front of the kernel is one pixel less of padding on that side
        taps = F.pad(self.conv.weight, (1 - width % 2, 0, 1 - height % 2, 0))
        return taps.contiguous(memory_format=torch.channels_last)

    def fold(self) -> None:
        """Fold the batch norm into the convolution: same numbers, half the memory traffic."""
        assert isinstance(self.norm, nn.BatchNorm2d)
        self.conv = fuse_conv_bn_eval(self.conv.eval(), self.norm.eval())
        self.norm = nn.Identity()


class InvertedResidual(nn.Module):
    """Expand, filter each channel separately, project; added to the input where the shapes agree."""

    def __init__(self, channels: int, out: int, expansion: int, kernel: int, stride: int):
        super().__init__()
        expanded = channels * expansion
        self.expand = SameConv(channels, expanded, 1) if expansion > 1 else nn.Identity()
        self.depthwise = SameConv(expanded, expanded, kernel, stride, groups=expanded)
        self.project = SameConv(expanded, out, 1, relu=False)
        self.residual = stride == 1 and channels == out
        for part in (self.expand, self.depthwise):
            part.owns_gradient = True

    def forward(self, x: Tensor) -> Tensor:
        expanded_bytes = self.depthwise.conv.in_channels * x.shape[-2] * x.shape[-1] * x.element_size()
        if expanded_bytes <= MAX_WHOLE or x.device.type != "cpu":
            return self.whole(x)
        out: Tensor = _BlockInStrips.apply(x, self, -(-expanded_bytes // STRIP_BYTES))
        return out

    def whole(self, x: Tensor) -> Tensor:
        """Return the block's output, computed at once."""
        y = self.project(self.depthwise(self.expand(x)))
        return x + y if self.residual else y

    def activations(self, x: Tensor) -> Iterator[tuple[str, Tensor]]:
        """Yield the activation of every part of the block, as ".expand", …, and then the block's output as ""."""
        y = x
        for name, part in self.named_children():
            if isinstance(part, SameConv):
                for inner, out in part.activations(y):
                    yield f".{name}{inner}", out
                y = out
        yield "", x + y if self.residual else y


class _BlockInStrips(Function):
    """A block computed strip by strip; only its input is kept, and the backward pass computes each strip again.

    So a frame takes memory by the block's narrow input and output; the expanded activations, one strip at a time, stay
    in the cache.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, block: InvertedResidual, count: int) -> Tensor:
        ctx.save_for_backward(x)
        ctx.block, ctx.count = block, count
        return torch.cat([block.whole(x[..., rows, :])[..., core, :] for rows, core, _ in _strips(x, block, count)], -2)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Any:
        (x,) = ctx.saved_tensors
        back = torch.zeros_like(x)
        for rows, core, place in _strips(x, ctx.block, ctx.count):
            strip = x[..., rows, :].detach().requires_grad_()
            with torch.enable_grad():
                out = ctx.block.whole(strip)[..., core, :]
            back[..., rows, :] += torch.autograd.grad(out, strip, gradient[..., place, :])[0]
        return back, None, None


def _strips(x: Tensor, block: InvertedResidual, count: int) -> Iterator[tuple[slice, slice, slice]]:
    """Yield for every strip its input rows, the rows of its output that count, and their place in the whole output.

    A strip has a margin on either side, so that no kernel meets an edge inside the picture; it begins on an even row
    and has an odd number of rows where the picture has, so that SAME pads both alike.
    """
    height, stride = x.shape[-2], block.depthwise.stride
    out = -(-height // stride)
    each = -(-out // count)
    for first in range(0, out, each):
        last = min(first + each, out)
        top, bottom = max(first - STRIP_MARGIN, 0), min(last + STRIP_MARGIN, out)
        rows = slice(top * stride, bottom * stride - (out * stride - height))
        yield rows, slice(first - top, last - top), slice(first, last)


def step_names(stages: Sequence[Stage]) -> tuple[str, ...]:
    """Return the names of a network's steps, but for the logits: stem, blocks.0 …, head."""
    return ("stem", *(f"blocks.{i}" for i in range(sum(stage[-1] for stage in stages))), "head")


class Lite(nn.Module):
    """An EfficientNet-Lite as a chain of named steps: stem, blocks.0 …, head, logits."""

    def __init__(self, stages: Sequence[Stage]) -> None:
        super().__init__()
        self.stem = SameConv(3, 32, 3, stride=2)
        blocks, channels = [], 32
        for expansion, kernel, stride, out, repeats in stages:
            for i in range(repeats):
                blocks.append(InvertedResidual(channels, out, expansion, kernel, stride if i == 0 else 1))
                channels = out
        self.blocks = nn.ModuleList(blocks)
        self.head = SameConv(channels, 1280, 1)
        self.fc = nn.Linear(1280, 1000)
        self._steps = step_names(stages)
        self._wanted: set[str] = {LOGITS}
        self._opened: set[str] = set()  # steps with a wanted layer inside

    def names(self) -> list[str]:
        """Return every layer, shallowest first."""
        found = []
        for step in self._steps:
            for name, part in self.get_submodule(step).named_modules(prefix=step):
                if isinstance(part, SameConv):
                    found += [f"{name}.pre", name] if part.relu else [name]
            found += [step] if step not in found else []
        return [*found, LOGITS]

    def truncate(self, layers: Iterable[str]) -> None:
        """Compute from now on the activations of these layers, of `names`, and nothing deeper.

        A step with a wanted layer inside is computed part by part, every other at once.
        """
        self._wanted = set(layers)
        self._opened = {step for step in self._steps if any(name.startswith(f"{step}.") for name in self._wanted)}
        for name, part in self.named_modules():
            if isinstance(part, SameConv):
                part.before_relu = f"{name}.pre" in self._wanted
                part.owns_gradient &= name not in self._wanted

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        activations = {}
        for name, activation in self._layers(x):
            if name in self._wanted:
                activations[name] = activation
                if len(activations) == len(self._wanted):
                    break
        return activations

    def _layers(self, x: Tensor) -> Iterator[tuple[str, Tensor]]:
        """Yield layer after layer with its activation, computing each only when the next one is asked for."""
        for name in self._steps:
            step: Any = self.get_submodule(name)
            if name in self._opened:
                for part, y in step.activations(x):
                    yield f"{name}{part}", y
                x = y
            else:
                x = step(x)
                yield name, x
        yield LOGITS, self._classify(x)

    def _classify(self, x: Tensor) -> Tensor:
        return self.fc(x.mean((2, 3)))[..., None, None]  # (1, 1000, 1, 1), a map like every other layer
