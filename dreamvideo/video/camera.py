"""The virtual camera: views that zoom, rotate, pan and tilt over a picture, and the exact motion that they make.

A view is a homography (3, 3) from pixels of what the camera shows to pixels of the picture that it looks at. Speeds
are elements of the Lie algebra of homographies, and a view is their exponential, so that a second of zoom is the same
at any frame rate.
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
from .flow import Motion, in_frame

Matrix = NDArray[Any]
SPEEDS = ("zoom", "rotate", "pan_x", "pan_y", "tilt_x", "tilt_y", "center_x", "center_y")
BLOCK = 1000  # frames whose views are computed at once
ANTIALIAS = 0.5  # sigma of the blur before every s-th pixel is taken, px, as a multiple of √(s² − 1)
MOST_SHRINK = 8.0  # a view that shrinks a picture more than this is applied to a picture shrunk beforehand,
REST_SHRINK = 4.0  # so far that the view itself only shrinks it this much
SAME_VIEW = 1e-9  # largest difference of a view's elements from the identity that counts as none
FEATHER = 1.5  # sigma that softens the confidence at the edge of the previous frame, px


def is_still(recipe: Recipe) -> bool:
    """Tell whether a recipe does not move the camera."""
    camera = recipe.camera
    still = all(getattr(camera, key) == 0 for key in SPEEDS if not key.startswith(("zoom", "center")))
    return still and camera.zoom == 1


class CameraPath:
    """The view of every frame, for pictures of one size.

    Args:
        animation: the recipe over time.
        width, height: of the pictures, px.

    Attributes:
        steps: each frame's view relative to the previous frame, (frames + 1, 3, 3): from its pixels to the previous
            frame's. The first is the identity; the last is for a frame after the end, as a loop needs it.

    Source: velocities as generators of the projective group, integrated by the matrix exponential.
    """

    def __init__(self, animation: Animation, width: int, height: int):
        self.animation = animation
        count, fine = animation.timeline.count, animation.timeline.fine
        speeds = [_interval_speeds(animation, key) for key in SPEEDS]
        seconds = np.diff(animation.timeline.t)
        self.steps: Matrix = np.tile(np.eye(3), (count + 1, 1, 1))
        for first in range(0, count, BLOCK):  # in blocks, so that a long film takes no more memory than a short one
            part = slice(first * fine, min(first + BLOCK, count) * fine)
            views = _interval_views([speed[part] for speed in speeds], seconds[part], width, height)
            self.steps[first + 1 : first + 1 + BLOCK] = functools.reduce(
                np.matmul, np.moveaxis(views.reshape(-1, fine, 3, 3), 1, 0)
            )
        self.steps[1 : animation.timeline.resting_frames] = np.eye(3)
        self._views = [np.eye(3)]

    def view(self, index: int) -> Matrix:
        """Return the view of a frame, (3, 3): from its pixels to those of the picture that the camera looks at."""
        while len(self._views) <= index:
            view = self._views[-1] @ self.steps[len(self._views)]
            self._views.append(view / view[2, 2])
        return self._views[index]


def _interval_views(speeds: list[Values], seconds: Values, width: int, height: int) -> Matrix:
    """Return the view that the speeds make over each interval of the timeline, (intervals, 3, 3)."""
    zoom, rotate, pan_x, pan_y, tilt_x, tilt_y, center_x, center_y = speeds
    turn, zero, one = np.deg2rad(rotate), np.zeros_like(zoom), np.ones_like(zoom)
    generator = _matrices(
        [-np.log(zoom), turn, pan_x * width / height],
        [-turn, -np.log(zoom), pan_y],
        [tilt_x, tilt_y, zero],
    )  # in picture heights from the centre
    to_pixels = _matrices(
        [height * one, zero, center_x * width - 0.5],
        [zero, height * one, center_y * height - 0.5],
        [zero, zero, one],
    )
    moved = torch.matrix_exp(torch.from_numpy(generator * seconds[:, None, None])).numpy()
    return to_pixels @ moved @ np.linalg.inv(to_pixels)


def _matrices(*rows: list[Values]) -> Matrix:
    """Stack rows of elements, each with its values over time, into matrices (points, 3, 3)."""
    return np.stack([np.stack(row, -1) for row in rows], -2)


def _interval_speeds(animation: Animation, key: str) -> Values:
    """Return a speed over each interval between the timeline's points, (points − 1,): their mean value."""
    values = animation.fine("camera", key)
    return np.sqrt(values[1:] * values[:-1]) if key == "zoom" else (values[1:] + values[:-1]) / 2


def pixel_grid(view: Matrix, width: int, height: int) -> Field:
    """Return where each pixel of a view lies in the picture, (2, H, W): x and y, px."""
    x, y = np.meshgrid(np.arange(width, dtype=np.float64), np.arange(height, dtype=np.float64))
    return project(view, x, y)


def project(view: Matrix, x: NDArray[Any], y: NDArray[Any]) -> Field:
    """Return positions x and y, (H, W) each, px, mapped by a view, (2, H, W)."""
    mapped_x, mapped_y, depth = (row[0] * x + row[1] * y + row[2] for row in view)
    depth = np.maximum(depth, 1e-3)  # a point behind the camera lands far off to the side
    return np.stack([mapped_x / depth, mapped_y / depth]).astype(np.float32)


def max_distance(one: Matrix, other: Matrix, width: int, height: int) -> float:
    """Return the largest distance between where two views of a picture place the same pixel, px."""
    x, y = pixel_grid(one, width, height) - pixel_grid(other, width, height)
    return float(np.hypot(x, y).max())


# The functions below use NumPy and OpenCV, since they run on the thread that reads ahead: a parallel torch operation
# there slows the network down.


def camera_motion(step: Matrix, width: int, height: int) -> Motion:
    """Return the exact motion of a camera step (see `CameraPath.steps`): confident where the pixel was in the frame."""
    return _motion_from(pixel_grid(step, width, height))


def film_motion(step: Matrix, moved: Motion, before: Matrix) -> Motion:
    """Return the motion of a film as seen through a moving camera.

    Beyond its edges a film is mirrored: a pixel that shows the mirror image and was not in the previous view takes the
    motion of the pixel that it mirrors.

    Args:
        step: this frame's view of the film, (3, 3).
        moved: the film's own motion, from its previous frame.
        before: the previous frame's view of the film.
    """
    height, width = moved.flow.shape[1:]
    x, y = pixel_grid(step, width, height)
    confidence = _sample(moved.confidence[0].numpy(), x, y)
    flow_x, flow_y = (_sample(plane, x, y) for plane in moved.flow.numpy())
    x, y = x + flow_x * _mirror_sign(x, width), y + flow_y * _mirror_sign(y, height)
    back = np.linalg.inv(before)
    direct, mirrored = project(back, x, y), project(back, _mirror(x, width), _mirror(y, height))
    return _motion_from(np.where(in_frame(direct[0], direct[1], width, height), direct, mirrored), confidence)


def _mirror(x: Field, side: int) -> Field:
    """Return positions along a side of so many pixels with those beyond its ends reflected into it."""
    last = np.float32(max(side - 1, 0.5))  # a side of one pixel has a period, too
    return last - np.abs(last - np.mod(x, 2 * last))


def _mirror_sign(x: Field, side: int) -> Field:
    """Return −1 at positions along a side where the picture is mirrored, which reverses its motion, and 1 elsewhere."""
    last = max(side - 1, 0.5)
    return np.where(np.mod(x, 2 * last) > last, -1, 1)


def _sample(values: Field, x: Field, y: Field) -> Field:
    return cv2.remap(values, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)


def _motion_from(previous: Field, confidence: Field | float = 1.0) -> Motion:
    """Return the motion whose pixels were at these positions of the previous frame, (2, H, W), px.

    Where they were outside of it the confidence is 0.
    """
    height, width = previous.shape[1:]
    confident = in_frame(previous[0], previous[1], width, height).astype(np.float32)
    confident *= cv2.GaussianBlur(confident, (0, 0), FEATHER) * confidence
    here = np.stack(np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32)))
    return Motion(torch.from_numpy(previous - here), torch.from_numpy(confident)[None])


def view_through(pixels: NDArray[Any], view: Matrix) -> NDArray[Any]:
    """Return a picture, (H, W, C) of any depth, as a view shows it: by Lanczos' window, mirrored beyond its edges.

    A view that shrinks the picture blurs it first, against aliasing.
    """
    height, width = pixels.shape[:2]
    if np.abs(view - np.eye(3)).max() <= SAME_VIEW:
        return pixels
    shrink = minification(view, width, height)
    if shrink > MOST_SHRINK:
        size = max(round(width * REST_SHRINK / shrink), 1), max(round(height * REST_SHRINK / shrink), 1)
        scale_x, scale_y = size[0] / width, size[1] / height
        pixels, shrink = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), REST_SHRINK
        view = np.array([[scale_x, 0, (scale_x - 1) / 2], [0, scale_y, (scale_y - 1) / 2], [0, 0, 1]]) @ view
    if shrink > 1:  # the blur grows from 0 on, so that a widening view does not jump
        pixels = cv2.GaussianBlur(pixels, (0, 0), max(ANTIALIAS * math.sqrt(shrink**2 - 1), 1e-3))
    x, y = pixel_grid(view, width, height)
    return cv2.remap(pixels, x, y, cv2.INTER_LANCZOS4, borderMode=cv2.BORDER_REFLECT_101)


def minification(view: Matrix, width: int, height: int) -> float:
    """Return how many pixels of the picture one pixel of a view spans at its centre, along the axis that spans more."""
    points = np.array([[[width / 2, height / 2], [width / 2 + 1, height / 2], [width / 2, height / 2 + 1]]])
    middle, right, below = cv2.perspectiveTransform(points, view)[0]
    return float(max(np.hypot(*(right - middle)), np.hypot(*(below - middle))))
