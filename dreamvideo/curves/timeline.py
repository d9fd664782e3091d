"""The timeline of a film: the points in time at which curves are evaluated, and the sound at each of them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import RecipeError
from . import keyframes
from .expressions import CLOCK, COUNTERS

Values = NDArray[np.float64]
MIN_POINTS = 240  # per second; so a beat is met within 4 ms at any frame rate
BEATS_PER_BAR = 4  # where the tempo is given
MARGIN = 60  # s for which beats go on after the end of the film, where the tempo is given


@dataclass(frozen=True)
class Sound:
    """The analysis of a sound track.

    Attributes:
        rate: points per second of the levels.
        levels: each of `LEVELS` in [0, 1], all of the same length.
        beats, bars, onsets: their times, s, ascending.
        tempo: beats per minute.
        wave: the largest absolute sample at each point, in [0, 1], for plots.
    """

    rate: float
    levels: Mapping[str, Values]
    beats: Values
    bars: Values
    onsets: Values
    tempo: float
    wave: Values


@dataclass(frozen=True)
class Timeline:
    """The points in time of a film; `timeline[name]` returns the values of a name in expressions at all of them.

    Attributes:
        rate: frames per second.
        count: number of frames.
        sound: the analysed sound, if any.
        bpm: tempo that replaces the sound's beats and bars; 0 for none. Beat 0 is at 0 s, and a bar has four beats.
        still: whether the film is made of a still.
        resting_frames: number of frames at the beginning for which the camera does not move.
        source_start: position of the first frame in the source, s.
    """

    rate: Fraction
    count: int
    sound: Sound | None = None
    bpm: float = 0.0
    still: bool = False
    resting_frames: int = 0
    source_start: Fraction = Fraction(0)
    _names: dict[str, Values] = field(default_factory=dict, repr=False, compare=False)

    @cached_property
    def fine(self) -> int:
        """Points per frame."""
        return max(math.ceil(MIN_POINTS / self.rate), 1)

    @cached_property
    def t(self) -> Values:
        """Seconds at every point: `fine` points per frame, and one more at the end of the last frame."""
        return np.arange(self.count * self.fine + 1, dtype=np.float64) / float(self.rate * self.fine)

    @property
    def length(self) -> float:
        """Seconds from the first frame to the end of the last."""
        return float(self.count / self.rate)

    def __getitem__(self, name: str) -> Values:
        """Return the values of one of `expressions.NAMES` at every point.

        Raises:
            RecipeError: the name needs sound, and there is none.
        """
        if name not in self._names:
            self._names[name] = np.broadcast_to(self._compute(name), self.t.shape)
        return self._names[name]

    def _compute(self, name: str) -> Any:
        if name in CLOCK:
            n = np.floor(self.t * float(self.rate) + 1e-6)
            clock = {"t": self.t, "n": n, "fps": float(self.rate), "length": self.length, "still": float(self.still)}
            return clock[name]
        if name in COUNTERS:
            return _count_at(self.moments(name), self.t)
        if self.sound is None:
            raise RecipeError(f"{name} needs sound: give --music song.mp3 or --music source")
        level = self.sound.levels[name]
        return np.interp(self.t, np.arange(len(level)) / self.sound.rate, level, right=0.0)

    def moments(self, counter: str) -> Values:
        """Return the times of all beats, bars or onsets, s.

        Args:
            counter: `beat`, `bar` or `onset`.

        Raises:
            RecipeError: there is neither sound nor a tempo.
        """
        if self.bpm and counter != "onset":
            beats = BEATS_PER_BAR if counter == "bar" else 1
            return np.arange(0, self.length + MARGIN, 60 / self.bpm * beats)
        if self.sound is None:
            tempo = "" if counter == "onset" else ", or a tempo with --bpm 120"
            raise RecipeError(f"{counter} needs sound: give --music song.mp3 or --music source{tempo}")
        return {"beat": self.sound.beats, "bar": self.sound.bars, "onset": self.sound.onsets}[counter]

    def seconds(self, moment: str) -> float:
        """Return the seconds of a moment written as 4s, 1.5s, 1:30, 25%, 8 beats or 2 bars.

        Raises:
            RecipeError: it cannot be read, or counts beats where none are known.
        """
        number, unit = keyframes.parse_moment(moment)
        if unit in ("beat", "bar"):
            return float(_time_of_count(self.moments(unit), number))
        return number * self.length / 100 if unit == "%" else number


def _count_at(moments: Values, t: Values) -> Values:
    """Return the count of moments at times t: whole at each moment, linear between and beyond; −1 before a single one.

    Without any moment it is −1 everywhere.
    """
    if len(moments) < 2:
        return (t >= moments[0]).astype(float) - 1 if len(moments) else np.full_like(t, -1.0)
    return np.interp(t, *_extrapolated(moments))


def _time_of_count(moments: Values, number: float) -> float:
    if len(moments) < 2:
        return float(moments[0]) if len(moments) else 0.0
    times, counts = _extrapolated(moments)
    return float(np.interp(number, counts, times))


def _extrapolated(moments: Values) -> tuple[Values, Values]:
    """Return moments and their counts, extended at both ends with the spacing found there."""
    far = 100_000
    first, last = moments[1] - moments[0], moments[-1] - moments[-2]
    times = np.concatenate([[moments[0] - far * first], moments, [moments[-1] + far * last]])
    counts = np.concatenate([[-far], np.arange(len(moments)), [len(moments) - 1 + far]])
    return times, counts.astype(float)
