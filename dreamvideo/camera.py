"""The virtual camera: a view that zooms, turns, pans and tilts, and the exact motion that makes.

A view is a homography (3, 3) from pixels of the picture seen to pixels of the picture looked at. Speeds are elements
of its Lie algebra, and a view is their exponential: so a second of zoom is a second of zoom at any frame rate.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from . import flow
from .flow import Motion
from .recipe import Recipe
from .score import Score
from .timeline import Values

Matrix = NDArray[np.float64]

SPEEDS = ("zoom", "rotate", "pan_x", "pan_y", "tilt_x", "tilt_y", "center_x", "center_y")
SHRINKS = 1.05  # pixels taken per pixel shown from which on they are averaged, not picked
STILL = 1e-9  # of a view, below which it is taken for none
FEATHER = 1.5  # px, at the edge of what the frame before had in sight


def rests(recipe: Recipe) -> bool:
    """Tell whether a recipe leaves the camera where it is."""
    camera = recipe.camera
    still = all(getattr(camera, key) == 0 for key in SPEEDS if not key.startswith(("zoom", "center")))
    return still and camera.zoom == 1


class Path:
    """Where the camera looks, frame by frame, over pictures of one size.

    Attributes:
        steps: how every frame's view came from the one before, (frames + 1, 3, 3): from its pixels to the last one's.
            The first is nothing; the last leads to where a frame after the end would stand.
        moves: whether any of them does anything.

    Source: velocities as generators of the projective group, integrated by the matrix exponential.
    """

    def __init__(self, score: Score, width: int, height: int):
        zoom, rotate, pan_x, pan_y, tilt_x, tilt_y, center_x, center_y = (_between(score, key) for key in SPEEDS)
        turn, none, one = np.deg2rad(rotate), np.zeros_like(zoom), np.ones_like(zoom)
        generator = _matrices(
            [-np.log(zoom), turn, pan_x * width / height],
            [-turn, -np.log(zoom), pan_y],
            [tilt_x, tilt_y, none],
        )  # in picture heights about the centre
        about = _matrices(
            [height * one, none, center_x * width - 0.5],
            [none, height * one, center_y * height - 0.5],
            [none, none, one],
        )
        seconds = np.diff(score.timeline.t)[:, None, None]
        fine = about @ torch.matrix_exp(torch.from_numpy(generator * seconds)).numpy() @ np.linalg.inv(about)
        parts = fine.reshape(score.timeline.count, score.timeline.fine, 3, 3)
        frame = parts[:, 0]
        for k in range(1, score.timeline.fine):
            frame = frame @ parts[:, k]
        rest = score.timeline.count - score.recipe.camera.then_zoom * score.timeline.rate
        if score.recipe.camera.then_zoom:
            frame[: max(round(rest) - 1, 0)] = np.eye(3)
        self.steps: Matrix = np.concatenate([np.eye(3)[None], frame])
        self.moves = bool(np.abs(frame / frame[:, 2:, 2:] - np.eye(3)).max() > STILL)
        self._views = [np.eye(3)]

    def view(self, index: int) -> Matrix:
        """Return the view of a frame, (3, 3): from its pixels to those of the picture that the first one stands on."""
        while len(self._views) <= index:
            seen = self._views[-1] @ self.steps[len(self._views)]
            self._views.append(seen / seen[2, 2])
        return self._views[index]


def _matrices(*rows: list[Values]) -> Matrix:
    """Return matrices (points, 3, 3) from the values of each of their entries."""
    return np.stack([np.stack(row, -1) for row in rows], -2)


def _between(score: Score, key: str) -> Values:
    """Return a speed between the points of the timeline, (points − 1,)."""
    values = score.fine("camera", key)
    return np.sqrt(values[1:] * values[:-1]) if key == "zoom" else (values[1:] + values[:-1]) / 2


def grid(view: Matrix, width: int, height: int) -> Tensor:
    """Return where every pixel of a view looks, (2, H, W): x and y, px."""
    x, y = np.meshgrid(np.arange(width, dtype=np.float64), np.arange(height, dtype=np.float64))
    at = np.einsum("ij,jhw->ihw", view, np.stack([x, y, np.ones_like(x)]))
    depth = np.maximum(at[2], 1e-3)  # what lies behind the camera is far off to the side
    return torch.from_numpy((at[:2] / depth).astype(np.float32))


def motion(step: Matrix, width: int, height: int) -> Motion:
    """Return the exact motion of a camera step: believed wherever the frame before had the pixel in sight."""
    at = grid(step, width, height)
    x, y = torch.arange(width), torch.arange(height)[:, None]
    return Motion(torch.stack([at[0] - x, at[1] - y]), _inside(at[0], at[1])[None])


def _inside(x: Tensor, y: Tensor) -> Tensor:
    """Return 1 where a place, px, lies within the picture, falling off towards where it does not; (H, W)."""
    height, width = x.shape
    inside = (x >= -0.5) & (x <= width - 0.5) & (y >= -0.5) & (y <= height - 0.5)
    held = inside.numpy().astype(np.float32)
    return torch.from_numpy(held * cv2.GaussianBlur(held, (0, 0), FEATHER))


def over(step: Matrix, moved: Motion, before: Matrix) -> Motion:
    """Return the motion seen by a camera over a film that moves itself.

    Args:
        step: this frame's view of the film, (3, 3).
        moved: of the film's own frame, from the one before.
        before: the frame before's view of the film.
    """
    height, width = moved.flow.shape[1:]
    at = grid(step, width, height)
    x, y = torch.arange(width).float(), torch.arange(height).float()[:, None]
    here = torch.stack([at[0] - x, at[1] - y])  # the view as a flow into this frame of the film
    was = at + flow.warp(moved.flow, here, sharp=False)
    trust = flow.warp(moved.trust, here, sharp=False)
    back = np.linalg.inv(before)
    seen = torch.einsum("ij,jhw->ihw", torch.from_numpy(back).float(), torch.cat([was, torch.ones_like(was[:1])]))
    seen = seen[:2] / seen[2:].clamp_min(1e-3)
    return Motion(torch.stack([seen[0] - x, seen[1] - y]), trust * _inside(seen[0], seen[1]))


def look(pixels: NDArray[Any], view: Matrix) -> NDArray[Any]:
    """Return a picture, (H, W, C) of any depth, as a view shows it: by Lanczos' window, mirrored beyond its edges.

    Where the view shrinks it, it is shrunk by the mean of its pixels first, so that none is left out.
    """
    height, width = pixels.shape[:2]
    if np.abs(view - np.eye(3)).max() <= STILL:
        return pixels
    shrink = shrinking(view, width, height)
    if shrink > SHRINKS:
        size = max(round(width / shrink), 1), max(round(height / shrink), 1)
        across, down = size[0] / width, size[1] / height
        pixels = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
        view = np.array([[across, 0, (across - 1) / 2], [0, down, (down - 1) / 2], [0, 0, 1]]) @ view
    x, y = grid(view, width, height).numpy()
    return cv2.remap(pixels, x, y, cv2.INTER_LANCZOS4, borderMode=cv2.BORDER_REFLECT_101)


def shrinking(view: Matrix, width: int, height: int) -> float:
    """Return how many pixels a view takes for each it shows, along a line, at the centre."""
    at = np.array([[[width / 2, height / 2], [width / 2 + 1, height / 2], [width / 2, height / 2 + 1]]])
    middle, right, below = cv2.perspectiveTransform(at, view)[0]
    return float(max(np.hypot(*(right - middle)), np.hypot(*(below - middle))))
