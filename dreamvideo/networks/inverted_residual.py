"""The inverted residual block of mobile networks, and the convolution it is made of; with a fast gradient on a CPU.

Source: Sandler et al. 2018.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd import Function
from torch.nn.utils.fusion import fuse_conv_bn_eval

from .convolution import ConvSettings, conv_relu, convolve, depthwise_phases, relu_gradient

CEILING = 6.0  # of ReLU6


class SameConv(nn.Module):
    """Convolution, batch norm and optional ReLU6, padded as TensorFlow's SAME does.

    SAME puts the odd pixel of padding on the right and bottom, which differs from PyTorch's symmetric padding
    wherever the stride is 2; the published weights were trained with it.

    Attributes:
        margin: padding on every side at which the kernel is centred.
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
            return convolve(x, conv.weight, conv.bias)
        settings = ConvSettings(self.stride, (self.margin, self.margin), conv.groups, CEILING, self.owns_gradient)
        return conv_relu(x, self._weight(x), conv.bias, settings)

    def activations(self, x: Tensor) -> Iterator[tuple[str, Tensor]]:
        """Yield the activation before the ReLU as ".pre", where it is wanted, and then the output as ""."""
        if self.before_relu:
            before = F.conv2d(x, self._weight(x), self.conv.bias, self.stride, self.margin, 1, self.conv.groups)
            yield ".pre", before
            yield "", F.relu6(before)
        else:
            yield "", self(x)

    def padding(self, size: Sequence[int]) -> tuple[int, int]:
        """Return the padding above and left of an input of (height, width)."""
        top, left = (self.margin - (self.stride == 2 and side % 2 == 0) for side in size)
        return top, left

    def _weight(self, x: Tensor) -> Tensor:
        top, left = self.padding(x.shape[-2:])  # a zero tap before the kernel is one pixel less of padding there
        if top == left == self.margin:
            return self.conv.weight
        taps = F.pad(self.conv.weight, (self.margin - left, 0, self.margin - top, 0))
        return taps.contiguous(memory_format=torch.channels_last)

    def fold(self) -> None:
        """Fold the batch norm into the convolution: same numbers, half the memory traffic."""
        assert isinstance(self.norm, nn.BatchNorm2d)
        self.conv = fuse_conv_bn_eval(self.conv.eval(), self.norm.eval())
        self.norm = nn.Identity()

    @functools.cached_property
    def _transposed(self) -> Tensor:
        return self.conv.weight.detach().transpose(0, 1).contiguous(memory_format=torch.channels_last)

    @functools.cached_property
    def flipped(self) -> Tensor:
        """The kernel turned by 180°: correlating with it is the gradient of a depthwise convolution of stride 1."""
        return self.conv.weight.detach().flip(2, 3).contiguous(memory_format=torch.channels_last)

    def pointwise_gradient(self, gradient: Tensor) -> Tensor:
        """Return the gradient at the input of this convolution of 1×1 pixel, from that at its end, before any ReLU."""
        return convolve(gradient, self._transposed)


class InvertedResidual(nn.Module):
    """Expand, filter each channel separately, project; added to the input where the shapes agree."""

    def __init__(self, channels: int, out: int, expansion: int, kernel: int, stride: int):
        super().__init__()
        self.channels, expanded = channels, channels * expansion
        self.expand = SameConv(channels, expanded, 1) if expansion > 1 else nn.Identity()
        self.depthwise = SameConv(expanded, expanded, kernel, stride, groups=expanded)
        self.project = SameConv(expanded, out, 1, relu=False)
        self.residual = stride == 1 and channels == out
        for part in (self.expand, self.depthwise):
            part.owns_gradient = True

    def forward(self, x: Tensor) -> Tensor:
        if x.device.type != "cpu" or not (x.requires_grad and torch.is_grad_enabled()):
            return self.whole(x)
        out: Tensor = _BlockOnCpu.apply(x, self)
        return out

    def whole(self, x: Tensor) -> Tensor:
        """Return the block's output, from part to part."""
        y = self.project(self.depthwise(self.expand(x)))
        return x + y if self.residual else y

    def before_expanding(self, gradient: Tensor, expanded: Tensor) -> Tensor:
        """Return the gradient at the block's input, from that at some or all pixels of the expanded activation.

        What is given as the gradient may be overwritten.
        """
        if not isinstance(self.expand, SameConv):
            return gradient
        out = gradient if gradient.is_contiguous(memory_format=torch.channels_last) else None
        return self.expand.pointwise_gradient(relu_gradient(gradient, expanded, CEILING, out))

    def activations(self, x: Tensor) -> Iterator[tuple[str, Tensor]]:
        """Yield the activation of every part of the block, as ".expand", …, and then the block's output as ""."""
        y = x
        for name, part in self.named_children():
            if isinstance(part, SameConv):
                for inner, out in part.activations(y):
                    yield f".{name}{inner}", out
                y = out
        yield "", x + y if self.residual else y


class _BlockOnCpu(Function):
    """A block as one step, whose gradient touches the wide activation as seldom as it can.

    Where the stride is 2, the gradient at the expanded activation comes phase by phase. It is projected back so, too:
    what is put together again in the end has a sixth of the channels.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, block: InvertedResidual) -> Tensor:
        expanded = block.expand(x)
        filtered = block.depthwise(expanded)
        ctx.save_for_backward(expanded, filtered)
        ctx.block = block
        out: Tensor = block.project(filtered)
        return out.add_(x) if block.residual else out

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Any:
        expanded, filtered = ctx.saved_tensors
        block: InvertedResidual = ctx.block
        conv, margin = block.depthwise.conv, block.depthwise.margin
        inner = block.project.pointwise_gradient(gradient)
        inner = relu_gradient(inner, filtered, CEILING, out=inner)
        if block.depthwise.stride == 1:
            wide = convolve(inner, block.depthwise.flipped, None, (margin, margin), conv.groups)
            back = block.before_expanding(wide, expanded)
            return back.add_(gradient) if block.residual else back, None
        size = expanded.shape[-2:]
        back = gradient.new_empty(1, *size, block.channels).permute(0, 3, 1, 2)  # channels last
        for rows, columns, wide in depthwise_phases(inner, conv.weight, 2, block.depthwise.padding(size), size):
            back[..., rows, columns] = block.before_expanding(wide, expanded[..., rows, columns])
        return back, None
