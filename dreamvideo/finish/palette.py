"""Palettes: gives a dream the colours of a picture, or of a named list, and leaves its light as it is."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from ..errors import RecipeError
from ..media.readers.source import open_source
from ..media.tensors import to_tensor
from ..recipe import PALETTES
from .tone import LUMA_WEIGHTS, luma

STRIDE = 4  # px; every fourth row and column is measured
NOISE = 1e-4  # variance of chroma added to every measured one, so that a grey picture is not blown up
MOST_GAIN = 4.0  # most by which any direction of chroma is stretched


@dataclass(frozen=True)
class Palette:
    """How the chroma of a picture is spread: blue − luma and red − luma, for sRGB values in [0, 1].

    Attributes:
        mean: (2,).
        covariance: (2, 2).
    """

    mean: Tensor
    covariance: Tensor

    @classmethod
    def of(cls, picture: Tensor) -> Palette:
        """Return the palette of a picture, RGB (3, H, W)."""
        return cls._of_pixels(picture[:, ::STRIDE, ::STRIDE])

    @classmethod
    def _of_pixels(cls, picture: Tensor) -> Palette:
        points = _chroma(picture).flatten(1).double().cpu()
        return cls(points.mean(1), torch.cov(points, correction=0) + NOISE * torch.eye(2))


def read_palette(name: str) -> Palette | None:
    """Return the palette that a recipe names: one of `recipe.PALETTES`, or a picture's; None for the source's own.

    Raises:
        RecipeError: there is neither a palette nor a file of that name.
        SourceError: the picture cannot be read.
    """
    if name in ("", "source"):
        return None
    if name in PALETTES:
        colours = torch.tensor([tuple(bytes.fromhex(code)) for code in PALETTES[name].split()]) / 255
        return Palette._of_pixels(colours.T[:, None])
    if not Path(name).exists():
        raise RecipeError(f"--palette {name} is no picture and no palette: take a file, or {', '.join(PALETTES)}")
    with open_source(name) as source:
        return Palette.of(to_tensor(next(iter(source)).pixels, torch.device("cpu")))


def recolour(image: Tensor, layer: Tensor, palette: Palette) -> Tensor:
    """Return the layer of a dream that has the palette's colours, (3, H, W), at the luma that it had.

    The chroma of the dream, image + layer, is moved to the palette's mean and covariance by the one linear map that
    moves it least.

    Source: the linear Monge-Kantorovitch map (Pitié & Kokaram 2007).
    """
    dream = image + layer
    own = Palette.of(dream)
    root = _power(own.covariance, 0.5)
    inverse = _power(own.covariance, -0.5)
    step = inverse @ _power(root @ palette.covariance @ root, 0.5) @ inverse
    values, vectors = torch.linalg.eigh(step)
    step = vectors @ torch.diag(values.clamp(max=MOST_GAIN)) @ vectors.T
    chroma = _chroma(dream)
    mean, target = (x.to(chroma)[:, None, None] for x in (own.mean, palette.mean))
    change = torch.einsum("ij,jhw->ihw", step.to(chroma), chroma - mean) + target - chroma
    return layer + _rgb(change)


def _chroma(picture: Tensor) -> Tensor:
    """Return blue − luma and red − luma of a picture (3, H, W), (2, H, W)."""
    return picture[[2, 0]] - luma(picture)


def _rgb(chroma: Tensor) -> Tensor:
    """Return chroma (2, H, W) as RGB (3, H, W) of luma 0."""
    blue, red = chroma
    return torch.stack([red, -(LUMA_WEIGHTS[0] * red + LUMA_WEIGHTS[2] * blue) / LUMA_WEIGHTS[1], blue])


def _power(matrix: Tensor, exponent: float) -> Tensor:
    """Return a symmetric positive matrix (n, n) raised to a power."""
    values, vectors = torch.linalg.eigh(matrix)
    return vectors @ torch.diag(values.clamp_min(1e-9) ** exponent) @ vectors.T
