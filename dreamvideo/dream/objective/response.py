"""How strongly a layer responds: energy, mean, or the cosine objective of an activation."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

BORDER = 2  # rows and columns ignored at the activation's edge, where padding rather than the picture excites it
MIN_COSINE = 0.1  # that a place counts with, so that places pointing elsewhere have a gradient, too


def energy(activation: Tensor) -> Tensor:
    """Return the energy of an activation: the sum of squares inside the border, over the number of activations.

    Args:
        activation: (1, C, h, w), any precision; summed in float32.

    Returns:
        A scalar ≥ 0. An activation too small to have an inside is taken whole.

    Source: Mordvintsev, Olah & Tyka 2015; border crop and scaling as in Chollet, Deep Learning with Python, 8.2.
    """
    return _inside(activation).float().square().sum() / activation.numel()


def mean(activation: Tensor) -> Tensor:
    """Return the mean of an activation (1, C, h, w): unlike its energy, it does not favour channels already strong."""
    return _inside(activation).float().sum() / activation.numel()


def cosine(activation: Tensor, channels: Tensor | None) -> Tensor:
    """Return the dot product of every place with a direction, times the cosine between the two; averaged over places.

    Args:
        activation: (1, C, h, w).
        channels: the channels that make up the direction; None for the activation's mean over all places.

    Source: the direction objective with a power of the cosine, of Lucid (Olah, Mordvintsev & Schubert 2017).
    """
    inside = _inside(activation)[0].float().flatten(1)  # (C, places)
    direction = (
        inside.detach().mean(1) if channels is None else torch.zeros_like(inside[:, 0]).index_fill(0, channels, 1)
    )
    direction = direction / torch.linalg.vector_norm(direction).clamp_min(1e-9)
    dot = direction @ inside
    cosines = dot / torch.linalg.vector_norm(inside, dim=0).clamp_min(1e-9)
    return (dot * cosines.clamp_min(MIN_COSINE)).mean()


FORMS: dict[str, Callable[[Tensor], Tensor]] = {"l2": energy, "mean": mean}  # of the chosen channels alone
COSINE = "cosine"  # the form that compares the chosen channels with all the others


def _inside(activation: Tensor) -> Tensor:
    h, w = activation.shape[-2:]
    if min(h, w) > 2 * BORDER:
        return activation[..., BORDER : h - BORDER, BORDER : w - BORDER]
    return activation
