"""Measures a dream frame by frame: how steady it is along the motion of its source, and how strong."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field

from torch import Tensor

from ..finish import flash
from ..media.pixels import Gray
from ..video.flow import Motion
from ..video.temporal_error import SURE, seam_error, temporal_error
from ..video.warp import warp
from .motion import chain, reference_motion
from .summary import FrameMetrics, Summary

GAP = 8  # frames that the long-range error looks back
UNKNOWN = (math.nan, math.nan)  # errors of dream and source where there is nothing to compare with


@dataclass
class Stability(Summary):
    """Measures source and dream, frame by frame, and sums up what was measured; keeps the last eight pairs of pictures.

    Attributes:
        carried_by: the recipe's `temporal.flow` that the dream was made with; another method judges it.
    """

    carried_by: str = "dis"
    _first: tuple[Gray, Tensor, Tensor] | None = field(default=None, repr=False)
    _last: deque[tuple[Gray, Tensor, Tensor]] = field(default_factory=lambda: deque(maxlen=GAP), repr=False)
    _motions: deque[Motion] = field(default_factory=lambda: deque(maxlen=GAP), repr=False)

    def add(
        self,
        gray: Gray,
        source: Tensor,
        dream: Tensor,
        *,
        motion: Motion | None = None,
        cut: bool = False,
        objective: float = math.nan,
        alone: float = math.nan,
    ) -> FrameMetrics:
        """Measure the next frame.

        Args:
            gray: 8-bit luma of the source, (H, W).
            source, dream: RGB in [0, 1], (3, H, W).
            motion: from the previous frame, where it is known exactly; estimated from the source if None.
            cut: whether a new shot begins: nothing is compared across it.
            objective, alone: the objective on the dream, and on the frame dreamed independently, where computed.
        """
        motion = self._motion(gray, source, motion, cut)
        near = UNKNOWN if motion is None else self._errors(source, dream, -1, motion)
        far = self._errors(source, dream, 0, self._long_motion()) if len(self._last) == GAP else UNKNOWN
        added = dream - source
        red, green, blue = (float(c) for c in added.mean((1, 2)))
        metrics = FrameMetrics(
            index=len(self.frames),
            cut=cut or not self.frames,
            sure=math.nan if motion is None else float((motion.confidence > SURE).float().mean()),
            error=near[0],
            source_error=near[1],
            far_error=far[0],
            far_source_error=far[1],
            strength=float(added.abs().mean()),
            colour=(red, green, blue),
            light=flash.luminance(dream),
            objective=objective,
            alone=alone,
        )
        self.frames.append(metrics)
        self._last.append((gray, source, dream))
        self._first = self._first or self._last[-1]
        return metrics

    def comparison(self) -> tuple[Tensor, Tensor] | None:
        """Return the previous dream warped onto the last frame, and the last dream's absolute difference from it.

        Returns:
            Both (3, H, W), the difference 0 where the motion is uncertain; None if the last frame begins a shot.
        """
        if not self._motions:
            return None
        warped = warp(self._last[-2][2], self._motions[-1].flow)
        return warped, (self._last[-1][2] - warped).abs() * (self._motions[-1].confidence > SURE)

    def measure_seam(self) -> None:
        """Treat the film as a loop and measure its seam, from the last frame to the first."""
        if self._first is None:
            return
        gray, _, dream = self._first
        motion = reference_motion(gray, self._last[-1][0], self.carried_by).to(dream.device)
        self.seam = seam_error(temporal_error(dream, self._last[-1][2], motion), [f.error for f in self.frames])

    def _motion(self, gray: Gray, source: Tensor, motion: Motion | None, cut: bool) -> Motion | None:
        """Return the motion from the previous frame, and keep it; forget everything before a cut."""
        if cut or not self._last:
            self._last.clear()
            self._motions.clear()
            return None
        motion = (motion or reference_motion(gray, self._last[-1][0], self.carried_by)).to(source.device)
        self._motions.append(motion)
        return motion

    def _long_motion(self) -> Motion:
        """Return the motion over the last eight frames."""
        *earlier, motion = self._motions
        for before in reversed(earlier):
            motion = chain(motion, before)
        return motion

    def _errors(self, source: Tensor, dream: Tensor, back: int, motion: Motion) -> tuple[float, float]:
        """Return the temporal errors of dream and source against the pair kept at `back`."""
        _, earlier_source, earlier_dream = self._last[back]
        return temporal_error(dream, earlier_dream, motion), temporal_error(source, earlier_source, motion)
