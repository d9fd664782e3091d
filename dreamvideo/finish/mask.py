"""Where the dream shows: a share for every pixel, from a picture or film beside the frame, from the frame, or both."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from ..errors import RecipeError
from ..media.pixels import Field, Pixels
from ..media.readers.frame import Frame
from ..media.synced_reader import SyncedReader
from ..recipe import Finish

SLOW, FAST = 0.03, 0.2  # short sides a second: what moves less does not count, what moves more counts in full
ATTACK, RELEASE = 0.12, 0.4  # s in which motion comes to count, and in which it is forgotten
NEAR = 0.012  # of the short side, over which a mask of motion or edges is softened
FINE = 0.003  # of the short side: what is smaller makes no edge
FIRM, WIDE = 0.05, 8.0  # px; sigma that softens nothing, and that a small picture is softened by
Trace = tuple[Field, Field, Fraction]
FAINT, CLEAR = 0.04, 0.2  # steps of luma, white = 1, that count as no edge and as a full one


class Motion(Protocol):
    """What is asked of a frame's motion: flow (2, H, W) in px to the frame before, and its confidence (1, H, W)."""

    @property
    def flow(self) -> Tensor: ...

    @property
    def confidence(self) -> Tensor: ...


class Mask:
    """Where the dream shows, frame by frame, in the frames' order.

    Args:
        finish: the recipe's section.
        rate: frames per second of the film.
        begins: seconds into the source at which its first frame stands: a mask that is a film counts from the same
            moment as the source does.

    Raises:
        SourceError: the mask cannot be read.
    """

    def __init__(self, finish: Finish, rate: Fraction, begins: Fraction):
        self._kind, self._begins = finish.mask_from, begins
        self._beside = SyncedReader(finish.mask, rate) if finish.mask else None
        self._moving = MotionMask()
        self._shown: tuple[Pixels, tuple[int, ...], Field] | None = None

    def at(self, frame: Frame, finish: Finish, motion: Motion | None = None, repeats: bool = False) -> Field:
        """Return how much of the dream a frame shows, (H, W), from 0 none to 1 all.

        Args:
            frame: as it was filmed.
            finish: the recipe's section at this frame.
            motion: the film's own, from the frame before; None on a shot's first frame.
            repeats: whether it shows what the frame before showed, so that nothing moved.
        """
        mask: Field = np.ones(frame.pixels.shape[:2], np.float32)
        if self._beside is not None:
            mask = mask * self._given(self._beside.at(self._begins + frame.time), mask.shape)
        if self._kind == "luma":
            mask = mask * luma(frame.pixels)
        elif self._kind == "edges":
            mask = mask * edges(frame.pixels)
        elif self._kind == "motion":
            mask = mask * self._moving.after(frame, motion, repeats)
        if finish.invert_mask:
            mask = 1 - mask
        return feathered(mask, finish.feather / 100)

    @property
    def moving(self) -> Trace | None:
        """What is remembered of the frames so far, by a mask of motion."""
        return self._moving.trace

    @moving.setter
    def moving(self, trace: Trace | None) -> None:
        self._moving.trace = trace

    def close(self) -> None:
        """Stop reading; another frame opens it again."""
        if self._beside is not None:
            self._beside.close()

    def _given(self, pixels: Pixels, shape: tuple[int, ...]) -> Field:
        """Return a picture's luma stretched to a size; it is kept until another picture comes."""
        if self._shown is None or self._shown[0] is not pixels or self._shown[1] != shape:
            shrinks = shape[0] < pixels.shape[0] or shape[1] < pixels.shape[1]
            how = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR  # nothing that rings: black has to stay black
            fitted = cv2.resize(luma(pixels), shape[::-1], interpolation=how)
            self._shown = pixels, shape, np.clip(fitted, 0, 1)
        return self._shown[2]


class MotionMask:
    """What moves against the picture as a whole, followed along its motion so that it does not flicker.

    The picture as a whole moves as its median does: a hand-held or panning camera moves nothing.

    Attributes:
        trace: what is remembered of the frames so far: how much moved lately and the mask, and the moment, s.
    """

    def __init__(self) -> None:
        self.trace: Trace | None = None

    def after(self, frame: Frame, motion: Motion | None, repeats: bool = False) -> Field:
        """Return the mask of the next frame, (H, W), 0 … 1; it begins at 0 with every shot (see `Mask.at`)."""
        new: Field = np.zeros(frame.pixels.shape[:2], np.float32)
        peak, mask, time = self.trace or (new, new, frame.time)
        seconds = float(frame.time - time)
        if frame.feedback and self.trace:  # what goes on moves no more as a film does
            return mask
        if mask.shape != new.shape or (motion is None and not repeats) or seconds <= 0:
            self.trace = new, new, frame.time
            return new
        if motion is not None:
            there, confidence = motion.flow.numpy(), motion.confidence.numpy()[0]
            new = _speed(there, confidence, seconds)
            peak, mask = _warped(peak, there) * confidence, _warped(mask, there)
        peak = np.maximum(new, peak * math.exp(-seconds / RELEASE))
        mask = mask + (peak - mask) * (1 - math.exp(-seconds / ATTACK))
        self.trace = peak, mask, frame.time
        return mask


def _speed(there: Field, confidence: Field, seconds: float) -> Field:
    """Return how fast a flow (2, H, W) is against its median, (H, W): 0 slow … 1 fast; filled in where it is lost."""
    short = min(confidence.shape)
    across, down = (plane - np.median(plane[::4, ::4]) for plane in there)
    moves = _ramp(np.hypot(across, down) / (short * seconds), SLOW, FAST)
    sigma = max(NEAR * short, 0.5)
    known = cv2.GaussianBlur(confidence, (0, 0), sigma)
    return cv2.GaussianBlur(moves * confidence, (0, 0), sigma) / np.maximum(known, 1e-3)


def _warped(mask: Field, there: Field) -> Field:
    height, width = mask.shape
    x = there[0] + np.arange(width, dtype=np.float32)
    y = there[1] + np.arange(height, dtype=np.float32)[:, None]
    return cv2.remap(mask, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


def luma(pixels: Pixels) -> Field:
    """Return the luma of RGB pixels (H, W, 3), 8 or 16 bits, as (H, W) in [0, 1]."""
    return cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY).astype(np.float32) / np.float32(np.iinfo(pixels.dtype).max)


def edges(pixels: Pixels) -> Field:
    """Return how near to an edge every pixel is, (H, W): 1 at clear ones, 0 where there is none near.

    How high a step of luma is, is told by the slope of its blurred picture (Canny 1986): a step of height h blurred by
    σ is as steep as h / (σ √2π).
    """
    light = luma(pixels)
    short = min(light.shape)
    sigma = FINE * short + 0.7
    soft = cv2.GaussianBlur(light, (0, 0), sigma)
    across, down = (cv2.Sobel(soft, cv2.CV_32F, *axis, ksize=1, scale=0.5) for axis in ((1, 0), (0, 1)))
    found = _ramp(np.hypot(across, down) * sigma * math.sqrt(2 * math.pi), FAINT, CLEAR)
    reach = max(round(NEAR * short), 1)
    near = cv2.dilate(found, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1, 2 * reach + 1)))
    return feathered(near, NEAR)


def feathered(mask: Field, share: float) -> Field:
    """Return a mask (H, W) softened by a Gaussian whose sigma is a share of its short side.

    A wide one is taken of a smaller picture: it holds nothing that the large one would show.
    """
    sigma = share * min(mask.shape)
    if sigma <= FIRM:
        return mask
    shrink = max(sigma / WIDE, 1)
    size = tuple(max(round(side / shrink), 1) for side in mask.shape[::-1])
    small = cv2.resize(mask, size, interpolation=cv2.INTER_AREA) if shrink > 1 else mask
    soft = cv2.GaussianBlur(small, (0, 0), sigma / shrink)
    soft = cv2.resize(soft, mask.shape[::-1], interpolation=cv2.INTER_LINEAR) if shrink > 1 else soft
    return np.clip(soft, 0, 1)


def _ramp(values: NDArray[np.float32], low: float, high: float) -> Field:
    share = np.clip((values - low) / (high - low), 0, 1)
    return (share * share * (3 - 2 * share)).astype(np.float32)


def has_mask(finish: Finish) -> bool:
    """Tell whether the dream is to show in places only."""
    return bool(finish.mask) or finish.mask_from != "none"


def check_mask(finish: Finish, moves: bool, carried: bool) -> None:
    """Refuse a mask of motion where none is known.

    Args:
        finish: the recipe's section.
        moves: whether a film is filmed, from its beginning to its end.
        carried: whether its optical flow is known.

    Raises:
        RecipeError: with the remedy.
    """
    if finish.mask_from == "motion" and not moves:
        raise RecipeError("a still or a loop has no motion to be a mask: take --mask-from luma or edges, or --mask")
    if finish.mask_from == "motion" and not carried:
        raise RecipeError("--mask-from motion is made of optical flow: leave --flow none out")
