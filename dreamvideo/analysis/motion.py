"""The motion that a dream is judged along: estimated from the source alone, or known exactly."""

from __future__ import annotations

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from ..media.pixels import Field, Gray
from ..video import flow
from ..video.flow import Motion
from ..video.warp import warp

AGREE = 0.5  # px by which the flows of two methods may differ
ALIKE = 12.0  # 8-bit levels by which a frame may differ from the previous one warped onto it


def reference_motion(current: Gray, previous: Gray, carried_by: str = "dis") -> Motion:
    """Return the motion from `previous` to `current` to judge a dream by, with confidence 0 wherever it is uncertain.

    The flow is variational (Brox et al. 2004), or DIS where the dream was warped by variational flow: a dream is never
    judged by the flow that made it. A pixel counts only where the forward and backward flow agree, where the frames
    agree along the flow, and where a third method (Farnebäck 2003, refined) finds the same flow within half a pixel.
    With these checks, a layer of noise that DIS warps rigidly has a flicker index of about 0.01 on slow footage and
    0.05 on fast.

    Args:
        current, previous: 8-bit luma of the source, (H, W).
        carried_by: the recipe's `temporal.flow` that the dream was made with.
    """
    method = flow.dis if carried_by == "variational" else flow.variational
    motion = flow.estimate_motion(current, previous, method, method)
    rough = cv2.calcOpticalFlowFarneback(current, previous, None, 0.5, 6, 31, 5, 7, 1.5, 0)
    third = cv2.VariationalRefinement_create().calc(current, previous, rough).transpose(2, 0, 1)
    agree = np.hypot(*(motion.flow.numpy() - third)) < AGREE
    warped = warp(torch.from_numpy(previous)[None].float(), motion.flow, sharp=False)[0].numpy()
    alike = cv2.blur(np.abs(warped - current), (5, 5)) < ALIKE
    return Motion(motion.flow, motion.confidence * torch.from_numpy(agree & alike))


def exact_motion(field: Field, valid: NDArray[np.bool_]) -> Motion:
    """Return a motion that is known exactly, from its flow (H, W, 2) in px, and where that is valid (H, W)."""
    return Motion(
        torch.from_numpy(np.ascontiguousarray(field.transpose(2, 0, 1))), torch.from_numpy(valid)[None].float()
    )


def chain(later: Motion, earlier: Motion) -> Motion:
    """Return the motion over two steps: `later` from b to c, `earlier` from a to b, the result from a to c."""
    field = later.flow + warp(earlier.flow, later.flow, sharp=False)
    return Motion(field, later.confidence * warp(earlier.confidence, later.flow, sharp=False))
