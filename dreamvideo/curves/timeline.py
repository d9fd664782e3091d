"""A film's timeline: its moments, and the sound at each of them."""

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
FINE = 240  # points a second, at least, at which curves are known: a beat is met to 4 ms at any frame rate


@dataclass(frozen=True)
class Sound:
    """What is heard, as plain data.

    Attributes:
        rate: points a second of the levels.
        levels: each of `LEVELS` in [0, 1], all of one length.
        beats, bars, onsets: when they fall, s, rising.
        tempo: beats per minute.
        wave: the loudest sample of every point of the levels, in [0, 1], for drawing.
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
    """The moments of a film, and what curves can ask at them.

    Attributes:
        rate: frames per second.
        count: frames.
        sound: what is heard meanwhile, if anything.
        bpm: a tempo that counts instead of the sound's, 0 for none; beat 0 falls on 0 s, four beats make a bar.
        still: whether the film is made of a still.
        rests: frames for which the camera stands still, at the beginning.
        begins: seconds into the source at which its first frame stands.
    """

    rate: Fraction
    count: int
    sound: Sound | None = None
    bpm: float = 0.0
    still: bool = False
    rests: int = 0
    begins: Fraction = Fraction(0)
    _names: dict[str, Values] = field(default_factory=dict, repr=False, compare=False)

    @cached_property
    def fine(self) -> int:
        """Points per frame."""
        return max(math.ceil(FINE / self.rate), 1)

    @cached_property
    def t(self) -> Values:
        """Seconds at every point: `fine` to a frame, and one more where the last frame ends."""
        return np.arange(self.count * self.fine + 1, dtype=np.float64) / float(self.rate * self.fine)

    @property
    def length(self) -> float:
        """Seconds from the first frame to the end of the last."""
        return float(self.count / self.rate)

    def __getitem__(self, name: str) -> Values:
        """Return what a name means at every point.

        Raises:
            RecipeError: there is no sound to know it from.
        """
        if name not in self._names:
            self._names[name] = np.broadcast_to(self._of(name), self.t.shape)
        return self._names[name]

    def _of(self, name: str) -> Any:
        if name in CLOCK:
            n = np.floor(self.t * float(self.rate) + 1e-6)
            known = {"t": self.t, "n": n, "fps": float(self.rate), "length": self.length, "still": float(self.still)}
            return known[name]
        if name in COUNTERS:
            return _count_at(self.moments(name), self.t)
        if self.sound is None:
            raise RecipeError(f"{name} is known from sound: give --music song.mp3, or --music source")
        level = self.sound.levels[name]
        return np.interp(self.t, np.arange(len(level)) / self.sound.rate, level, right=0.0)

    def moments(self, counter: str) -> Values:
        """Return when beats, bars or onsets fall, s.

        Raises:
            RecipeError: there is neither sound nor a tempo to know it from.
        """
        if self.bpm and counter != "onset":
            return np.arange(0, self.length + 60, 60 / self.bpm * (4 if counter == "bar" else 1))
        if self.sound is None:
            hint = "" if counter == "onset" else ", or --bpm 120"
            raise RecipeError(f"{counter} is known from sound: give --music song.mp3, or --music source{hint}")
        return {"beat": self.sound.beats, "bar": self.sound.bars, "onset": self.sound.onsets}[counter]

    def seconds(self, moment: str) -> float:
        """Return the seconds of a written moment: 4s, 1.5s, 1:30, 25%, 8 beats, 2 bars.

        Raises:
            RecipeError: it is none of these, or counts beats where none are known.
        """
        number, unit = keyframes.moment(moment)
        if unit in ("beat", "bar"):
            return float(_time_of_count(self.moments(unit), number))
        return number * self.length / 100 if unit == "%" else number


def _count_at(moments: Values, t: Values) -> Values:
    """Count moments: a whole number at each, straight lines between and beyond; −1, none yet, where there is none."""
    if len(moments) < 2:
        return (t >= moments[0]).astype(float) - 1 if len(moments) else np.full_like(t, -1.0)
    return np.interp(t, *_extrapolated(moments))


def _time_of_count(moments: Values, number: float) -> float:
    if len(moments) < 2:
        return float(moments[0]) if len(moments) else 0.0
    times, counts = _extrapolated(moments)
    return float(np.interp(number, counts, times))


def _extrapolated(moments: Values) -> tuple[Values, Values]:
    """Return moments and their counts, carried on at both ends at the pace found there."""
    far = 100_000
    first, last = moments[1] - moments[0], moments[-1] - moments[-2]
    times = np.concatenate([[moments[0] - far * first], moments, [moments[-1] + far * last]])
    counts = np.concatenate([[-far], np.arange(len(moments)), [len(moments) - 1 + far]])
    return times, counts.astype(float)
