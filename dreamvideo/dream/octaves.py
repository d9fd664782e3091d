"""The octave dreamer: one image in, one dream layer out. It knows nothing of video.

The dream layer L is what dreaming adds: D = I + L. It is built from the smallest octave to the full size; the frame
itself is resized afresh for every octave, so its detail is never lost, and a layer carried over from an earlier frame
is only ever resized down: what an octave adds travels up on its own. So a carried layer stays as sharp as it came.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from ..errors import is_out_of_memory
from ..networks.network import Network
from ..recipe import Dream
from . import tiles
from .cuda_graphs import GraphCache
from .gradient import gaussian, laplacian, natural, normalise, soften, variation
from .jitter import rolled, rotated
from .objective.objective import Objective
from .objective.terms import View

AUTO_SHORT_SIDE = 130  # px; the smallest octave of `octaves = "auto"`, so that a preview predicts the large render
SMALLEST = 16  # px; no octave is made smaller than this
HALF_SCALE = 4096.0  # lifts the objective of a half-precision network, whose gradients would else underflow
SHRINK = 0.75  # of their pixels that tiles keep when the memory runs out
AWAY = 0.1  # how far from the frame a pull of 1 is as strong as the gradient


def octave_sizes(height: int, width: int, octaves: int | str, scale: float) -> list[tuple[int, int]]:
    """Return the (height, width) of every octave, smallest first: original / scale^k, rounded.

    `octaves = "auto"` takes as many as bring the short side nearest to 130 px.
    """
    short = min(height, width)
    if octaves == "auto":
        octaves = 1 + max(0, round(math.log(short / AUTO_SHORT_SIDE, scale)))
    sizes = [(round(height / scale**k), round(width / scale**k)) for k in reversed(range(int(octaves)))]
    return [size for size in sizes if min(size) >= SMALLEST] or [(height, width)]


def resize(image: Tensor, size: Sequence[int]) -> Tensor:
    """Resample images (N, C, H, W) to (height, width), antialiased where they shrink; itself if it fits."""
    height, width = size
    if image.shape[-2:] == (height, width):
        return image
    shrinks = (
        height < image.shape[-2] or width < image.shape[-1]
    )  # growing needs no antialiasing, and is faster without
    return F.interpolate(image, (height, width), mode="bilinear", antialias=shrinks, align_corners=False)


class Dreamer:
    """Dreams images with one network, objective and set of numbers; built once for a whole film.

    Args:
        network, objective, dream: what it dreams with.
        beside: bytes that a pixel takes beside an ascent step.
        memory_budget: bytes that a frame and an ascent step may take together; a larger frame is climbed in tiles.
    """

    def __init__(
        self,
        network: Network,
        objective: Objective,
        dream: Dream,
        memory_budget: float = math.inf,
        beside: float = tiles.FILM_OVERHEAD,
    ):
        self.network, self.objective, self.recipe, self.memory_budget, self.beside = (
            network,
            objective,
            dream,
            memory_budget,
            beside,
        )
        self.notices: list[str] = []  # what the user should be told; whoever tells it takes it out
        self._recording = False
        self._most = math.inf  # px of a tile, once the memory has run out
        self._frame = 0
        self._appetite: tuple[int, tiles.MemoryPerPixel] | None = None  # for frames of up to so many pixels
        self._graphs = GraphCache() if next(network.body.parameters()).is_cuda else None
        half = next(network.body.parameters()).dtype == torch.float16
        self.scale = HALF_SCALE if half else 1.0

    def __call__(
        self,
        image: Tensor,
        index: int = 0,
        carried: Tensor | None = None,
        iterations: int | None = None,
        step: Tensor | None = None,
        finest: int | None = None,
        on_octave: Callable[[Tensor], None] | None = None,
    ) -> Tensor:
        """Return the dream layer of an image.

        Args:
            image: float RGB in [0, 1], shape (3, H, W).
            index: number the jitter is drawn from: the frame's where a dream is carried on, else the same for all,
                since a fresh dream that jitters is one that flickers.
            carried: a dream layer of the same shape to start from; None starts from the image alone.
            iterations: ascent steps per octave; the recipe's by default.
            step: the step of every pixel, (1, H, W); the recipe's everywhere by default.
            finest: ascent steps of the finest octave, if others; they go as far in all.
            on_octave: told the dream at every octave's size, (3, h, w), smallest first; not clamped.

        Returns:
            L of the same shape, so that image + L is the dream; not clamped.
        """
        frame = image[None]
        self._frame = max(self._frame, math.prod(image.shape[1:]))
        ground = torch.zeros_like(frame) if carried is None else carried[None]
        steps = torch.full_like(frame[:, :1], self.recipe.step) if step is None else step[None]
        count = self.recipe.iterations if iterations is None else iterations
        sizes = octave_sizes(frame.shape[-2], frame.shape[-1], self.recipe.octaves, self.recipe.octave_scale)
        whole = frame if carried is None else frame + ground
        added = frame.new_zeros(*frame.shape[:2], *sizes[0])
        for octave, size in enumerate(sizes):
            base = self._base(whole, frame, sizes, octave)
            dream = base + resize(added, size)
            length, last = resize(steps, size), octave == len(sizes) - 1
            jitters = self.draw_jitter(index, octave, count).to(frame.device)
            if last and finest is not None and finest < count:
                length, jitters = length * (count / finest), jitters[:finest]
            near = resize(frame, size) if self.recipe.pull else None
            added = self.ascend(dream, length, jitters, last, near) - base
            if on_octave is not None:
                on_octave((base + added)[0])
        return (ground + added)[0]

    def ascend(
        self, dream: Tensor, step: Tensor, jitters: Tensor, finest: bool = True, frame: Tensor | None = None
    ) -> Tensor:
        """Climb the objective from an image (1, 3, h, w): a gradient step (1, 1, h, w) per row of `jitters` (n, 4).

        The `frame` of the same shape is what the dream is drawn back to, if the recipe says so.
        """
        frame = dream if frame is None else frame

        def climb(dream: Tensor, step: Tensor, jitter: Tensor, frame: Tensor) -> Tensor:
            return torch.addcmul(dream, step, self._held(self.gradient(dream, jitter, finest)[1], dream, frame))

        if self.recipe.max_loss < math.inf:
            for jitter in jitters:
                value, gradient = self.gradient(dream, jitter, finest)
                if value > self.recipe.max_loss:
                    break
                dream = dream + step * self._held(gradient, dream, frame)
            return dream
        if self._graphs is not None and len(jitters) and len(self.plan(dream)) == 1:
            now = self.recipe
            shapes = now.shaping, now.colors, now.tv, now.pull, now.jitter_rotate > 0, now.jitter_scale > 1
            self._recording = True  # where memory runs out there, it goes on without
            try:
                climb = self._graphs.of(climb, (self.objective, shapes), finest, dream, step, jitters[0], frame)
            finally:
                self._recording = False
        for jitter in jitters:
            dream = climb(dream, step, jitter, frame)
        return dream

    def _held(self, gradient: Tensor, dream: Tensor, frame: Tensor) -> Tensor:
        """Return a shaped gradient less what keeps the dream smooth, and near to the frame."""
        if self.recipe.tv:
            gradient = gradient - self.recipe.tv * variation(dream)
        if self.recipe.pull:
            gradient = gradient - self.recipe.pull * (dream - frame) / AWAY
        return gradient

    def gradient(self, dream: Tensor, jitter: Tensor | None = None, finest: bool = True) -> tuple[Tensor, Tensor]:
        """Return the objective of an image (1, 3, h, w) and its shaped gradient, taken at one of `jitters`, (4,).

        Of the full-sized picture (`finest`) the gradient is softened; a smaller octave is when it is resized.
        """
        shift = None if jitter is None else jitter[:2].long()
        value, gradient = self._climbed(dream if shift is None else rolled(dream, shift), jitter)
        gradient = gradient.contiguous()
        gradient = gradient if shift is None else rolled(gradient, -shift)
        if self.recipe.colors == "natural":
            gradient = natural(gradient)
        if self.recipe.shaping == "gaussian":
            gradient = gaussian(gradient)
        elif self.recipe.shaping == "laplacian":
            gradient = laplacian(gradient)
            gradient = soften(gradient) if finest else gradient
        return value, normalise(gradient, self.objective.is_local)

    def _climbed(self, x: Tensor, jitter: Tensor | None) -> tuple[Tensor, Tensor]:
        """Return the objective of a shaken image (1, 3, h, w) and its gradient as it is, of the same shape.

        Where the memory runs out, the tiles become smaller, for good.
        """
        while True:
            parts = self.plan(x)
            try:
                return self._over(parts, x, jitter)
            except RuntimeError as error:
                if self._recording or not is_out_of_memory(error):
                    raise
            self._most = max(tile.pixels for tile in parts) * SHRINK
            self.notices.append(f"out of memory: going on in {len(self.plan(x))} tiles")

    def _over(self, parts: tuple[tiles.Tile, ...], x: Tensor, jitter: Tensor | None) -> tuple[Tensor, Tensor]:
        """Go through the network and back, tile by tile."""
        if len(parts) == 1:
            return self._back(x, self._view(x, parts[0], jitter), jitter)
        value, gradient = x.new_zeros(()), torch.empty_like(x)
        for tile in parts:
            seen = x[..., tile.seen[0], tile.seen[1]]
            worth, back = self._back(seen, self._view(x, tile, jitter), jitter)
            value += worth * tile.counted
            gradient[..., tile.put[0], tile.put[1]] = back[..., tile.kept[0], tile.kept[1]] * tile.pixels
        return value / math.prod(x.shape[-2:]), gradient

    def _back(self, seen: Tensor, view: View, jitter: Tensor | None) -> tuple[Tensor, Tensor]:
        """Go through the network and back: return the objective and its gradient."""
        seen = seen.detach().requires_grad_()
        with torch.enable_grad():
            turns = jitter is not None and (self.recipe.jitter_rotate > 0 or self.recipe.jitter_scale > 1)
            shown = rotated(seen, jitter[2], jitter[3]) if turns and jitter is not None else seen
            value = self.objective(self.network(shown), view)
            (gradient,) = torch.autograd.grad(value * self.scale, seen)
        return value.detach(), gradient

    def value(self, dream: Tensor) -> float:
        """Return the objective of an image (3, H, W)."""
        value = 0.0
        with torch.no_grad():
            for tile in self.plan(dream):
                seen = dream[None, ..., tile.seen[0], tile.seen[1]]
                value += float(self.objective(self.network(seen), self._view(dream, tile))) * tile.counted
        return value / math.prod(dream.shape[-2:])

    @staticmethod
    def _view(image: Tensor, tile: tiles.Tile, jitter: Tensor | None = None) -> View:
        height, width = image.shape[-2:]
        start = tile.seen[0].start, tile.seen[1].start
        seen = tile.seen[0].stop - start[0], tile.seen[1].stop - start[1]
        return View((height, width), seen, start, image.new_zeros(2) if jitter is None else jitter[:2])

    @property
    def appetite(self) -> tiles.MemoryPerPixel:
        """What an ascent step takes of memory."""
        if self._appetite is None or self._frame > self._appetite[0]:
            self._appetite = self._frame, tiles.memory_per_pixel(self.network, self.network.mean.device, self._frame)
        return self._appetite[1]

    def plan(self, image: Tensor) -> tuple[tiles.Tile, ...]:
        """Return the tiles that an image (…, h, w) is climbed in, by the memory_budget there is.

        Raises:
            RecipeError: there is not enough for even the smallest.
        """
        height, width = image.shape[-2:]
        self._frame = max(self._frame, height * width)  # a small octave, too, stands beside the whole frame
        most = (
            self.appetite.within(self.memory_budget - self.beside * self._frame)
            if self.memory_budget < math.inf
            else math.inf
        )
        return tiles.plan_tiles(height, width, min(most, self._most))

    def _base(self, whole: Tensor, frame: Tensor, sizes: list[tuple[int, int]], octave: int) -> Tensor:
        """Return what one octave ascends on: the frame with the dream it starts from, the `whole`, at its size.

        With lost detail given back *after* the ascent, the frame is still as soft as the octave below left it.
        """
        base = resize(whole, sizes[octave])
        if self.recipe.lost_detail == "after" and octave > 0:
            base = base - resize(frame, sizes[octave]) + resize(resize(frame, sizes[octave - 1]), sizes[octave])
        return base

    def draw_jitter(self, index: int, octave: int, count: int) -> Tensor:
        """Draw the jitter of one octave, (count, 4): each (dy, dx), px, a turn, radians, and a size.

        A carried dream needs other shifts on every frame: one that always climbs at the same few comes to fit those
        alone, and shows the network's own grid.
        """
        generator = torch.Generator().manual_seed((self.recipe.seed * 1_000_003 + index) * 64 + octave)
        reach, turn, size = self.recipe.jitter, math.radians(self.recipe.jitter_rotate), self.recipe.jitter_scale
        shifts = torch.randint(-reach, reach + 1, (count, 2), generator=generator)
        angle, scale = 2 * torch.rand(count, 2, generator=generator).T - 1
        return torch.cat([shifts, (turn * angle)[:, None], size ** scale[:, None]], 1)
