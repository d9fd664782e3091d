"""A frozen network as a function from an image to the activations of its layers."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ..errors import ModelError, is_out_of_memory

EMBEDDED = "efficientnet-lite0"
USUAL_SIZE = 224  # px; the size most networks are trained at: a smaller picture may leave nothing for the deep layers


class Network(nn.Module):
    """A frozen feature extractor over images.

    Calling it with an image, float RGB in [0, 1], shape (1, 3, H, W), returns {layer name: activation (1, C, h, w)}
    in the network's own precision.

    Args:
        name: what the network is called in recipes.
        body: computes {layer name: activation} from a normalised image.
        mean, std: per channel; the body gets (image − mean) / std.

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
            features: dict[str, Tensor] = self.body.forward(x)  # calling a torch.fx module would print its errors
        except RuntimeError as error:
            height, width = image.shape[-2:]
            if min(height, width) >= USUAL_SIZE or is_out_of_memory(error):
                raise
            raise ModelError(
                f"a picture of {width}×{height} is too small for {self.name}: take a larger --size, "
                "fewer --octaves, or a shallower layer"
            ) from error
        return features
