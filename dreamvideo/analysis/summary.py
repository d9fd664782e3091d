"""Sums up the measurements of single frames: flicker, strength, drift and recovery after cuts."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction

from ..finish import flash

RECOVERY = 3  # frames after a cut within which a dream should be back at full strength


@dataclass(frozen=True)
class FrameMetrics:
    """What was measured on one frame; NaN for what could not be measured.

    Attributes:
        index: of the frame, from 0.
        cut: whether a shot begins with it (the first one does).
        sure: share of the frame where the motion is certain, 0 to 1.
        error, source_error: temporal error of the dream, and of the source itself, white = 1.
        far_error, far_source_error: the same against the frame eight frames before.
        strength: mean |dream − source|, white = 1.
        colour: mean of dream − source, (R, G, B).
        light: relative luminance of the dream, 0 to 1.
        objective: the objective's value on the dream.
        alone: its value on the same frame dreamed independently.
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
        """The temporal error that dreaming added, as a share of the frame's strength."""
        return (self.error - self.source_error) / max(self.strength, 1e-9)


@dataclass
class Summary:
    """What the measurements of all frames say about the whole; every number is NaN where nothing was measured.

    Attributes:
        frames: what was measured, frame by frame.
        rate: frames per second, for counting flashes.
        seam: temporal error from the last frame to the first over the median from frame to frame; only of a loop.
    """

    frames: list[FrameMetrics] = field(default_factory=list)
    rate: Fraction = Fraction(25)
    seam: float = math.nan

    @property
    def shots(self) -> list[list[FrameMetrics]]:
        """The frames, shot by shot."""
        shots: list[list[FrameMetrics]] = []
        for frame in self.frames:
            if frame.cut:
                shots.append([])
            shots[-1].append(frame)
        return shots

    @property
    def strength(self) -> float:
        """Mean |dream − source| over all frames, white = 1."""
        return mean(f.strength for f in self.frames)

    @property
    def flicker(self) -> float:
        """The flicker index over all frames, (E(dream) − E(source)) / strength: 0 is perfectly steady."""
        return self._flicker_index(lambda f: f.error, lambda f: f.source_error)

    @property
    def far_flicker(self) -> float:
        """The flicker index over eight frames: what changes slowly."""
        return self._flicker_index(lambda f: f.far_error, lambda f: f.far_source_error)

    @property
    def objective(self) -> float:
        """Mean value of the objective on the dream."""
        return mean(f.objective for f in self.frames)

    @property
    def objective_ratio(self) -> float:
        """The objective on the dream over that on the same frames dreamed independently."""
        both = [f for f in self.frames if not math.isnan(f.alone)]
        return ratio(mean(f.objective for f in both), mean(f.alone for f in both))

    @property
    def strength_drift(self) -> float:
        """Relative change of strength from the first to the last tenth of a shot; of the shot where it is largest."""
        return self._drift(lambda f: f.strength)

    @property
    def objective_drift(self) -> float:
        """The same of the objective; of the objective ratio where both ends of a shot have one."""
        relative = self._drift(lambda f: ratio(f.objective, f.alone))
        return self._drift(lambda f: f.objective) if math.isnan(relative) else relative

    @property
    def colour_drift(self) -> float:
        """Largest change of the mean added colour from the first to the last tenth of a shot, white = 1."""
        drifts = [
            abs(mean(f.colour[c] for f in last) - mean(f.colour[c] for f in first))
            for first, last in map(ends, self.shots)
            for c in range(3)
        ]
        return max(drifts, default=math.nan)

    @property
    def cut_recovery(self) -> float:
        """Strength of the first three frames after a cut over that of the rest of their shot, at the worst cut."""
        return self._recovery(RECOVERY)

    @property
    def first_frame(self) -> float:
        """Strength of the first frame after a cut over that of the rest of its shot, at the worst cut."""
        return self._recovery(1)

    @property
    def flashes(self) -> float:
        """Flashes of the whole picture in the worst second (see `finish.flash`)."""
        return flash.worst_second([f.light for f in self.frames], self.rate)

    def summary(self) -> dict[str, float]:
        """Return every number by the name it has in reports."""
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

    def _flicker_index(self, dream: Callable[[FrameMetrics], float], source: Callable[[FrameMetrics], float]) -> float:
        added = mean(map(dream, self.frames)) - mean(map(source, self.frames))
        return added / max(self.strength, 1e-9)

    def _drift(self, value: Callable[[FrameMetrics], float]) -> float:
        drifts = [ratio(mean(map(value, last)), mean(map(value, first))) - 1 for first, last in map(ends, self.shots)]
        return max((d for d in drifts if not math.isnan(d)), key=abs, default=math.nan)

    def _recovery(self, frames: int) -> float:
        shots = [s for s in self.shots[1:] if len(s) > frames]
        found = (ratio(mean(f.strength for f in s[:frames]), mean(f.strength for f in s[frames:])) for s in shots)
        return min((r for r in found if not math.isnan(r)), default=math.nan)


def ends(shot: Sequence[FrameMetrics]) -> tuple[Sequence[FrameMetrics], Sequence[FrameMetrics]]:
    """Return the first and the last tenth of a shot, at least one frame each."""
    tenth = max(len(shot) // 10, 1)
    return shot[:tenth], shot[-tenth:]


def ratio(part: float, whole: float) -> float:
    """Return part over whole; NaN if the whole is 0."""
    return part / whole if whole else math.nan


def mean(values: Iterable[float]) -> float:
    """Return the mean of the values that are not NaN; NaN if there are none."""
    known = [v for v in values if not math.isnan(v)]
    return sum(known) / len(known) if known else math.nan
