"""A network as the rest sees it."""

from __future__ import annotations

import functools
import time
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ..errors import ModelError

EMBEDDED = "efficientnet-lite0"
PAYS = 1.5  # times as fast as in float32 that a CPU has to be in bfloat16
SIDE = 768  # of the matrices that are multiplied to find out
SMALL = 224  # px; what networks are made for: below, one may find nothing left to look at


class Network(nn.Module):
    """A frozen feature extractor over images.

    Calling it with an image, float RGB in [0, 1], shape (1, 3, H, W), returns {layer name: activation (1, C, h, w)}
    in the network's own precision.

    Raises:
        ModelError: the image is too small for its layers.
    """

    def __init__(self, name: str, body: nn.Module, mean: Sequence[float], std: Sequence[float]):
        super().__init__()
        self.name = name
        self.body = body.eval().requires_grad_(False)
        self.mean: Tensor
        self.std: Tensor
        self.register_buffer("mean", torch.tensor(mean).view(1, -1, 1, 1))
        self.register_buffer("std", torch.tensor(std).view(1, -1, 1, 1))

    def forward(self, image: Tensor) -> dict[str, Tensor]:
        x = (image - self.mean) / self.std
        x = x.to(next(self.body.parameters(), x).dtype, memory_format=torch.channels_last)
        try:
            features: dict[str, Tensor] = self.body.forward(x)  # torch.fx's own call prints what goes wrong
        except RuntimeError as error:
            height, width = image.shape[-2:]
            if min(height, width) >= SMALL or "memory" in str(error):
                raise
            raise ModelError(
                f"{self.name} finds nothing to look at in a picture of {width}×{height}: take a larger --size, "
                "fewer --octaves, or a shallower layer"
            ) from error
        return features


@functools.cache
def half_pays() -> bool:
    """Tell whether this machine's CPU is faster in bfloat16, and by enough to give up precision for it.

    That it has the instructions says nothing: of two with AVX-512's, one was 2.7 times as fast, one half as fast.
    """
    taken = []
    for dtype in (torch.float32, torch.bfloat16):
        matrix = torch.ones(SIDE, SIDE, dtype=dtype)
        turns = []
        for _ in range(4):
            start = time.perf_counter()
            torch.mm(matrix, matrix)
            turns.append(time.perf_counter() - start)
        taken.append(min(turns))
    return taken[0] > PAYS * taken[1]
