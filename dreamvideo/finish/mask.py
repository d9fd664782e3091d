"""Masks: how much of the dream each pixel shows, from a file (`--mask`), the frame itself (`--mask-from`), or both."""

from __future__ import annotations

import math
from fractions import Fraction

import cv2
import numpy as np

from ..curves.functions import smoothstep
from ..errors import RecipeError
from ..media.pixels import Field, Pixels
from ..media.readers.frame import Frame
from ..media.synced_reader import SyncedReader
from ..recipe import Finish
from .motion_mask import Motion, MotionMask, MotionMaskState

EDGE_SCALE = 0.003  # of the short side: smaller details make no edge
EDGE_REACH = 0.012  # of the short side: how far the mask of an edge reaches, and the sigma that softens it
FAINT_EDGE, CLEAR_EDGE = 0.04, 0.2  # steps of luma (white is 1) that count as no edge and as a full one
LEAST_SIGMA = 0.05  # px; a Gaussian this narrow changes nothing and is skipped
WIDEST_SIGMA = 8.0  # px; for a wider Gaussian the mask is shrunk first


class Mask:
    """The mask of a film, frame by frame in order.

    Args:
        finish: the recipe's section.
        rate: frames per second of the film.
        begins: time in the source of the film's first frame, s: a mask that is a film runs at the source's time.

    Raises:
        SourceError: the mask file cannot be read.
    """

    def __init__(self, finish: Finish, rate: Fraction, begins: Fraction):
        self._kind, self._begins = finish.mask_from, begins
        self._file = SyncedReader(finish.mask, rate) if finish.mask else None
        self._motion_mask = MotionMask()
        self._resized: tuple[Pixels, tuple[int, ...], Field] | None = None  # the file's last picture, size and mask

    def at(self, frame: Frame, finish: Finish, motion: Motion | None = None, repeats: bool = False) -> Field:
        """Return how much of the dream a frame shows, (H, W), from 0 (none) to 1 (all).

        Args:
            frame: the source frame, before the camera.
            finish: the recipe's section at this frame.
            motion: of the film itself, from the previous frame; None on a shot's first frame.
            repeats: whether the frame shows the same as the previous one, so that nothing moved.
        """
        mask: Field = np.ones(frame.pixels.shape[:2], np.float32)
        if self._file is not None:
            mask = mask * self._resized_luma(self._file.at(self._begins + frame.time), mask.shape)
        if self._kind == "luma":
            mask = mask * luma(frame.pixels)
        elif self._kind == "edges":
            mask = mask * edges(frame.pixels)
        elif self._kind == "motion":
            mask = mask * self._motion_mask.after(frame, motion, repeats)
        if finish.invert_mask:
            mask = 1 - mask
        return feathered(mask, finish.feather / 100)

    @property
    def moving(self) -> MotionMaskState | None:
        """What a motion mask remembers of the frames so far: saved, and set again when a render resumes."""
        return self._motion_mask.state

    @moving.setter
    def moving(self, state: MotionMaskState | None) -> None:
        self._motion_mask.state = state

    def close(self) -> None:
        """Close the mask file; the next frame opens it again."""
        if self._file is not None:
            self._file.close()

    def _resized_luma(self, pixels: Pixels, shape: tuple[int, ...]) -> Field:
        """Return the luma of a picture, resized to (H, W); the last one is cached."""
        if self._resized is None or self._resized[0] is not pixels or self._resized[1] != shape:
            shrinks = shape[0] < pixels.shape[0] or shape[1] < pixels.shape[1]
            how = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR  # neither rings: black has to stay black
            resized = cv2.resize(luma(pixels), shape[::-1], interpolation=how)
            self._resized = pixels, shape, np.clip(resized, 0, 1)
        return self._resized[2]


def luma(pixels: Pixels) -> Field:
    """Return the luma of RGB pixels (H, W, 3), 8 or 16 bits, as (H, W) in [0, 1]."""
    return cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY).astype(np.float32) / np.float32(np.iinfo(pixels.dtype).max)


def edges(pixels: Pixels) -> Field:
    """Return how close each pixel is to an edge, (H, W): 1 at clear edges, 0 far from any.

    The height of an edge is measured by its slope after a Gaussian blur (Canny 1986): a step of height h blurred with
    σ has a slope of h / (σ √2π).
    """
    light = luma(pixels)
    short = min(light.shape)
    sigma = EDGE_SCALE * short + 0.7
    blurred = cv2.GaussianBlur(light, (0, 0), sigma)
    slope_x, slope_y = (cv2.Sobel(blurred, cv2.CV_32F, *axis, ksize=1, scale=0.5) for axis in ((1, 0), (0, 1)))
    height = np.hypot(slope_x, slope_y) * sigma * math.sqrt(2 * math.pi)
    found = smoothstep((height - FAINT_EDGE) / (CLEAR_EDGE - FAINT_EDGE)).astype(np.float32)
    reach = max(round(EDGE_REACH * short), 1)
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1, 2 * reach + 1))
    return feathered(cv2.dilate(found, disc), EDGE_REACH)


def feathered(mask: Field, share: float) -> Field:
    """Return a mask (H, W) blurred by a Gaussian whose sigma is a share of its short side.

    For a wide Gaussian the mask is shrunk first, which is faster and looks the same.
    """
    sigma = share * min(mask.shape)
    if sigma <= LEAST_SIGMA:
        return mask
    shrink = max(sigma / WIDEST_SIGMA, 1)
    size = tuple(max(round(side / shrink), 1) for side in mask.shape[::-1])
    small = cv2.resize(mask, size, interpolation=cv2.INTER_AREA) if shrink > 1 else mask
    blurred = cv2.GaussianBlur(small, (0, 0), sigma / shrink)
    blurred = cv2.resize(blurred, mask.shape[::-1], interpolation=cv2.INTER_LINEAR) if shrink > 1 else blurred
    return np.clip(blurred, 0, 1)


def has_mask(finish: Finish) -> bool:
    """Tell whether a recipe masks the dream."""
    return bool(finish.mask) or finish.mask_from != "none"


def check_mask(finish: Finish, moves: bool, has_flow: bool) -> None:
    """Refuse `--mask-from motion` where no motion is known.

    Args:
        finish: the recipe's section.
        moves: whether the source is a film that is not made into a loop.
        has_flow: whether optical flow is computed.

    Raises:
        RecipeError: no motion is known; says what to use instead.
    """
    if finish.mask_from == "motion" and not moves:
        raise RecipeError(
            "a still or a loop has no motion for --mask-from motion: use --mask-from luma or edges, or --mask"
        )
    if finish.mask_from == "motion" and not has_flow:
        raise RecipeError("--mask-from motion needs optical flow: leave out --flow none")
