"""The sizes at which a frame is dreamed before its own, and what makes a dream at another size look alike."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import cv2
import numpy as np
from numpy.typing import NDArray

from ..media.info import Info
from ..media.pixels import Pixels
from ..media.readers.frame import Frame
from ..recipe import Recipe

COARSE = 200  # px, short side up to which a frame is dreamed at first
FINER = 1.7  # times at least that the finest size is larger than the one before
GLIMPSE = 0.5  # share of the ascent's steps at coarse sizes, where each is longer instead
Picture = NDArray[np.uint8]


def level_sizes(width: int, height: int, scale: float, largest: int | None) -> list[tuple[int, int]]:
    """Return the sizes (width, height) at which a frame is dreamed one after the other, coarsest first.

    Each is the size of an octave of the film, so that it shows what the film's octaves up to that one make.
    """
    octaves = [(width, height)]
    while min(octaves[-1]) > COARSE:
        shrunk = scale ** len(octaves)
        octaves.append((round(width / shrunk), round(height / shrunk)))
    finest = next((size for size in octaves if largest is None or size[0] * size[1] <= largest), octaves[-1])
    middle = next((size for size in octaves if min(size) * FINER <= min(finest)), finest)
    return list(dict.fromkeys([octaves[-1], middle, finest]))


def with_detail(picture: Picture, frame: Picture) -> Picture:
    """Return a small dreamed picture at the size of its frame, with the detail that the frame has beyond that size.

    Args:
        picture: RGB (h, w, 3), dreamed.
        frame: RGB (H, W, 3), what it was dreamed on, larger.
    """
    small, large = picture.shape[1::-1], frame.shape[1::-1]
    coarse = cv2.resize(frame, small, interpolation=cv2.INTER_AREA)
    change = picture.astype(np.float32) - coarse
    enlarged = cv2.resize(change, large, interpolation=cv2.INTER_CUBIC)
    return np.clip(frame + enlarged + 0.5, 0, 255).astype(np.uint8)


def hurried(recipe: Recipe) -> Recipe:
    """Return the recipe with fewer and longer steps of a new dream, where they are numbers."""
    iterations, step = recipe.dream.iterations, recipe.dream.step
    if isinstance(step, (str, dict)) or isinstance(iterations, (str, dict)) or iterations < 2:
        return recipe
    fewer = max(round(iterations * GLIMPSE), 1)
    return recipe.merge({"dream": {"iterations": fewer, "step": min(step * iterations / fewer, 1)}})


def at_size(recipe: Recipe, info: Info, size: tuple[int, int], scale: float) -> Recipe:
    """Return the recipe for a film at a smaller size, which has fewer octaves, each `scale` times the one before."""
    fewer = round(np.log(info.width / size[0]) / np.log(scale))
    if fewer <= 0 or isinstance(recipe.dream.octaves, str):
        return recipe
    return replace(recipe, dream=replace(recipe.dream, octaves=max(recipe.dream.octaves - fewer, 1)))


def fitting(width: int, height: int, side: int) -> tuple[int, int]:
    """Return a size with this short side at most, in even numbers."""
    scale = min(Fraction(side, min(width, height)), Fraction(1))
    return 2 * max(round(width * scale / 2), 1), 2 * max(round(height * scale / 2), 1)


def resized(frame: Frame, size: tuple[int, int]) -> Frame:
    """Return a frame at a size (width, height), without its alpha channel; as it is if it is of that size."""
    height, width = frame.pixels.shape[:2]
    if (width, height) == size:
        return frame
    pixels: Pixels = cv2.resize(frame.pixels, size, interpolation=cv2.INTER_AREA)
    return replace(frame, pixels=pixels, alpha=None)
