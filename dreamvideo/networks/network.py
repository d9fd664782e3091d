"""A network as the rest sees it."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ..errors import ModelError

EMBEDDED = "efficientnet-lite0"
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
