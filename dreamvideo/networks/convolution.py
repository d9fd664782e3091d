"""Convolutions fused with their ReLU, whose gradient leads back to the picture alone, never to the weights.

Autograd would keep both the input and the output of a ReLU, and read and write them once more on each pass. These
networks are bound by that memory traffic, so convolution and ReLU are one step here, and only its output is kept.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd import Function

from . import winograd
from .kernel import Kernel

FEW_CHANNELS = 8  # inputs with fewer channels, a picture above all, get their gradient by phases


@dataclass(frozen=True)
class ConvSettings:
    """How a fused convolution is computed.

    Attributes:
        kernel: what it convolves with.
        ceiling: the values are clamped to [0, ceiling]: 6 for ReLU6, infinite for ReLU.
        owns_gradient: whether the gradient at the output may be overwritten, because no other layer uses that tensor.
        winograd: the weight transformed for `winograd.convolve`, for the forward and the backward pass; None to
            compute the convolution directly.
    """

    kernel: Kernel
    ceiling: float = math.inf
    owns_gradient: bool = False
    winograd: tuple[Tensor, Tensor] | None = None


class ConvReLU(nn.Module):
    """A convolution fused with its ReLU or ReLU6.

    Args:
        conv: a convolution with frozen weights, its batch norm folded into it.
        ceiling: 6 for ReLU6, infinite for ReLU.

    Attributes:
        owns_gradient: see `ConvSettings`.
    """

    def __init__(self, conv: nn.Conv2d, ceiling: float):
        super().__init__()
        self.conv, self.ceiling, self.owns_gradient = conv, ceiling, False

    def forward(self, x: Tensor) -> Tensor:
        kernel = self._kernel
        supported = winograd.supports(kernel.weight, kernel.stride, kernel.padding, kernel.groups)
        transformed = self._winograd_weights if supported else None
        return conv_relu(x, self.conv.bias, ConvSettings(kernel, self.ceiling, self.owns_gradient, transformed))

    @functools.cached_property
    def _kernel(self) -> Kernel:
        conv = self.conv
        assert not isinstance(conv.padding, str)
        return Kernel(conv.weight, conv.stride[0], (conv.padding[0], conv.padding[1]), conv.groups)

    @functools.cached_property
    def _winograd_weights(self) -> tuple[Tensor, Tensor]:
        weight = self.conv.weight.detach()
        return winograd.transform_weight(weight), winograd.transform_weight(winograd.backward_weight(weight))


def conv_relu(x: Tensor, bias: Tensor | None, settings: ConvSettings) -> Tensor:
    """Return a convolution of x (N, C, H, W) clamped to [0, ceiling]; only x gets a gradient."""
    if not (x.requires_grad and torch.is_grad_enabled()):
        return _forward(x, bias, settings)
    out: Tensor = _ConvReLU.apply(x, bias, settings)
    return out


class _ConvReLU(Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, bias: Tensor | None, settings: ConvSettings) -> Tensor:
        y = _forward(x, bias, settings)
        ctx.save_for_backward(x, y)  # x is another layer's output, which keeps it anyway: nothing is kept twice
        ctx.settings = settings
        return y

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Any:
        x, y = ctx.saved_tensors
        settings: ConvSettings = ctx.settings
        passed = relu_gradient(gradient, y, settings.ceiling, out=gradient if settings.owns_gradient else None)
        return _input_gradient(passed, x, settings), None, None


def relu_gradient(gradient: Tensor, y: Tensor, ceiling: float, out: Tensor | None = None) -> Tensor:
    """Return a gradient where a ReLU's output y lies between 0 and its ceiling, and 0 elsewhere.

    Args:
        gradient, y: of the same shape.
        ceiling: see `ConvSettings`.
        out: where the result is written, which may be `gradient` itself.
    """
    out = torch.empty_like(gradient) if out is None else out
    passed: Tensor = torch.ops.aten.hardtanh_backward.grad_input(gradient, y, 0.0, ceiling, grad_input=out)
    return passed


def _forward(x: Tensor, bias: Tensor | None, settings: ConvSettings) -> Tensor:
    if settings.winograd is not None and len(x) == 1:
        return winograd.convolve(x, settings.winograd[0], bias, settings.ceiling)
    return settings.kernel(x, bias, settings.ceiling)


def _input_gradient(gradient: Tensor, x: Tensor, settings: ConvSettings) -> Tensor:
    """Return the gradient at the input x of a convolution, from the gradient at its output."""
    kernel, weight = settings.kernel, settings.kernel.weight
    if settings.winograd is not None and len(x) == 1:
        return winograd.convolve(gradient, settings.winograd[1])
    depthwise, on_cpu = kernel.groups == weight.shape[0] > 1, gradient.device.type == "cpu"
    if kernel.groups == 1 and weight.shape[1] < FEW_CHANNELS:
        return _input_gradient_by_phase(gradient, weight, kernel.stride, kernel.padding, x.shape[-2:])
    turns = all(p < k for p, k in zip(kernel.padding, weight.shape[-2:], strict=True))  # else its margins are negative
    if kernel.stride == 1 and turns and (depthwise or (kernel.groups == 1 and on_cpu)):
        return kernel.back(gradient)
    if depthwise and gradient.dtype == torch.bfloat16 and on_cpu:
        back = torch.empty_like(x)
        for rows, columns, phase in kernel.gradient_phases(gradient, x.shape[-2:]):
            back[..., rows, columns] = phase
        return back
    stride, only_input = (kernel.stride, kernel.stride), (True, False, False)
    found: Tensor = torch.ops.aten.convolution_backward(
        gradient, x, weight, None, stride, kernel.padding, (1, 1), False, (0, 0), kernel.groups, only_input
    )[0]
    return found


def _input_gradient_by_phase(
    gradient: Tensor, weight: Tensor, stride: int, padding: Sequence[int], size: torch.Size
) -> Tensor:
    """Return the gradient at an input of few channels, (1, C, H, W), of a convolution.

    Input pixels with the same position modulo the stride, a phase, are reached by the same kernel taps. So one
    convolution with (phases · C) output channels computes them all, where PyTorch's computes hundreds of channels for
    the picture's three.
    """
    out, channels, *kernel = weight.shape
    first = [(p - (k - 1)) // stride for p, k in zip(padding, kernel, strict=True)]  # offsets of the taps: from here
    last = [(stride - 1 + p) // stride for p in padding]  # to here
    extent = [b - a + 1 for a, b in zip(first, last, strict=True)]
    taps = weight.new_zeros(stride, stride, channels, out, *extent)
    for u in range(kernel[0]):
        for v in range(kernel[1]):
            row, column = (u - padding[0]) % stride, (v - padding[1]) % stride
            y, x = (row + padding[0] - u) // stride - first[0], (column + padding[1] - v) // stride - first[1]
            taps[row, column, :, :, y, x] = weight[:, :, u, v].T
    taps = taps.flatten(0, 2).contiguous(memory_format=torch.channels_last)
    counts = [-(-side // stride) for side in size]
    margins = [
        max(-a, b + count - side, 0) for a, b, count, side in zip(first, last, counts, gradient.shape[-2:], strict=True)
    ]
    phases = F.conv2d(gradient, taps, None, 1, margins)
    top, left = (margin + a for margin, a in zip(margins, first, strict=True))
    phases = phases[..., top : top + counts[0], left : left + counts[1]]
    grid = phases.reshape(-1, stride, stride, channels, *counts).permute(0, 3, 4, 1, 5, 2)
    whole = grid.reshape(-1, channels, counts[0] * stride, counts[1] * stride)
    return whole[..., : size[0], : size[1]]
