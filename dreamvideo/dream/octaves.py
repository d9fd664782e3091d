"""The octave dreamer: gradient ascent on an image, octave by octave; one image in, one dream layer out.

The dream layer L is what dreaming adds: D = I + L. It grows from the smallest octave to the full size. The frame itself
is resized afresh for every octave, so its detail is never lost; and a layer carried over from an earlier frame is only
ever resized down, since what the octaves add is kept separate from it. So a carried layer stays as sharp as it was.

Source: Mordvintsev, Olah & Tyka 2015.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from ..errors import is_out_of_memory
from ..networks.network import Network
from ..recipe import Dream
from . import phase, tiles
from .cuda_graphs import GraphCache, Step
from .gradient import normalise, regularise, shape_gradient
from .jitter import draw_jitter, rolled, rotated, rotates
from .objective.objective import Objective
from .objective.terms import View

AUTO_SHORT_SIDE = 130  # px; the smallest octave of `octaves = "auto"`, so that a preview predicts the large render
SMALLEST = 16  # px; no octave is made smaller than this
HALF_SCALE = 4096.0  # multiplies the objective of a half-precision network, whose gradient would underflow
SHRINK = 0.75  # factor on the size of tiles each time the memory runs out


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
    """Resample images (N, C, H, W) to (height, width), antialiased where they shrink; unchanged if of that size."""
    height, width = size
    if image.shape[-2:] == (height, width):
        return image
    shrinks = height < image.shape[-2] or width < image.shape[-1]  # enlarging is faster without antialiasing
    return F.interpolate(image, (height, width), mode="bilinear", antialias=shrinks, align_corners=False)


@dataclass(frozen=True)
class Coarser:
    """How the octaves coarser than the finest are ascended where a dream is carried on.

    They make the large shapes, which move along and stay: only areas that have come into sight lack them.

    Attributes:
        step: of every pixel, (1, H, W).
        turns: each octave has its turn on every so many frames; 0 for never.
    """

    step: Tensor
    turns: int

    def takes_part(self, index: int, below: int) -> bool:
        """Tell whether an octave has its turn: the one `below` octaves coarser than the finest, on a frame."""
        return self.turns > 0 and (index + below) % self.turns == 0


class Dreamer:
    """Dreams images with one network, objective and recipe; built once for a whole film.

    Args:
        network, objective, recipe: what to dream with.
        memory_budget: bytes that a frame and an ascent step may take together; a larger frame is divided into tiles.
        overhead: bytes per pixel of the frame that are in use besides an ascent step.

    Attributes:
        notices: messages for the user; whoever shows one removes it.
    """

    def __init__(
        self,
        network: Network,
        objective: Objective,
        recipe: Dream,
        memory_budget: float = math.inf,
        overhead: float = tiles.FILM_OVERHEAD,
    ):
        self.network, self.objective, self.recipe = network, objective, recipe
        self.memory_budget, self.overhead = memory_budget, overhead
        self.notices: list[str] = []
        weight = next(network.body.parameters())
        self._loss_scale = HALF_SCALE if weight.dtype == torch.float16 else 1.0
        self._graphs = GraphCache() if weight.is_cuda else None
        self._recording = False  # a CUDA graph; where memory runs out meanwhile, the graph is given up
        self._frame_pixels = 0  # of the largest frame so far
        self._tile_limit = math.inf  # px of a tile, once the memory has run out
        self._memory: tuple[int, tiles.MemoryPerPixel] | None = None  # measured for frames of up to so many pixels

    def __call__(
        self,
        image: Tensor,
        index: int = 0,
        layer: Tensor | None = None,
        iterations: int | None = None,
        step: Tensor | None = None,
        finest: int | None = None,
        coarser: Coarser | None = None,
        on_octave: Callable[[Tensor], None] | None = None,
    ) -> Tensor:
        """Return the dream layer of an image.

        Args:
            image: float RGB in [0, 1], shape (3, H, W).
            index: number the jitter is drawn from: the frame's where a layer is carried on, else the same for all,
                because independent dreams with different jitter flicker.
            layer: a dream layer of the same shape to start from; None starts from the image alone.
            iterations: ascent steps per octave; the recipe's by default.
            step: the size of an ascent step at every pixel, (1, H, W); the recipe's by default.
            finest: ascent steps of the finest octave, if fewer; they are longer, so that they go as far in all.
            coarser: how the other octaves are ascended, if not as the finest.
            on_octave: called with the dream at every octave's size, (3, h, w), smallest first; not clamped.

        Returns:
            L of the same shape, so that image + L is the dream; not clamped.
        """
        if self.recipe.ascent == "phase":
            return self._ascend_phases(image, iterations, on_octave)
        frame = image[None]  # (1, 3, H, W)
        self._frame_pixels = max(self._frame_pixels, math.prod(image.shape[1:]))
        initial = torch.zeros_like(frame) if layer is None else layer[None]
        start = frame if layer is None else frame + initial
        steps = torch.full_like(frame[:, :1], self.recipe.step) if step is None else step[None]  # (1, 1, H, W)
        count = self.recipe.iterations if iterations is None else iterations
        sizes = octave_sizes(frame.shape[-2], frame.shape[-1], self.recipe.octaves, self.recipe.octave_scale)
        detail = frame.new_zeros(*frame.shape[:2], *sizes[0])  # what the ascent has added, (1, 3, h, w)
        for octave, size in enumerate(sizes):
            below, length, taken = len(sizes) - 1 - octave, steps, count
            if coarser is not None and below:
                length, taken = coarser.step[None], count if coarser.takes_part(index, below) else 0
            if not taken and on_octave is None and below:
                detail = resize(detail, size)
                continue
            base = self._octave_base(start, frame, sizes, octave)
            dream = base + resize(detail, size)
            length, last = resize(length, size), not below
            jitters = draw_jitter(self.recipe, index, octave, taken).to(frame.device)
            if last and finest is not None and finest < count:
                length, jitters = length * (count / finest), jitters[:finest]
            own = resize(frame, size) if self.recipe.pull else None
            detail = self.ascend(dream, length, jitters, last, own) - base
            if on_octave is not None:
                on_octave((base + detail)[0])
        return (initial + detail)[0]

    def _ascend_phases(
        self, image: Tensor, iterations: int | None, on_octave: Callable[[Tensor], None] | None
    ) -> Tensor:
        """Return the dream layer of an image (3, H, W) that keeps the magnitudes of its spectrum (see `phase`)."""
        recipe, count = self.recipe, self.recipe.iterations if iterations is None else iterations
        generator = torch.Generator().manual_seed(recipe.seed)

        def gradient(picture: Tensor) -> Tensor:
            return regularise(self.gradient(picture)[1], picture, picture, recipe)

        dream = phase.ascend_phases(image, gradient, phase.STEPS * count, phase.RADIANS * recipe.step, generator)
        if on_octave is not None:
            on_octave(dream)
        return dream - image

    def _octave_base(self, start: Tensor, frame: Tensor, sizes: list[tuple[int, int]], octave: int) -> Tensor:
        """Return the image that an octave ascends from: `start`, the frame with its initial layer, at that size.

        If lost detail is injected *after* the ascent, the frame still lacks what the smaller octave has lost.
        """
        size = sizes[octave]
        base = resize(start, size)
        if self.recipe.lost_detail == "before" or octave == 0:
            return base
        own, enlarged = resize(frame, size), resize(resize(frame, sizes[octave - 1]), size)
        return base - own + enlarged  # less the lost detail, own − enlarged

    def ascend(
        self, dream: Tensor, step: Tensor, jitters: Tensor, finest: bool = True, frame: Tensor | None = None
    ) -> Tensor:
        """Return an image after gradient ascent on the objective: x += step · g / mean|g|, once per row of `jitters`.

        Args:
            dream: the image to start from, (1, 3, h, w).
            step: its size at every pixel, (1, 1, h, w).
            jitters: (n, 4), as `draw_jitter` returns them.
            finest: whether this is the full-sized octave.
            frame: what the recipe's pull draws the dream back to, (1, 3, h, w); the dream itself by default.
        """
        frame = dream if frame is None else frame
        if self.recipe.max_loss < math.inf:
            return self._ascend_up_to_max_loss(dream, step, jitters, finest, frame)

        def ascent_step(dream: Tensor, step: Tensor, jitter: Tensor, frame: Tensor) -> Tensor:
            gradient = self.gradient(dream, jitter, finest)[1]
            return torch.addcmul(dream, step, regularise(gradient, dream, frame, self.recipe))

        ascend_once = self._recorded(ascent_step, finest, dream, step, jitters, frame)
        for jitter in jitters:
            dream = ascend_once(dream, step, jitter, frame)
        return dream

    def _ascend_up_to_max_loss(
        self, dream: Tensor, step: Tensor, jitters: Tensor, finest: bool, frame: Tensor
    ) -> Tensor:
        """Ascend as `ascend` does, until the objective passes the recipe's maximum."""
        for jitter in jitters:
            value, gradient = self.gradient(dream, jitter, finest)
            if value > self.recipe.max_loss:
                break
            dream = dream + step * regularise(gradient, dream, frame, self.recipe)
        return dream

    def _recorded(
        self, ascent_step: Step, finest: bool, dream: Tensor, step: Tensor, jitters: Tensor, frame: Tensor
    ) -> Step:
        """Return an ascent step as a CUDA graph, on a GPU, where one tile takes the whole image."""
        if self._graphs is None or not len(jitters) or len(self.plan(dream)) > 1:
            return ascent_step
        now = self.recipe
        filters = now.shaping, now.colors, now.tv, now.pull, now.jitter_rotate > 0, now.jitter_scale > 1
        self._recording = True
        try:
            return self._graphs.get(ascent_step, (self.objective, filters), finest, dream, step, jitters[0], frame)
        finally:
            self._recording = False

    def gradient(self, dream: Tensor, jitter: Tensor | None = None, finest: bool = True) -> tuple[Tensor, Tensor]:
        """Return the objective of an image and its gradient, shaped and normalised.

        Args:
            dream: (1, 3, h, w).
            jitter: a row of `draw_jitter`, (4,); none by default.
            finest: whether this is the full-sized octave.

        Returns:
            A scalar, and the gradient, (1, 3, h, w).
        """
        shift = None if jitter is None else jitter[:2].long()
        value, gradient = self._backpropagate(dream if shift is None else rolled(dream, shift), jitter)
        gradient = gradient.contiguous()
        gradient = gradient if shift is None else rolled(gradient, -shift)
        return value, normalise(shape_gradient(gradient, self.recipe, finest), self.objective.is_local)

    def value(self, dream: Tensor) -> float:
        """Return the objective of an image (3, H, W)."""
        value = 0.0
        with torch.no_grad():
            for tile in self.plan(dream):
                crop = dream[None, ..., tile.crop[0], tile.crop[1]]
                value += float(self.objective(self.network(crop), _view(dream, tile))) * tile.core_pixels
        return value / math.prod(dream.shape[-2:])

    def _backpropagate(self, x: Tensor, jitter: Tensor | None) -> tuple[Tensor, Tensor]:
        """Return the objective of a shifted image (1, 3, h, w) and its gradient as it is, of the same shape.

        Where the memory runs out, the tiles become smaller, for good.
        """
        while True:
            plan = self.plan(x)
            try:
                return self._backpropagate_tiles(plan, x, jitter)
            except RuntimeError as error:
                if self._recording or not is_out_of_memory(error):
                    raise
            self._tile_limit = max(tile.pixels for tile in plan) * SHRINK
            self.notices.append(f"out of memory: going on in {len(self.plan(x))} tiles")

    def _backpropagate_tiles(
        self, plan: tuple[tiles.Tile, ...], x: Tensor, jitter: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """Return the objective and its gradient, put together from the cores of all tiles."""
        if len(plan) == 1:
            return self._backpropagate_crop(x, _view(x, plan[0], jitter), jitter)
        value, gradient = x.new_zeros(()), torch.empty_like(x)
        for tile in plan:
            crop = x[..., tile.crop[0], tile.crop[1]]
            crop_value, crop_gradient = self._backpropagate_crop(crop, _view(x, tile, jitter), jitter)
            value += crop_value * tile.core_pixels
            core = crop_gradient[..., tile.core[0], tile.core[1]]
            gradient[..., tile.place[0], tile.place[1]] = core * tile.pixels  # the objective is a mean over the crop
        return value / math.prod(x.shape[-2:]), gradient

    def _backpropagate_crop(self, crop: Tensor, view: View, jitter: Tensor | None) -> tuple[Tensor, Tensor]:
        """Pass a crop through the network and back: return the objective and its gradient."""
        crop = crop.detach().requires_grad_()
        with torch.enable_grad():
            rotate = jitter is not None and rotates(self.recipe)
            jittered = rotated(crop, jitter[2], jitter[3]) if rotate and jitter is not None else crop
            value = self.objective(self.network(jittered), view)
            (gradient,) = torch.autograd.grad(value * self._loss_scale, crop)
        return value.detach(), gradient

    @property
    def memory_per_pixel(self) -> tiles.MemoryPerPixel:
        """The memory that an ascent step takes, measured once, and again for the first large frame."""
        if self._memory is None or self._frame_pixels > self._memory[0]:
            measured = tiles.memory_per_pixel(self.network, self.network.mean.device, self._frame_pixels)
            self._memory = self._frame_pixels, measured
        return self._memory[1]

    def plan(self, image: Tensor) -> tuple[tiles.Tile, ...]:
        """Return the tiles that an image (…, h, w) is divided into, by the memory budget.

        Raises:
            RecipeError: it is too small for even the smallest tiles.
        """
        height, width = image.shape[-2:]
        self._frame_pixels = max(self._frame_pixels, height * width)  # the whole frame stays in memory at every octave
        most = math.inf
        if self.memory_budget < math.inf:
            most = self.memory_per_pixel.within(self.memory_budget - self.overhead * self._frame_pixels)
        return tiles.plan_tiles(height, width, min(most, self._tile_limit))


def _view(image: Tensor, tile: tiles.Tile, jitter: Tensor | None = None) -> View:
    """Return where a tile lies in an image (…, h, w) that jitter has shifted."""
    height, width = image.shape[-2:]
    origin = tile.crop[0].start, tile.crop[1].start
    size = tile.crop[0].stop - origin[0], tile.crop[1].stop - origin[1]
    return View((height, width), size, origin, image.new_zeros(2) if jitter is None else jitter[:2])
