"""Usual frame rates, and the constant rate at which a film of varying rate is read."""

from __future__ import annotations

import itertools
import math
from fractions import Fraction

RATES = [
    Fraction(n, d)
    for n, d in [(24000, 1001), (24, 1), (25, 1), (30000, 1001), (30, 1), (50, 1), (60000, 1001), (60, 1)]
]
VARYING_RATE = (
    "its frame rate varies: made constant at {:.6g} frames per second, pictures that last longer are repeated"
)


def even_rate(times: list[Fraction]) -> Fraction:
    """Return a constant rate at which each picture of a varying rate gets a frame of its own.

    It is the rate where pictures follow each other fastest, but at most 60, or their mean rate if that is higher.

    Args:
        times: when each picture begins, seconds.
    """
    times = sorted(set(times))
    gaps = sorted(later - earlier for earlier, later in itertools.pairwise(times))
    highest = max(RATES[-1], nominal_rate((len(times) - 1) / (times[-1] - times[0])))
    fastest = nominal_rate(1 / gaps[len(gaps) // 10])
    for rate in [fastest, *(rate for rate in RATES if rate > fastest)]:
        if rate <= highest and dropped_at(times, rate) <= len(times) // 100:  # one in a hundred may be dropped
            return rate
    return highest


def dropped_at(times: list[Fraction], rate: Fraction) -> int:
    """Return how many of the pictures that begin at these times get no frame of their own at a constant rate."""
    return len(times) - len({math.floor(time * rate + Fraction(1, 2)) for time in times})


def nominal_rate(measured: Fraction) -> Fraction:
    """Return the usual frame rate within 3 % of a measured one, else the measured one as a short fraction."""
    near = min(RATES, key=lambda rate: abs(rate - measured))
    return near if abs(near - measured) < measured * Fraction(3, 100) else measured.limit_denominator(1001)
