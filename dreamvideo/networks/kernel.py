"""The frozen kernels of convolutions, laid out once as the CPU's library wants them, and those of their gradients."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

Margins = tuple[int, int]  # px, of rows and of columns


class Kernel:
    """A frozen weight with its stride, padding and groups.

    PyTorch lays a weight out anew for oneDNN on every call, which takes as long as a small convolution itself. Here
    that is done once, at the first call.

    Args:
        weight: (out, in / groups, rows, columns).
        stride: of rows and columns.
        padding: on both sides of rows and of columns.
        groups: 1, or as many as channels.
    """

    def __init__(self, weight: Tensor, stride: int = 1, padding: Margins = (0, 0), groups: int = 1):
        self.weight, self.stride, self.padding, self.groups = weight.detach(), stride, padding, groups

    def __call__(
        self,
        x: Tensor,
        bias: Tensor | None = None,
        ceiling: float | None = None,
        padding: Margins | None = None,
    ) -> Tensor:
        """Return the convolution of x (N, C, H, W), of which there is no gradient.

        Args:
            x, bias: input, and what is added to every channel of the output.
            ceiling: the output is clamped to [0, ceiling]; not if None.
            padding: the kernel's own by default.
        """
        padding, stride = padding or self.padding, (self.stride, self.stride)
        with torch.no_grad():
            if self._packed is None:
                y = F.conv2d(x, self.weight, bias, stride, padding, 1, self.groups)
                return y if ceiling is None else y.clamp_(0.0, ceiling)
            after: tuple[str, list[float], str] = ("none", [], "")
            if ceiling is not None:
                after = ("relu", [], "") if math.isinf(ceiling) else ("hardtanh", [0.0, ceiling], "")
            fused: Tensor = torch.ops.mkldnn._convolution_pointwise(
                x, self._packed, bias, padding, stride, (1, 1), self.groups, *after
            )
            return fused

    @functools.cached_property
    def _packed(self) -> Tensor | None:
        if self.weight.device.type != "cpu" or not has_fused_operator(self.weight.dtype):
            return None
        stride = [self.stride, self.stride]
        packed: Tensor = torch.ops.mkldnn._reorder_convolution_weight(
            self.weight, list(self.padding), stride, [1, 1], self.groups, None
        )
        return packed

    @functools.cached_property
    def back(self) -> Kernel:
        """The kernel whose convolution of the gradient at the output is that at the input; of a stride of 1."""
        turned = self.weight.flip(2, 3)
        turned = turned.transpose(0, 1) if self.groups == 1 else turned  # groups of more than one channel do not occur
        rows, columns = (k - 1 - p for k, p in zip(self.weight.shape[-2:], self.padding, strict=True))
        return Kernel(_channels_last(turned), 1, (rows, columns), self.groups)

    def gradient_phases(self, gradient: Tensor, size: Sequence[int]) -> Iterator[tuple[slice, slice, Tensor]]:
        """Yield the gradient at the input of a depthwise convolution, phase by phase.

        A phase are the input pixels with the same position modulo the stride; each is a depthwise convolution of its
        own, with every `stride`-th tap. In bfloat16 oneDNN has no kernel for the whole: it takes a tenfold of this.

        Args:
            gradient: at the output, (1, C, h, w).
            size: of the input, (H, W).

        Yields:
            The rows and the columns of a phase, and its gradient.
        """
        for taps, *places in self._phases:
            found, margins, kept = [], list[int](), list[slice]()
            for side, out, place, count, pad in zip(
                size, gradient.shape[-2:], places, taps.weight.shape[-2:], self.padding, strict=True
            ):
                start = (place - pad) % self.stride
                first = (start + pad - place) // self.stride - (count - 1)  # output that the phase's first pixel reads
                pixels = len(range(start, side, self.stride))
                margins.append(max(-first, first + pixels + count - 1 - out, 0))
                kept.append(slice(margins[-1] + first, margins[-1] + first + pixels))
                found.append(slice(start, None, self.stride))
            phase = taps(gradient, padding=(margins[0], margins[1]))
            yield found[0], found[1], phase[..., kept[0], kept[1]]

    @functools.cached_property
    def _phases(self) -> list[tuple[Kernel, int, int]]:
        """The taps that reach each phase, and its row and column."""
        found = []
        for row in range(self.stride):
            for column in range(self.stride):
                taps = self.weight[:, :, row :: self.stride, column :: self.stride].flip(2, 3)
                none = [int(side == 0) for side in taps.shape[-2:]]  # where the kernel is smaller than the stride
                taps = F.pad(taps, (0, none[1], 0, none[0]))
                found.append((Kernel(_channels_last(taps), groups=self.groups), row, column))
        return found


def _channels_last(weight: Tensor) -> Tensor:
    return weight.contiguous(memory_format=torch.channels_last)


@functools.cache
def has_fused_operator(dtype: torch.dtype) -> bool:
    """Tell whether this PyTorch, on this CPU, has the fused convolution and ReLU that its own compiler uses."""
    needed = "_convolution_pointwise", "_reorder_convolution_weight"
    if not all(hasattr(torch.ops.mkldnn, name) for name in needed):  # built without oneDNN
        return False
    if dtype == torch.bfloat16:
        return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())
    return dtype == torch.float32
