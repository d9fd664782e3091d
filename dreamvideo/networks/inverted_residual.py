"""The inverted residual block of mobile networks, and the convolution it is made of; with a fast gradient on a CPU.

Source: Sandler et al. 2018.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd import Function
from torch.nn.utils.fusion import fuse_conv_bn_eval

from .convolution import ConvSettings, conv_relu, relu_gradient
from .kernel import Kernel, Margins

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
        self._kernels: dict[tuple[bool, Margins], Kernel] = {}  # by whether they are centred, and the padding

    def forward(self, x: Tensor) -> Tensor:
        kernel = self.kernel(x.shape[-2:])
        if self.relu:
            return conv_relu(x, self.conv.bias, ConvSettings(kernel, CEILING, self.owns_gradient))
        if x.requires_grad and torch.is_grad_enabled():
            return F.conv2d(x, self.conv.weight, self.conv.bias)
        return kernel(x, self.conv.bias)

    def activations(self, x: Tensor) -> Iterator[tuple[str, Tensor]]:
        """Yield the activation before the ReLU as ".pre", where it is wanted, and then the output as ""."""
        if self.before_relu:
            weight = self.kernel(x.shape[-2:]).weight
            before = F.conv2d(x, weight, self.conv.bias, self.stride, self.margin, 1, self.conv.groups)
            yield ".pre", before
            yield "", F.relu6(before)
        else:
            yield "", self(x)

    def kernel(self, size: Sequence[int]) -> Kernel:
        """Return the kernel for an input of (height, width), padded alike on all sides."""
        padding = self._padding(size)
        if (True, padding) not in self._kernels:
            # a zero tap before the kernel is one pixel less of padding there
            top, left = (self.margin - side for side in padding)
            taps = F.pad(self.conv.weight.detach(), (left, 0, top, 0)).contiguous(memory_format=torch.channels_last)
            alike = self.margin, self.margin
            self._kernels[True, padding] = Kernel(taps, self.stride, alike, self.conv.groups)
        return self._kernels[True, padding]

    def gradient_phases(self, gradient: Tensor, size: Sequence[int]) -> Iterator[tuple[slice, slice, Tensor]]:
        """Yield the gradient at an input of (height, width): see `Kernel.gradient_phases`. Without any zero taps."""
        padding = self._padding(size)
        if (False, padding) not in self._kernels:
            self._kernels[False, padding] = Kernel(self.conv.weight, self.stride, padding, self.conv.groups)
        return self._kernels[False, padding].gradient_phases(gradient, size)

    def _padding(self, size: Sequence[int]) -> Margins:
        """Return the padding above and left of an input of (height, width)."""
        top, left = (self.margin - (self.stride == 2 and side % 2 == 0) for side in size)
        return top, left

    def fold(self) -> None:
        """Fold the batch norm into the convolution: same numbers, half the memory traffic."""
        assert isinstance(self.norm, nn.BatchNorm2d)
        self.conv = fuse_conv_bn_eval(self.conv.eval(), self.norm.eval())
        self.norm = nn.Identity()


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
        return self.expand.kernel(expanded.shape[-2:]).back(relu_gradient(gradient, expanded, CEILING, out))

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
        size = expanded.shape[-2:]
        inner = block.project.kernel(filtered.shape[-2:]).back(gradient)
        inner = relu_gradient(inner, filtered, CEILING, out=inner)
        if block.depthwise.stride == 1:
            back = block.before_expanding(block.depthwise.kernel(size).back(inner), expanded)
            return back.add_(gradient) if block.residual else back, None
        back = gradient.new_empty(1, *size, block.channels).permute(0, 3, 1, 2)  # channels last
        for rows, columns, wide in block.depthwise.gradient_phases(inner, size):
            back[..., rows, columns] = block.before_expanding(wide, expanded[..., rows, columns])
        return back, None
