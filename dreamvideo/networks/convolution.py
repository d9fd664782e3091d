"""Convolutions fused with their ReLU, whose gradient leads back to the picture alone, never to the weights.

Autograd would keep both the input and the output of a ReLU, and read and write them once more on each pass. These
networks are bound by that memory traffic, so convolution and ReLU are one step here, and only its output is kept.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd import Function

from . import winograd

FEW_CHANNELS = 8  # inputs with fewer channels, a picture above all, get their gradient by phases


@dataclass(frozen=True)
class ConvSettings:
    """How a fused convolution is computed.

    Attributes:
        stride: of rows and columns.
        padding: (rows, columns), on both sides of each.
        groups: 1, or as many as channels.
        ceiling: the values are clamped to [0, ceiling]: 6 for ReLU6, infinite for ReLU.
        owns_gradient: whether the gradient at the output may be overwritten, because no other layer uses that tensor.
        winograd: the weight transformed for `winograd.convolve`, for the forward and the backward pass; None to
            compute the convolution directly.
    """

    stride: int = 1
    padding: tuple[int, int] = (0, 0)
    groups: int = 1
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
        conv = self.conv
        assert not isinstance(conv.padding, str)
        stride, (rows, columns) = conv.stride[0], conv.padding
        supported = winograd.supports(conv.weight, stride, (rows, columns), conv.groups)
        transformed = self._winograd_weights if supported else None
        settings = ConvSettings(stride, (rows, columns), conv.groups, self.ceiling, self.owns_gradient, transformed)
        return conv_relu(x, conv.weight, conv.bias, settings)

    @functools.cached_property
    def _winograd_weights(self) -> tuple[Tensor, Tensor]:
        weight = self.conv.weight.detach()
        return winograd.transform_weight(weight), winograd.transform_weight(winograd.backward_weight(weight))


def conv_relu(x: Tensor, weight: Tensor, bias: Tensor | None, settings: ConvSettings) -> Tensor:
    """Return a convolution of x (N, C, H, W) clamped to [0, ceiling]; only x gets a gradient."""
    if not (x.requires_grad and torch.is_grad_enabled()):
        return _forward(x, weight, bias, settings)
    out: Tensor = _ConvReLU.apply(x, weight, bias, settings)
    return out


class _ConvReLU(Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, settings: ConvSettings) -> Tensor:
        y = _forward(x, weight, bias, settings)
        ctx.save_for_backward(x, y, weight)  # x is another layer's output, which keeps it anyway: nothing is kept twice
        ctx.settings = settings
        return y

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Any:
        x, y, weight = ctx.saved_tensors
        settings = ctx.settings
        passed = relu_gradient(gradient, y, settings.ceiling, out=gradient if settings.owns_gradient else None)
        return _input_gradient(passed, x, weight, settings), None, None, None


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


def convolve(
    x: Tensor, weight: Tensor, bias: Tensor | None = None, padding: Sequence[int] = (0, 0), groups: int = 1
) -> Tensor:
    """Return a convolution of stride 1 of x (N, C, H, W), without a gradient on a CPU.

    PyTorch's own takes up to twice as long there in float32.
    """
    if x.device.type == "cpu" and _has_fused_operator(x.dtype) and not (x.requires_grad and torch.is_grad_enabled()):
        y: Tensor = torch.ops.mkldnn._convolution_pointwise(
            x, weight, bias, padding, (1, 1), (1, 1), groups, "none", [], ""
        )
        return y
    return F.conv2d(x, weight, bias, 1, tuple(padding), 1, groups)


def _forward(x: Tensor, weight: Tensor, bias: Tensor | None, settings: ConvSettings) -> Tensor:
    if settings.winograd is not None and len(x) == 1:
        return winograd.convolve(x, settings.winograd[0], bias, settings.ceiling)
    stride = (settings.stride, settings.stride)
    if x.device.type == "cpu" and _has_fused_operator(x.dtype):
        relu = ("relu", [], "") if math.isinf(settings.ceiling) else ("hardtanh", [0.0, settings.ceiling], "")
        y: Tensor = torch.ops.mkldnn._convolution_pointwise(
            x, weight, bias, settings.padding, stride, (1, 1), settings.groups, *relu
        )
        return y
    return F.conv2d(x, weight, bias, stride, settings.padding, 1, settings.groups).clamp_(0.0, settings.ceiling)


@functools.cache
def _has_fused_operator(dtype: torch.dtype) -> bool:
    """Tell whether this PyTorch, on this CPU, has the fused convolution and ReLU that its own compiler uses."""
    if not hasattr(torch.ops.mkldnn, "_convolution_pointwise"):  # built without oneDNN
        return False
    if dtype == torch.bfloat16:
        return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())
    return dtype == torch.float32


def _input_gradient(gradient: Tensor, x: Tensor, weight: Tensor, settings: ConvSettings) -> Tensor:
    """Return the gradient at the input x of a convolution, from the gradient at its output."""
    if settings.winograd is not None and len(x) == 1:
        return winograd.convolve(gradient, settings.winograd[1])
    if settings.groups == 1 and weight.shape[1] < FEW_CHANNELS:
        return _input_gradient_by_phase(gradient, weight, settings.stride, settings.padding, x.shape[-2:])
    if settings.groups == weight.shape[0] and settings.stride == 1:  # depthwise: correlating with the flipped kernel
        rows, columns = (k - 1 - p for k, p in zip(weight.shape[-2:], settings.padding, strict=True))  # is fastest
        return convolve(gradient, weight.flip(2, 3), None, (rows, columns), settings.groups)
    if settings.groups == weight.shape[0] and gradient.dtype == torch.bfloat16 and gradient.device.type == "cpu":
        back = torch.empty_like(x)
        for down, across, phase in depthwise_phases(gradient, weight, settings.stride, settings.padding, x.shape[-2:]):
            back[..., down, across] = phase
        return back
    stride, only_input = (settings.stride, settings.stride), (True, False, False)
    found: Tensor = torch.ops.aten.convolution_backward(
        gradient, x, weight, None, stride, settings.padding, (1, 1), False, (0, 0), settings.groups, only_input
    )[0]
    return found


def depthwise_phases(
    gradient: Tensor, weight: Tensor, stride: int, padding: Sequence[int], size: Sequence[int]
) -> Iterator[tuple[slice, slice, Tensor]]:
    """Yield the gradient at the input of a depthwise convolution, phase by phase (see `_input_gradient_by_phase`).

    Each phase is a depthwise convolution of its own, with every `stride`-th tap. In bfloat16 oneDNN has no kernel for
    the whole: it took a tenfold of this, and two fifths of an ascent step.

    Args:
        gradient: at the output, (1, C, h, w).
        weight: (C, 1, rows, columns), at least as many of each as the stride.
        padding: above and left of the input.
        size: of the input, (H, W).

    Yields:
        The rows and the columns of a phase, and its gradient.
    """
    for row in range(stride):
        for column in range(stride):
            taps = weight[:, :, row::stride, column::stride].flip(2, 3).contiguous(memory_format=torch.channels_last)
            places, margins, firsts = [], list[int](), list[int]()
            for side, out, tap, count, pad in zip(
                size, gradient.shape[-2:], (row, column), taps.shape[-2:], padding, strict=True
            ):
                start = (tap - pad) % stride
                first = (start + pad - tap) // stride - (count - 1)  # the output that the phase's first pixel reads
                pixels = len(range(start, side, stride))
                margins.append(max(-first, first + pixels + count - 1 - out, 0))
                firsts.append(margins[-1] + first)
                places.append((slice(start, None, stride), slice(firsts[-1], firsts[-1] + pixels)))
            found = convolve(gradient, taps, None, margins, len(weight))
            yield places[0][0], places[1][0], found[..., places[0][1], places[1][1]]


def _input_gradient_by_phase(
    gradient: Tensor, weight: Tensor, stride: int, padding: tuple[int, int], size: torch.Size
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
