"""Time codes of film (SMPTE ST 12-1): hours, minutes, seconds, frames, counted on from another."""

from __future__ import annotations

import re
from fractions import Fraction

TIME_CODE = re.compile(r"(\d\d):(\d\d):(\d\d)([:;.])(\d\d)")
DAY_HOURS = 24


def later(code: str, frames: int, rate: Fraction) -> str:
    """Return the time code some frames after another; as it is if it cannot be read.

    Args:
        code: like 10:00:00:00; with a semicolon before the frames it drops numbers, so as to stay with the clock at
            29.97 and 59.94 frames per second.
        frames: to count on.
        rate: frames per second.
    """
    found = TIME_CODE.fullmatch(code.strip())
    whole = round(rate)
    if found is None or not frames or whole < 1:
        return code
    hours, minutes, seconds, frame = (int(found[k]) for k in (1, 2, 3, 5))
    dropped = whole // 15 if found[4] in ";." and rate.denominator == 1001 else 0  # a minute, but not every tenth
    total_minutes = 60 * hours + minutes
    count = (60 * total_minutes + seconds) * whole + frame - dropped * (total_minutes - total_minutes // 10) + frames
    per_minute = 60 * whole - dropped
    per_ten = 10 * per_minute + dropped
    count %= DAY_HOURS * 6 * per_ten
    if dropped:
        tens, rest = divmod(count, per_ten)
        count += dropped * (9 * tens + max(rest - dropped, 0) // per_minute)
    seconds, frame = divmod(count, whole)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02d}:{minutes:02d}:{seconds:02d}{found[4]}{frame:02d}"
