"""The motion mask: the dream shows where something moves relative to the picture as a whole."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Protocol

import cv2
import numpy as np
from torch import Tensor

from ..curves.functions import smoothstep
from ..media.pixels import Field
from ..media.readers.frame import Frame

SLOW, FAST = 0.03, 0.2  # speeds in short sides per second: slower does not count, faster counts in full
ATTACK, RELEASE = 0.12, 0.4  # time constants by which the mask rises and by which motion is forgotten, s
SOFTENING = 0.012  # sigma that softens the mask, as a share of the short side
MotionMaskState = tuple[Field, Field, Fraction]  # recent motion and the mask, (H, W) each in [0, 1]; their time, s


class Motion(Protocol):
    """What a motion mask needs of a frame's motion, as in `video.flow.Motion`.

    Attributes:
        flow: (2, H, W), px, from the frame to the previous one.
        confidence: (1, H, W) in [0, 1].
    """

    @property
    def flow(self) -> Tensor: ...

    @property
    def confidence(self) -> Tensor: ...


class MotionMask:
    """A mask of what moves, warped along with the motion so that it does not flicker.

    Motion is measured against the median flow of the frame, so a pan or a hand-held camera counts as no motion.

    Attributes:
        state: what is remembered of the frames so far; None before the first.
    """

    def __init__(self) -> None:
        self.state: MotionMaskState | None = None

    def after(self, frame: Frame, motion: Motion | None, repeats: bool = False) -> Field:
        """Return the mask of the next frame, (H, W) in [0, 1]; it starts at 0 in every shot.

        A feedback frame keeps the last mask. Arguments as in `Mask.at`.
        """
        still: Field = np.zeros(frame.pixels.shape[:2], np.float32)
        recent, mask, time = self.state or (still, still, frame.time)
        seconds = float(frame.time - time)
        if frame.feedback and self.state:
            return mask
        if mask.shape != still.shape or (motion is None and not repeats) or seconds <= 0:
            self.state = still, still, frame.time
            return still
        moving = still
        if motion is not None:
            flow, confidence = motion.flow.numpy(), motion.confidence.numpy()[0]
            moving = _moving(flow, confidence, seconds)
            recent, mask = _warp(recent, flow) * confidence, _warp(mask, flow)
        recent = np.maximum(moving, recent * math.exp(-seconds / RELEASE))
        mask = mask + (recent - mask) * (1 - math.exp(-seconds / ATTACK))
        self.state = recent, mask, frame.time
        return mask


def _moving(flow: Field, confidence: Field, seconds: float) -> Field:
    """Return how fast each pixel moves against the median flow, (H, W): 0 is slow, 1 fast.

    Where the flow (2, H, W) is not confident, the value is filled in from nearby.
    """
    short = min(confidence.shape)
    flow_x, flow_y = (plane - np.median(plane[::4, ::4]) for plane in flow)
    speed = np.hypot(flow_x, flow_y) / (short * seconds)
    moving = smoothstep((speed - SLOW) / (FAST - SLOW)).astype(np.float32)
    sigma = max(SOFTENING * short, 0.5)
    weight = cv2.GaussianBlur(confidence, (0, 0), sigma)
    return cv2.GaussianBlur(moving * confidence, (0, 0), sigma) / np.maximum(weight, 1e-3)


def _warp(mask: Field, flow: Field) -> Field:
    """Return a mask of the previous frame warped onto the current one."""
    height, width = mask.shape
    x = flow[0] + np.arange(width, dtype=np.float32)
    y = flow[1] + np.arange(height, dtype=np.float32)[:, None]
    return cv2.remap(mask, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
