"""Usual frame rates, and constant rates for films whose rate varies."""

from __future__ import annotations

import itertools
import math
from fractions import Fraction

RATES = [
    Fraction(n, d)
    for n, d in [(24000, 1001), (24, 1), (25, 1), (30000, 1001), (30, 1), (50, 1), (60000, 1001), (60, 1)]
]
VARIES = "its frame rate varies: made constant at {:.6g} frames per second, pictures that last longer are repeated"


def even_rate(times: list[Fraction]) -> Fraction:
    """Return the rate at which pictures that begin at these seconds come where they come fastest, so that each has a
    frame; at most 60, or their mean rate if that is more.
    """
    times = sorted(set(times))
    gaps = sorted(later - earlier for earlier, later in itertools.pairwise(times))
    most = max(RATES[-1], nominal_rate((len(times) - 1) / (times[-1] - times[0])))
    fastest = nominal_rate(1 / gaps[len(gaps) // 10])
    for rate in [fastest, *(rate for rate in RATES if rate > fastest)]:
        if rate <= most and dropped_at(times, rate) <= len(times) // 100:  # a stray one does not count
            return rate
    return most


def dropped_at(times: list[Fraction], rate: Fraction) -> int:
    """Return how many of the pictures that begin at these seconds find no frame of their own."""
    return len(times) - len({math.floor(time * rate + Fraction(1, 2)) for time in times})


def nominal_rate(measured: Fraction) -> Fraction:
    """Return the usual frame rate that a measured one is meant to be, or the measured one, made short."""
    near = min(RATES, key=lambda rate: abs(rate - measured))
    return near if abs(near - measured) < measured * Fraction(3, 100) else measured.limit_denominator(1001)
