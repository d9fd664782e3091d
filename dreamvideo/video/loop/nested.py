"""A picture that contains itself, so that a zoom into it comes back to where it began (the Droste effect)."""

from __future__ import annotations

import math
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from ...curves.functions import smoothstep
from ...media.pixels import Field
from .. import camera
from ..camera import Matrix

NESTING = 3.5  # least scale from a picture to the next one in it; a loop that zooms further holds several
LEAST_ZOOM = 1.1  # zoom over the whole loop below which the picture does not contain itself
FEATHER = 0.3  # share of the short side over which a picture fades into the one around it
LEAST_SIDE = 2.0  # px; a nested picture that is smaller is not drawn


class NestedPicture:
    """A picture with smaller copies of itself in it.

    Args:
        pixels: RGB (H, W, 3), 8 or 16 bits.
        loop_view: how the camera has moved at the end of the loop, (3, 3): the view there has to look like the first.

    Attributes:
        zooms: whether the camera zooms, so that there are copies; without, the picture is plain.
    """

    def __init__(self, pixels: NDArray[Any], loop_view: Matrix):
        self._pixels = pixels
        self._height, self._width = pixels.shape[:2]
        self._alpha = _feathered_alpha(self._width, self._height)
        zoom = 1 / camera.minification(loop_view, self._width, self._height)
        self.zooms = abs(math.log(zoom)) > math.log(LEAST_ZOOM)
        self._copies = _nesting(loop_view, self._width, self._height) if self.zooms else []

    def view_through(self, view: Matrix) -> NDArray[Any]:
        """Return the picture as a view shows it: its copies drawn over each other from the largest to the smallest."""
        seen = None
        for copy in self._copies:
            at = copy @ view
            at /= at[2, 2]
            if not _is_visible(np.linalg.inv(at), self._width, self._height):
                continue
            picture = camera.view_through(self._pixels, at)
            seen = picture if seen is None else self._over(seen, picture, at)
        return seen if seen is not None else camera.view_through(self._pixels, view)

    def _over(self, below: NDArray[Any], picture: NDArray[Any], view: Matrix) -> NDArray[Any]:
        """Return a copy, seen through a view, laid over the larger ones by its feathered alpha."""
        x, y = camera.pixel_grid(view, self._width, self._height)
        alpha = cv2.remap(self._alpha, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)[..., None]
        return (picture * alpha + below * (1 - alpha)).round().astype(self._pixels.dtype)


def _nesting(loop_view: Matrix, width: int, height: int) -> list[Matrix]:
    """Return the view of each copy of the picture, from the largest to the smallest."""
    shrink = camera.minification(loop_view, width, height)
    scale = max(shrink, 1 / shrink)
    times = max(math.floor(math.log(scale) / math.log(NESTING)), 1)  # copies that the loop zooms past
    values, vectors = np.linalg.eig(loop_view)
    once = np.real(vectors @ np.diag(values.astype(complex) ** (1 / times)) @ np.linalg.inv(vectors))
    if camera.minification(once, width, height) > 1:
        once = np.linalg.inv(once)  # so that it leads to the next smaller copy
    levels = times + math.ceil(math.log(max(width, height)) / math.log(scale ** (1 / times))) + 1
    return [np.linalg.matrix_power(np.linalg.inv(once), n) for n in range(-2, levels)]


def _feathered_alpha(width: int, height: int) -> Field:
    """Return the alpha of a copy, (H, W): 1 in the middle, falling to 0 at its edges, with round corners."""
    reach = FEATHER * min(width, height)
    x = np.minimum(np.arange(width) + 0.5, width - np.arange(width) - 0.5)
    y = np.minimum(np.arange(height) + 0.5, height - np.arange(height) - 0.5)
    near_edge = np.stack(np.meshgrid(np.clip(1 - x / reach, 0, 1), np.clip(1 - y / reach, 0, 1)))
    return smoothstep(1 - np.hypot(*near_edge)).astype(np.float32)


def _is_visible(placement: Matrix, width: int, height: int) -> bool:
    """Tell whether a copy, placed in the view by a homography, lies in sight and is large enough to be drawn."""
    corners = np.array([[[0, 0], [width, 0], [width, height], [0, height]]], np.float64)
    x, y = cv2.perspectiveTransform(corners, placement)[0].T
    large = min(np.ptp(x), np.ptp(y)) > LEAST_SIDE
    return bool(large and x.max() > 0 and y.max() > 0 and x.min() < width and y.min() < height)
