"""How steady and how strong a dream is, measured against its source.

The motion that judges a dream is found in the source alone, and by another method than the one that carried it; or it
is known exactly, and given.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..finish import flash
from ..media.pixels import Field, Gray
from ..video import flow
from ..video.flow import Motion
from ..video.temporal_error import SURE, seam_error, temporal_error

AGREE = 0.5  # px to which two methods must find the same motion
ALIKE = 12.0  # 8-bit levels to which a frame must agree with the one before, carried along
GAP = 8  # frames that the long-range error looks back
RECOVERY = 3  # frames after a cut in which a dream should be back at full strength


def reference_motion(current: Gray, previous: Gray, carried_by: str = "dis") -> Motion:
    """Return the motion from `previous` to `current` to judge by, and where it is sure.

    Variational flow (Brox et al. 2004), or DIS where the dream was carried by that one; trusted only where it leads
    back, where the frames agree along it, and where another method (Farnebäck 2003, refined) finds the same to half a
    pixel. By what is left, a dream carried rigidly by DIS flickers a hundredth of its strength on slow footage, a
    twentieth on fast.
    """
    method = flow.dis if carried_by == "variational" else flow.variational
    motion = flow.estimate_motion(current, previous, method, method)
    rough = cv2.calcOpticalFlowFarneback(current, previous, None, 0.5, 6, 31, 5, 7, 1.5, 0)
    second = cv2.VariationalRefinement_create().calc(current, previous, rough).transpose(2, 0, 1)
    agree = np.hypot(*(motion.flow.numpy() - second)) < AGREE
    was = flow.warp(torch.from_numpy(previous)[None].float(), motion.flow, sharp=False)[0].numpy()
    alike = cv2.blur(np.abs(was - current), (5, 5)) < ALIKE
    return Motion(motion.flow, motion.confidence * torch.from_numpy(agree & alike))


def exact_motion(field: Field, held: NDArray[np.bool_]) -> Motion:
    """Return a motion that is known: flow (H, W, 2) in px, and where it holds (H, W)."""
    return Motion(
        torch.from_numpy(np.ascontiguousarray(field.transpose(2, 0, 1))), torch.from_numpy(held)[None].float()
    )


def chain(later: Motion, earlier: Motion) -> Motion:
    """Return the motion over two steps: `later` from b to c, `earlier` from a to b, the result from a to c."""
    field = later.flow + flow.warp(earlier.flow, later.flow, sharp=False)
    return Motion(field, later.confidence * flow.warp(earlier.confidence, later.flow, sharp=False))


@dataclass(frozen=True)
class Measure:
    """What was measured on one frame; NaN where there is nothing to measure it by.

    Attributes:
        index: of the frame, from 0.
        cut: whether a shot begins with it (the first one does).
        sure: share of the frame over which the motion is sure.
        error, source_error: temporal error of the dream, and of the source itself.
        far_error, far_source_error: the same over eight frames.
        strength: mean |dream − source|.
        colour: mean of dream − source, (R, G, B).
        light: relative luminance of the dream, 0 … 1.
        objective: J of the dream.
        alone: J of the same frame dreamed alone.
    """

    index: int
    cut: bool
    sure: float
    error: float
    source_error: float
    far_error: float
    far_source_error: float
    strength: float
    colour: tuple[float, float, float]
    light: float
    objective: float = math.nan
    alone: float = math.nan

    @property
    def flicker(self) -> float:
        """The temporal error that dreaming added, as a share of its strength."""
        return (self.error - self.source_error) / max(self.strength, 1e-9)


@dataclass
class Stability:
    """Takes source and dream frame by frame and knows every measure so far; keeps the last eight pairs of pictures.

    The flicker index is (E(dream) − E(source)) / S: the temporal error that dreaming added, as a share of its strength
    S = mean |dream − source|. 0 is rock-steady. Read it beside the objective: no dream has no flicker.

    Attributes:
        frames: what was measured, a `Measure` per frame.
        carried_by: the flow that carried the dream; another judges it.
        rate: frames per second, by which flashes are counted.
        seam: error from the last frame to the first over the median from frame to frame, if it was asked for.
    """

    carried_by: str = "dis"
    rate: Fraction = Fraction(25)
    frames: list[Measure] = field(default_factory=list)
    seam: float = math.nan
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
    ) -> Measure:
        """Take the next frame and return what was measured on it.

        Args:
            gray: luma of the source, (H, W).
            source, dream: RGB in [0, 1], (3, H, W).
            motion: from the frame before, where it is known exactly; else it is estimated.
            cut: whether a new shot begins: nothing is compared across it.
            objective, alone: J of the dream, and of the frame dreamed alone, where they were computed.
        """
        if cut or not self._last:
            self._last.clear()
            self._motions.clear()
            motion = None
        else:
            motion = (motion or reference_motion(gray, self._last[-1][0], self.carried_by)).to(source.device)
            self._motions.append(motion)
        near = far = (math.nan, math.nan)
        if motion is not None:
            near = self._errors(source, dream, -1, motion)
        if len(self._last) == GAP:
            *earlier, whole = self._motions
            for before in reversed(earlier):
                whole = chain(whole, before)
            far = self._errors(source, dream, 0, whole)
        added = dream - source
        red, green, blue = (float(c) for c in added.mean((1, 2)))
        measure = Measure(
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
        self.frames.append(measure)
        self._last.append((gray, source, dream))
        self._first = self._first or self._last[-1]
        return measure

    def comparison(self) -> tuple[Tensor, Tensor] | None:
        """Return, for the last frame, the dream before carried onto it, and by how much the dream differs where the
        motion is sure; both (3, H, W). None where a shot begins.
        """
        if not self._motions:
            return None
        carried = flow.warp(self._last[-2][2], self._motions[-1].flow)
        return carried, (self._last[-1][2] - carried).abs() * (self._motions[-1].confidence > SURE)

    def close(self) -> None:
        """Take the film for a loop, and measure its seam, from the last frame to the first."""
        if self._first is None:
            return
        gray, _, dream = self._first
        motion = reference_motion(gray, self._last[-1][0], self.carried_by).to(dream.device)
        self.seam = seam_error(temporal_error(dream, self._last[-1][2], motion), [f.error for f in self.frames])

    def _errors(self, source: Tensor, dream: Tensor, back: int, motion: Motion) -> tuple[float, float]:
        _, was_source, was_dream = self._last[back]
        return temporal_error(dream, was_dream, motion), temporal_error(source, was_source, motion)

    @property
    def shots(self) -> list[list[Measure]]:
        """The frames, shot by shot."""
        shots: list[list[Measure]] = []
        for frame in self.frames:
            if frame.cut:
                shots.append([])
            shots[-1].append(frame)
        return shots

    @property
    def strength(self) -> float:
        """Mean |dream − source| over all frames."""
        return mean(f.strength for f in self.frames)

    @property
    def flicker(self) -> float:
        """The flicker index over all frames."""
        return self._index("error", "source_error")

    @property
    def far_flicker(self) -> float:
        """The flicker index over eight frames: what creeps, rather than what boils."""
        return self._index("far_error", "far_source_error")

    def _index(self, dream: str, source: str) -> float:
        added = mean(getattr(f, dream) for f in self.frames) - mean(getattr(f, source) for f in self.frames)
        return added / max(self.strength, 1e-9)

    @property
    def objective(self) -> float:
        """Mean J of the dream."""
        return mean(f.objective for f in self.frames)

    @property
    def objective_ratio(self) -> float:
        """J of the dream over J of the same frames dreamed alone."""
        both = [f for f in self.frames if not math.isnan(f.alone)]
        return ratio(mean(f.objective for f in both), mean(f.alone for f in both))

    @property
    def strength_drift(self) -> float:
        """Relative change of strength from the first to the last tenth of a shot, of the shot where it is largest."""
        return self._drift(lambda f: f.strength)

    @property
    def objective_drift(self) -> float:
        """The same of J; of J over that of frames dreamed alone where there are such at both ends of a shot."""
        kept = self._drift(lambda f: ratio(f.objective, f.alone))
        return self._drift(lambda f: f.objective) if math.isnan(kept) else kept

    @property
    def colour_drift(self) -> float:
        """Largest change of the dream's mean colour from the first to the last tenth of a shot, white = 1."""
        drifts = [
            abs(mean(f.colour[c] for f in last) - mean(f.colour[c] for f in first))
            for first, last in map(ends, self.shots)
            for c in range(3)
        ]
        return max(drifts, default=math.nan)

    @property
    def flashes(self) -> float:
        """Flashes of the whole picture in the worst second (see `flash`)."""
        return flash.worst_second([f.light for f in self.frames], self.rate)

    def _drift(self, value: Callable[[Measure], float]) -> float:
        drifts = [ratio(mean(map(value, last)), mean(map(value, first))) - 1 for first, last in map(ends, self.shots)]
        return max((d for d in drifts if not math.isnan(d)), key=abs, default=math.nan)

    @property
    def cut_recovery(self) -> float:
        """Strength of the first three frames after a cut over that of the rest of their shot, at the worst cut."""
        return self._recovery(RECOVERY)

    @property
    def first_frame(self) -> float:
        """The same of the first frame alone."""
        return self._recovery(1)

    def _recovery(self, frames: int) -> float:
        shots = [s for s in self.shots[1:] if len(s) > frames]
        found = (ratio(mean(f.strength for f in s[:frames]), mean(f.strength for f in s[frames:])) for s in shots)
        return min((r for r in found if not math.isnan(r)), default=math.nan)

    def summary(self) -> dict[str, float]:
        """Return every measure of the whole by name."""
        return {
            "frames": len(self.frames),
            "shots": len(self.shots),
            "flicker index": self.flicker,
            "flicker index, gap 8": self.far_flicker,
            "temporal error": mean(f.error for f in self.frames),
            "temporal error of the source": mean(f.source_error for f in self.frames),
            "sure of motion": mean(f.sure for f in self.frames),
            "strength": self.strength,
            "strength drift": self.strength_drift,
            "colour drift": self.colour_drift,
            "objective": self.objective,
            "objective ratio": self.objective_ratio,
            "objective drift": self.objective_drift,
            "cut recovery": self.cut_recovery,
            "cut recovery, first frame": self.first_frame,
            "seam error": self.seam,
            "flashes in the worst second": self.flashes,
        }


def ends(shot: Sequence[Measure]) -> tuple[Sequence[Measure], Sequence[Measure]]:
    """Return the first and the last tenth of a shot, a frame at least."""
    tenth = max(len(shot) // 10, 1)
    return shot[:tenth], shot[-tenth:]


def ratio(part: float, whole: float) -> float:
    """Return part over whole; NaN where there is no whole."""
    return part / whole if whole else math.nan


def mean(values: object) -> float:
    """Return the mean of the values that are not NaN; NaN if there is none."""
    known = [v for v in values if not math.isnan(v)]  # type: ignore[attr-defined]
    return sum(known) / len(known) if known else math.nan
