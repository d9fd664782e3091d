"""Where a frame is too large for the memory, it is climbed tile by tile.

The tiles overlap, and only their middles are kept; the gradient is shaped and normalised over the whole frame, and the
frame lies elsewhere on the tiles at every step, as the jitter moves it. So no seam can form.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from ..errors import RecipeError

GRID = 32  # px; where tiles begin: what every network divides its picture by, so that a tile is seen as the frame is
HALO = 64  # px that a tile sees of its neighbours
MOST = 64  # rows, and columns, of tiles
PROBE = 256  # px; side of the picture that tells what a step takes
LARGE = 2**20  # px of a large one,
ENOUGH = 0.8e9  # bytes that it may take
WORKING = 1.8  # what a step holds at most, as a multiple of what it keeps for the way back
STILL_OVERHEAD = 200.0  # bytes a pixel takes beside: the picture, its dream, and its gradient on its way,
FILM_OVERHEAD = 450.0  # and in a film, its motion and what is carried, and those of the frames read ahead


@dataclass(frozen=True)
class Tile:
    """A part of a frame.

    Attributes:
        seen: the rows and columns that are looked at.
        kept: of these, the ones whose gradient counts.
        put: where these lie in the frame.
    """

    seen: tuple[slice, slice]
    kept: tuple[slice, slice]
    put: tuple[slice, slice]

    @property
    def pixels(self) -> int:
        """How many are looked at."""
        return math.prod(side.stop - side.start for side in self.seen)

    @property
    def counted(self) -> int:
        """How many count."""
        return math.prod(side.stop - side.start for side in self.put)


@functools.lru_cache(64)
def plan_tiles(height: int, width: int, most: float) -> tuple[Tile, ...]:
    """Cut a frame into the fewest tiles that see at most so many pixels each.

    Raises:
        RecipeError: even the smallest tiles see more.
    """
    if height * width <= most:
        return (_tile(slice(0, height), slice(0, width), height, width),)
    grids = sorted(((r, c) for r in range(1, MOST + 1) for c in range(1, MOST + 1)), key=lambda g: (math.prod(g), g))
    for rows, columns in grids:
        across, down = _cut(width, columns), _cut(height, rows)
        if max(_reach(side, width) for side in across) * max(_reach(side, height) for side in down) <= most:
            return tuple(_tile(y, x, height, width) for y in down for x in across)
    raise RecipeError(
        f"a frame of {width}x{height} cannot be dreamed in so little memory: give --memory more, or a smaller --size"
    )


@dataclass(frozen=True)
class MemoryPerPixel:
    """What an ascent step takes of memory, in bytes for every pixel it looks at.

    Attributes:
        small, large: up to `LARGE` pixels, and beyond, where a network may be more sparing.
    """

    small: float
    large: float

    def of(self, pixels: float) -> float:
        """Return the bytes for so many pixels."""
        return pixels * (self.small if pixels <= LARGE else self.large)

    def within(self, room: float) -> float:
        """Return how many pixels there is room for, in bytes."""
        return room / self.large if room / self.large > LARGE else min(room / self.small, LARGE)


def memory_per_pixel(network: Callable[[Tensor], object], device: torch.device, pixels: int) -> MemoryPerPixel:
    """Find out what an ascent step takes, on a small picture, and for frames of more `pixels`, on a large one, too, if
    that is not too much.
    """
    small = _saved_bytes(network, device, PROBE)
    spare = pixels > LARGE and small * LARGE < ENOUGH
    return MemoryPerPixel(
        WORKING * small, WORKING * (_saved_bytes(network, device, math.isqrt(LARGE) + 1) if spare else small)
    )


def _saved_bytes(network: Callable[[Tensor], object], device: torch.device, side: int) -> float:
    """Return the bytes a pixel that a pass through the network keeps for the way back."""
    kept: dict[int, int] = {}

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    picture = torch.zeros(1, 3, side, side, device=device, requires_grad=True)
    with torch.enable_grad(), torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        held = network(picture)
    del held
    return sum(kept.values()) / side**2


def _cut(side: int, count: int) -> list[slice]:
    """Cut a side into at most so many parts, all but the last of one length."""
    length = -(-side // (count * GRID)) * GRID
    return [slice(first, min(first + length, side)) for first in range(0, side, length)]


def _around(part: slice, side: int) -> slice:
    return slice(max(part.start - HALO, 0), min(part.stop + HALO, side))


def _reach(part: slice, side: int) -> int:
    around = _around(part, side)
    return around.stop - around.start


def _tile(rows: slice, columns: slice, height: int, width: int) -> Tile:
    seen = _around(rows, height), _around(columns, width)
    kept = tuple(
        slice(part.start - around.start, part.stop - around.start)
        for part, around in zip((rows, columns), seen, strict=True)
    )
    return Tile(seen, (kept[0], kept[1]), (rows, columns))
