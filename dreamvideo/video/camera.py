"""The virtual camera: a view that zooms, turns, pans and tilts, and the exact motion that makes.

A view is a homography (3, 3) from pixels of the picture seen to pixels of the picture looked at. Speeds are elements
of its Lie algebra, and a view is their exponential: so a second of zoom is a second of zoom at any frame rate.
"""

from __future__ import annotations

import functools
import math
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from ..curves.animate import Animation
from ..curves.timeline import Values
from ..media.pixels import Field
from ..recipe import Recipe
from .flow import Motion

Matrix = NDArray[Any]
SPEEDS = ("zoom", "rotate", "pan_x", "pan_y", "tilt_x", "tilt_y", "center_x", "center_y")
BLOCK = 1000  # frames whose views are found at a time
SOFT = 0.5  # px of blur before a picture is shrunk, as a multiple of √(s² − 1) where every s-th pixel is taken
FAR, NEAR = 8.0, 4.0  # what is shrunk more than that is first shrunk down to this much
STILL = 1e-9  # of a view, below which it is taken for none
FEATHER = 1.5  # px, at the edge of what the frame before had in sight


def is_still(recipe: Recipe) -> bool:
    """Tell whether a recipe leaves the camera where it is."""
    camera = recipe.camera
    still = all(getattr(camera, key) == 0 for key in SPEEDS if not key.startswith(("zoom", "center")))
    return still and camera.zoom == 1


class CameraPath:
    """Where the camera looks, frame by frame, over pictures of one size.

    Attributes:
        steps: how every frame's view came from the one before, (frames + 1, 3, 3): from its pixels to the last one's.
            The first is nothing; the last leads to where a frame after the end would stand.

    Source: velocities as generators of the projective group, integrated by the matrix exponential.
    """

    def __init__(self, animation: Animation, width: int, height: int):
        self.animation = animation
        count, fine = animation.timeline.count, animation.timeline.fine
        speeds = [_between(animation, key) for key in SPEEDS]
        seconds = np.diff(animation.timeline.t)
        self.steps: Matrix = np.tile(np.eye(3), (count + 1, 1, 1))
        for first in range(0, count, BLOCK):  # an hour's points need no hour's memory
            part = slice(first * fine, min(first + BLOCK, count) * fine)
            views = _views([speed[part] for speed in speeds], seconds[part], width, height)
            self.steps[first + 1 : first + 1 + BLOCK] = functools.reduce(
                np.matmul, np.moveaxis(views.reshape(-1, fine, 3, 3), 1, 0)
            )
        self.steps[1 : animation.timeline.resting_frames] = np.eye(3)
        self._views = [np.eye(3)]

    def view(self, index: int) -> Matrix:
        """Return the view of a frame, (3, 3): from its pixels to those of the picture that the first one stands on."""
        while len(self._views) <= index:
            seen = self._views[-1] @ self.steps[len(self._views)]
            self._views.append(seen / seen[2, 2])
        return self._views[index]


def _views(speeds: list[Values], seconds: Values, width: int, height: int) -> Matrix:
    """Return the view that speeds make in so many seconds, point by point, (points, 3, 3)."""
    zoom, rotate, pan_x, pan_y, tilt_x, tilt_y, center_x, center_y = speeds
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
    moved = torch.matrix_exp(torch.from_numpy(generator * seconds[:, None, None])).numpy()
    return about @ moved @ np.linalg.inv(about)


def _matrices(*rows: list[Values]) -> Matrix:
    """Return matrices (points, 3, 3) from the values of each of their entries."""
    return np.stack([np.stack(row, -1) for row in rows], -2)


def _between(animation: Animation, key: str) -> Values:
    """Return a speed between the points of the timeline, (points − 1,)."""
    values = animation.fine("camera", key)
    return np.sqrt(values[1:] * values[:-1]) if key == "zoom" else (values[1:] + values[:-1]) / 2


def pixel_grid(view: Matrix, width: int, height: int) -> Field:
    """Return where every pixel of a view looks, (2, H, W): x and y, px."""
    x, y = np.meshgrid(np.arange(width, dtype=np.float64), np.arange(height, dtype=np.float64))
    return project(view, x, y)


def project(view: Matrix, x: NDArray[Any], y: NDArray[Any]) -> Field:
    """Return places (H, W) each, px, as a view takes them, (2, H, W)."""
    across, down, depth = (row[0] * x + row[1] * y + row[2] for row in view)
    depth = np.maximum(depth, 1e-3)  # what lies behind the camera is far off to the side
    return np.stack([across / depth, down / depth]).astype(np.float32)


def max_distance(one: Matrix, other: Matrix, width: int, height: int) -> float:
    """Return how far by_shot two views of a picture look at most, px."""
    x, y = pixel_grid(one, width, height) - pixel_grid(other, width, height)
    return float(np.hypot(x, y).max())


# What follows is NumPy and OpenCV: a parallel torch operation on the thread that reads ahead slows the network down.


def camera_motion(step: Matrix, width: int, height: int) -> Motion:
    """Return the exact motion of a camera step: believed wherever the frame before had the pixel in sight."""
    return _moved(pixel_grid(step, width, height))


def film_motion(step: Matrix, moved: Motion, before: Matrix) -> Motion:
    """Return the motion seen by a camera over a film that moves itself.

    Beyond the film's edge, where its mirror image stands, the dream that comes into sight is that of what it mirrors.

    Args:
        step: this frame's view of the film, (3, 3).
        moved: of the film's own frame, from the one before.
        before: the frame before's view of the film.
    """
    height, width = moved.flow.shape[1:]
    x, y = pixel_grid(step, width, height)
    confidence = _taken(moved.confidence[0].numpy(), x, y)
    across, down = (_taken(part, x, y) for part in moved.flow.numpy())
    x, y = x + across * _turned(x, width), y + down * _turned(y, height)
    back = np.linalg.inv(before)
    at, image = project(back, x, y), project(back, _mirrored(x, width), _mirrored(y, height))
    return _moved(np.where(_in_sight(at), at, image), confidence)


def _mirrored(at: Field, side: int) -> Field:
    """Return the places along a side that stand, mirrored, at places beyond its ends."""
    last = np.float32(max(side - 1, 0.5))  # a single row stands everywhere
    return last - np.abs(last - np.mod(at, 2 * last))


def _turned(at: Field, side: int) -> Field:
    """Return which way what stands at places along a side goes: −1 where it is mirrored."""
    last = max(side - 1, 0.5)
    return np.where(np.mod(at, 2 * last) > last, -1, 1)


def _taken(values: Field, x: Field, y: Field) -> Field:
    return cv2.remap(values, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)


def _in_sight(at: Field) -> NDArray[np.bool_]:
    height, width = at.shape[1:]
    x, y = at
    return (x >= -0.5) & (x <= width - 0.5) & (y >= -0.5) & (y <= height - 0.5)


def _moved(at: Field, confidence: Field | float = 1.0) -> Motion:
    """Return the motion that brought every pixel from a place, (2, H, W), px: believed where it was in sight."""
    height, width = at.shape[1:]
    held = _in_sight(at).astype(np.float32)
    held *= cv2.GaussianBlur(held, (0, 0), FEATHER) * confidence
    here = np.stack(np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32)))
    return Motion(torch.from_numpy(at - here), torch.from_numpy(held)[None])


def view_through(pixels: NDArray[Any], view: Matrix) -> NDArray[Any]:
    """Return a picture, (H, W, C) of any depth, as a view shows it: by Lanczos' window, mirrored beyond its edges.

    Where the view shrinks it, it is softened first, so that no pixel is left out.
    """
    height, width = pixels.shape[:2]
    if np.abs(view - np.eye(3)).max() <= STILL:
        return pixels
    shrink = minification(view, width, height)
    if shrink > FAR:
        size = max(round(width * NEAR / shrink), 1), max(round(height * NEAR / shrink), 1)
        across, down = size[0] / width, size[1] / height
        pixels, shrink = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), NEAR
        view = np.array([[across, 0, (across - 1) / 2], [0, down, (down - 1) / 2], [0, 0, 1]]) @ view
    if shrink > 1:  # the more it shrinks the softer, from nothing on: a view that widens must not jump
        pixels = cv2.GaussianBlur(pixels, (0, 0), max(SOFT * math.sqrt(shrink**2 - 1), 1e-3))
    x, y = pixel_grid(view, width, height)
    return cv2.remap(pixels, x, y, cv2.INTER_LANCZOS4, borderMode=cv2.BORDER_REFLECT_101)


def minification(view: Matrix, width: int, height: int) -> float:
    """Return how many pixels a view takes for each it shows, along a line, at the centre."""
    at = np.array([[[width / 2, height / 2], [width / 2 + 1, height / 2], [width / 2, height / 2 + 1]]])
    middle, right, below = cv2.perspectiveTransform(at, view)[0]
    return float(max(np.hypot(*(right - middle)), np.hypot(*(below - middle))))
