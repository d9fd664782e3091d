"""Convolutions as dreaming needs them: rectified in the same pass, and led back to the picture, never to the weights.

Autograd would keep what goes into a rectifier as well as what comes out of it, and read and write it once more each
way. These networks are bound by that traffic, so both steps are one here, and what comes out is all that is kept.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd import Function

from . import winograd

FEW = 8  # channels of a picture, or little more: led back phase by phase


@dataclass(frozen=True)
class How:
    """How a convolution is made.

    Attributes:
        stride: of rows and columns.
        padding: (rows, columns), on both sides of each.
        groups: 1, or as many as channels.
        top: the values are held within [0, top]: 6 for ReLU6, infinite for ReLU.
        private: that nothing but another convolution looks at the result: the gradient there is then nobody else's,
            and is made use of in place.
        spread: the weight as Winograd's way takes it, there and back; None for the usual way.
    """

    stride: int = 1
    padding: tuple[int, int] = (0, 0)
    groups: int = 1
    top: float = math.inf
    private: bool = False
    spread: tuple[Tensor, Tensor] | None = None


class Rectified(nn.Module):
    """A convolution and the rectifier behind it: its values held within [0, top].

    Args:
        conv: a convolution with frozen weights, its batch norm folded into it.
        top: 6 for ReLU6, infinite for ReLU.

    Attributes:
        private: see `How`.
    """

    def __init__(self, conv: nn.Conv2d, top: float):
        super().__init__()
        self.conv, self.top, self.private = conv, top, False

    def forward(self, x: Tensor) -> Tensor:
        conv = self.conv
        assert not isinstance(conv.padding, str)
        stride, (rows, columns) = conv.stride[0], conv.padding
        suits = winograd.suits(conv.weight, stride, (rows, columns), conv.groups)
        spread = self._spread if suits else None
        how = How(stride, (rows, columns), conv.groups, self.top, self.private, spread)
        return rectified(x, conv.weight, conv.bias, how)

    @functools.cached_property
    def _spread(self) -> tuple[Tensor, Tensor]:
        weight = self.conv.weight.detach()
        return winograd.spread(weight), winograd.spread(winograd.turned(weight))


def rectified(x: Tensor, weight: Tensor, bias: Tensor | None, how: How) -> Tensor:
    """Return a convolution of x (N, C, H, W) held within [0, top]; its gradient leads back to x alone."""
    if not (x.requires_grad and torch.is_grad_enabled()):
        return _forward(x, weight, bias, how)
    out: Tensor = _Rectified.apply(x, weight, bias, how)
    return out


class _Rectified(Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, how: How) -> Tensor:
        y = _forward(x, weight, bias, how)
        ctx.save_for_backward(x, y, weight)  # x is what another layer has put out and keeps: nothing is kept twice
        ctx.how = how
        return y

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Any:
        x, y, weight = ctx.saved_tensors
        out = gradient if ctx.how.private else torch.empty_like(y)
        passed = torch.ops.aten.hardtanh_backward.grad_input(gradient, y, 0.0, ctx.how.top, grad_input=out)
        return _back(passed, x, weight, ctx.how), None, None, None


def _forward(x: Tensor, weight: Tensor, bias: Tensor | None, how: How) -> Tensor:
    if how.spread is not None and len(x) == 1:
        return winograd.convolve(x, how.spread[0], bias, how.top)
    stride = (how.stride, how.stride)
    if x.device.type == "cpu" and _fuses(x.dtype):
        rectifier = ("relu", [], "") if math.isinf(how.top) else ("hardtanh", [0.0, how.top], "")
        y: Tensor = torch.ops.mkldnn._convolution_pointwise(
            x, weight, bias, how.padding, stride, (1, 1), how.groups, *rectifier
        )
        return y
    return F.conv2d(x, weight, bias, stride, how.padding, 1, how.groups).clamp_(0.0, how.top)


@functools.cache
def _fuses(dtype: torch.dtype) -> bool:
    """Whether this PyTorch, on this CPU, has the operator by which its own compiler rectifies in the same pass."""
    if not hasattr(torch.ops.mkldnn, "_convolution_pointwise"):  # where it is built without oneDNN
        return False
    if dtype == torch.bfloat16:
        return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())
    return dtype == torch.float32


def _back(gradient: Tensor, x: Tensor, weight: Tensor, how: How) -> Tensor:
    """Return the gradient at x of a convolution, from that at what it puts out."""
    if how.spread is not None and len(x) == 1:
        return winograd.convolve(gradient, how.spread[1])
    if how.groups == 1 and weight.shape[1] < FEW:
        return _phases(gradient, weight, how.stride, how.padding, x.shape[-2:])
    if how.groups == weight.shape[0] and how.stride == 1:  # the same convolution, turned round: the fastest there is
        rows, columns = (k - 1 - p for k, p in zip(weight.shape[-2:], how.padding, strict=True))
        return F.conv2d(gradient, weight.flip(2, 3), None, 1, (rows, columns), 1, how.groups)
    stride = (how.stride, how.stride)
    back: Tensor = torch.ops.aten.convolution_backward(
        gradient, x, weight, None, stride, how.padding, (1, 1), False, (0, 0), how.groups, (True, False, False)
    )[0]
    return back


def _phases(gradient: Tensor, weight: Tensor, stride: int, padding: tuple[int, int], size: torch.Size) -> Tensor:
    """Return the gradient at a picture of few channels, (1, C, H, W), of the convolution that looks at it.

    Pixels at the same place of the stride's grid, a phase, take from the same taps. So one convolution, of as many
    channels as there are phases, yields them all, where the usual one computes hundreds of channels for three.
    """
    out, channels, *kernel = weight.shape
    first = [(p - (k - 1)) // stride for p, k in zip(padding, kernel, strict=True)]  # taps' reach back,
    last = [(stride - 1 + p) // stride for p in padding]  # and ahead
    reach = [b - a + 1 for a, b in zip(first, last, strict=True)]
    taps = weight.new_zeros(stride, stride, channels, out, *reach)
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
