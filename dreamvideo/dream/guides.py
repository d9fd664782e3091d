"""Guides: pictures and films whose features the dream imitates."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fractions import Fraction

import torch
from torch import Tensor

from ..media.pixels import Pixels
from ..media.synced_reader import SyncedReader
from ..media.tensors import to_tensor
from ..networks.network import Network
from .octaves import resize

MAX_SIDE = 448  # px; a larger guide is made smaller before the network sees it

Features = Mapping[str, Tensor]  # per layer, the activations at every place of a picture, (C, places)


def guide_features(network: Network, pixels: Pixels) -> dict[str, Tensor]:
    """Return a guide picture's features: for each of the network's layers, (C, places).

    Args:
        network: truncated at the layers of the objective.
        pixels: RGB (H, W, 3), 8 or 16 bits.
    """
    image = to_tensor(pixels, network.mean.device)[None]
    scale = MAX_SIDE / max(image.shape[-2:])
    size = [max(round(side * scale), 1) for side in image.shape[-2:]]
    with torch.no_grad():
        activations = network(resize(image, size if scale < 1 else image.shape[-2:]))
    return {name: activation[0].float().flatten(1) for name, activation in activations.items()}


class Guide:
    """One guide, whose features are computed once for every picture it shows.

    Args:
        reader: of the picture or film.
        features_of: computes a picture's features.
    """

    def __init__(self, reader: SyncedReader, features_of: Callable[[Pixels], Features]):
        self.reader, self._features_of = reader, features_of
        self._last: tuple[Pixels, Features] | None = None

    def at(self, time: Fraction) -> Features:
        """Return the features of the picture that the guide shows at a time, s."""
        pixels = self.reader.at(time)
        if self._last is None or self._last[0] is not pixels:  # the reader returns the same object for the same picture
            self._last = pixels, self._features_of(pixels)
        return self._last[1]


class Guides:
    """The guides of a recipe, synced with the film that is dreamed.

    Args:
        paths: of pictures and films.
        features_of: computes a picture's features, as `guide_features` does.
        rate: frames per second of the film that is dreamed.
        begins: s into its source at which it begins.

    Raises:
        SourceError: a guide cannot be read.
    """

    def __init__(self, paths: list[str], features_of: Callable[[Pixels], Features], rate: Fraction, begins: Fraction):
        self._guides = {path: Guide(SyncedReader(path, rate), features_of) for path in paths}
        self._begins = begins

    def at(self, time: Fraction, weights: Mapping[str, float]) -> dict[str, tuple[Features, float]]:
        """Return the features and weights, by path, of the guides whose weight is not 0 at a time of the film, s."""
        moment = time + self._begins
        return {path: (self._guides[path].at(moment), weight) for path, weight in weights.items() if weight}

    def close(self) -> None:
        """Close the files; the next `at` opens them again."""
        for guide in self._guides.values():
            guide.reader.close()
