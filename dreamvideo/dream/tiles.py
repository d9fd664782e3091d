"""Tiles: where a frame is too large for the memory, its gradient is computed one overlapping tile at a time.

Only the core of each tile counts; the gradient is shaped and normalised over the whole frame, and jitter moves the
frame under the tiles at every ascent step. So no seam can form.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from ..errors import RecipeError

GRID = 32  # px; tiles begin at its multiples: the total stride of the usual networks, so that each sees its own grid
HALO = 64  # px of its neighbours that a tile includes
MAX_PER_SIDE = 64  # rows, and columns, of tiles
PROBE_SIDE = 256  # px; of the picture that the memory of an ascent step is measured on
LARGE = 2**20  # px from which a picture counts as large, and its memory is measured separately,
MAX_PROBE = 0.8e9  # if that takes no more bytes than this
PEAK = 1.8  # the most an ascent step takes, as a multiple of the activations kept for the backward pass
STILL_OVERHEAD = 200.0  # bytes per pixel besides an ascent step: the picture, its dream and its gradient
FILM_OVERHEAD = 450.0  # in a film also flow and warped layer, and the same of the frames read ahead


@dataclass(frozen=True)
class Tile:
    """A part of a frame. Every area is (rows, columns).

    Attributes:
        crop: the area of the frame that the network sees.
        core: the area within the crop whose gradient counts.
        place: where the core lies in the frame.
    """

    crop: tuple[slice, slice]
    core: tuple[slice, slice]
    place: tuple[slice, slice]

    @property
    def pixels(self) -> int:
        """The number of pixels of the crop."""
        return math.prod(side.stop - side.start for side in self.crop)

    @property
    def core_pixels(self) -> int:
        """The number of pixels of the core."""
        return math.prod(side.stop - side.start for side in self.place)


@functools.lru_cache(64)
def plan_tiles(height: int, width: int, max_pixels: float) -> tuple[Tile, ...]:
    """Divide a frame into the fewest tiles of at most `max_pixels` each.

    Raises:
        RecipeError: even the smallest tiles have more pixels.
    """
    if height * width <= max_pixels:
        return (_tile(slice(0, height), slice(0, width), height, width),)
    sides = range(1, MAX_PER_SIDE + 1)
    grids = sorted(((r, c) for r in sides for c in sides), key=lambda grid: (math.prod(grid), grid))
    for rows, columns in grids:
        across, down = _divide(width, columns), _divide(height, rows)
        if max(_crop_length(x, width) for x in across) * max(_crop_length(y, height) for y in down) <= max_pixels:
            return tuple(_tile(y, x, height, width) for y in down for x in across)
    raise RecipeError(
        f"the memory budget is too small to dream a frame of {width}x{height}: give --memory more, or a smaller --size"
    )


@dataclass(frozen=True)
class MemoryPerPixel:
    """The memory that an ascent step takes, in bytes per pixel that the network sees.

    Attributes:
        small: in pictures of up to `LARGE` pixels.
        large: in larger ones, where a network may keep less.
    """

    small: float
    large: float

    def of(self, pixels: float) -> float:
        """Return the bytes that an ascent step on so many pixels takes."""
        return pixels * (self.small if pixels <= LARGE else self.large)

    def within(self, budget: float) -> float:
        """Return how many pixels an ascent step can take within a memory budget, bytes."""
        return budget / self.large if budget / self.large > LARGE else min(budget / self.small, LARGE)


def memory_per_pixel(network: Callable[[Tensor], object], device: torch.device, pixels: int) -> MemoryPerPixel:
    """Measure the memory that an ascent step takes, on a small picture.

    For frames of more than `LARGE` `pixels` it is measured on a large picture, too, if that takes little enough.
    """
    small = _saved_bytes(network, device, PROBE_SIDE)
    affordable = pixels > LARGE and small * LARGE < MAX_PROBE
    large = _saved_bytes(network, device, math.isqrt(LARGE) + 1) if affordable else small
    return MemoryPerPixel(PEAK * small, PEAK * large)


def _saved_bytes(network: Callable[[Tensor], object], device: torch.device, side: int) -> float:
    """Return the bytes per pixel that a forward pass saves for the backward pass."""
    saved: dict[int, int] = {}

    def count(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        saved[storage.data_ptr()] = storage.nbytes()
        return tensor

    picture = torch.zeros(1, 3, side, side, device=device, requires_grad=True)
    with torch.enable_grad(), torch.autograd.graph.saved_tensors_hooks(count, lambda tensor: tensor):
        activations = network(picture)
    del activations  # kept until here, so that no two tensors share an address
    return sum(saved.values()) / side**2


def _divide(side: int, count: int) -> list[slice]:
    """Divide a side into at most `count` parts of equal length, the last one shorter."""
    length = -(-side // (count * GRID)) * GRID
    return [slice(first, min(first + length, side)) for first in range(0, side, length)]


def _with_halo(part: slice, side: int) -> slice:
    return slice(max(part.start - HALO, 0), min(part.stop + HALO, side))


def _crop_length(part: slice, side: int) -> int:
    crop = _with_halo(part, side)
    return crop.stop - crop.start


def _tile(rows: slice, columns: slice, height: int, width: int) -> Tile:
    crop = _with_halo(rows, height), _with_halo(columns, width)
    core = tuple(
        slice(part.start - around.start, part.stop - around.start)
        for part, around in zip((rows, columns), crop, strict=True)
    )
    return Tile(crop, (core[0], core[1]), (rows, columns))
