"""Convolutions as dreaming needs them: rectified in the same pass, and led back to the picture, never to the weights.

Autograd would keep what goes into a rectifier as well as what comes out of it, and read and write it once more each
way. These networks are bound by that traffic, so both steps are one here, and what comes out is all that is kept.
"""

from __future__ import annotations

import functools
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd import Function

FEW = 8  # channels of a picture, or little more: led back phase by phase


class Rectified(nn.Module):
    """A convolution and the rectifier behind it: its values held within [0, top].

    Args:
        conv: a convolution with frozen weights, its batch norm folded into it.
        top: 6 for ReLU6, infinite for ReLU.

    Attributes:
        private: see `rectified`.
    """

    def __init__(self, conv: nn.Conv2d, top: float):
        super().__init__()
        self.conv, self.top, self.private = conv, top, False

    def forward(self, x: Tensor) -> Tensor:
        conv = self.conv
        assert not isinstance(conv.padding, str)
        rows, columns = conv.padding
        return rectified(
            x, conv.weight, conv.bias, conv.stride[0], (rows, columns), conv.groups, self.top, self.private
        )


def rectified(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: int,
    padding: tuple[int, int],
    groups: int,
    top: float,
    private: bool = False,
) -> Tensor:
    """Return a convolution held within [0, top]; its gradient leads back to x alone.

    Args:
        x: (N, C, H, W).
        weight, bias: frozen.
        stride: of rows and columns.
        padding: (rows, columns), on both sides of each.
        groups: 1, or as many as channels.
        top: 6 for ReLU6, infinite for ReLU.
        private: that nothing but another convolution looks at the result: the gradient there is then nobody else's,
            and is made use of in place.
    """
    if not (x.requires_grad and torch.is_grad_enabled()):
        return _forward(x, weight, bias, stride, padding, groups, top)
    out: Tensor = _Rectified.apply(x, weight, private, bias, stride, padding, groups, top)
    return out


class _Rectified(Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, private: bool, *settings: Any) -> Tensor:
        y = _forward(x, weight, *settings)
        ctx.save_for_backward(x, y, weight)  # x is what another layer has put out and keeps: nothing is kept twice
        ctx.private, ctx.settings = private, settings
        return y

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Any:
        x, y, weight = ctx.saved_tensors
        _, stride, padding, groups, top = ctx.settings
        out = gradient if ctx.private else torch.empty_like(y)
        passed = torch.ops.aten.hardtanh_backward.grad_input(gradient, y, 0.0, top, grad_input=out)
        return _back(passed, x, weight, stride, padding, groups), *[None] * 7


def _forward(
    x: Tensor, weight: Tensor, bias: Tensor | None, stride: int, padding: tuple[int, int], groups: int, top: float
) -> Tensor:
    if x.device.type == "cpu" and _fuses():
        rectifier = ("relu", [], "") if top == float("inf") else ("hardtanh", [0.0, top], "")
        y: Tensor = torch.ops.mkldnn._convolution_pointwise(
            x, weight, bias, padding, (stride, stride), (1, 1), groups, *rectifier
        )
        return y
    return F.conv2d(x, weight, bias, stride, padding, 1, groups).clamp_(0.0, top)


@functools.cache
def _fuses() -> bool:
    """Whether this build of PyTorch brings the operator by which its own compiler rectifies in the same pass."""
    return hasattr(torch.ops.mkldnn, "_convolution_pointwise")  # where PyTorch is built without oneDNN it is not


def _back(gradient: Tensor, x: Tensor, weight: Tensor, stride: int, padding: tuple[int, int], groups: int) -> Tensor:
    """Return the gradient at x of a convolution, from that at what it puts out."""
    if groups == 1 and weight.shape[1] < FEW:
        return _phases(gradient, weight, stride, padding, x.shape[-2:])
    if groups == weight.shape[0] and stride == 1:  # the same convolution, turned round: the fastest kernel there is
        rows, columns = weight.shape[-2] - 1 - padding[0], weight.shape[-1] - 1 - padding[1]
        return F.conv2d(gradient, weight.flip(2, 3), None, 1, (rows, columns), 1, groups)
    back: Tensor = torch.ops.aten.convolution_backward(
        gradient, x, weight, None, (stride, stride), padding, (1, 1), False, (0, 0), groups, (True, False, False)
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
