"""Times and frame rates as users write them."""

from __future__ import annotations

import functools
import re
from fractions import Fraction

from ..errors import RecipeError, shortened

SLOWEST = Fraction(1, 100)  # frames per second: curves are known at 240 points a second, whatever the rate
TIME = re.compile(r"\d{1,12}(\.\d{0,30})?|\.\d{1,30}", re.ASCII)
RATE = re.compile(r"(\d{1,12}(/\d{1,12}|\.\d{0,30})?|\.\d{1,30})", re.ASCII)


def parse_time(text: str) -> Fraction | None:
    """Return seconds from `12.5`, `mm:ss.s` or `hh:mm:ss.s`; None for an empty text.

    Raises:
        RecipeError: anything else, or a negative time.
    """
    if not text:
        return None
    parts = [part.strip() for part in text.split(":")]
    if len(parts) > 3 or not all(map(TIME.fullmatch, parts)):
        raise RecipeError(f"cannot read the time {shortened(text)}: write seconds or mm:ss.s, like 83.5 or 1:23.5")
    return functools.reduce(lambda whole, part: whole * 60 + Fraction(part), parts, Fraction(0))


def parse_rate(text: str) -> Fraction | None:
    """Return frames per second from `24`, `23.976` or `24000/1001`; None for an empty text.

    Raises:
        RecipeError: anything else, or a rate outside 0.01 … 1000.
    """
    if not text:
        return None
    try:
        rate = Fraction(text) if RATE.fullmatch(text.strip()) else Fraction(0)
    except ZeroDivisionError:
        rate = Fraction(0)
    if not SLOWEST <= rate <= 1000:
        raise RecipeError(f"cannot read the frame rate {shortened(text)}: write 24 or 30000/1001, from 0.01 to 1000")
    return rate
