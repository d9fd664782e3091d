"""Parses times and frame rates as users write them, exactly, as fractions."""

from __future__ import annotations

import functools
import re
from fractions import Fraction

from ..errors import RecipeError, shortened

MIN_RATE, MAX_RATE = Fraction(1, 100), 1000  # frames per second; curves have 240 points a second at any rate
TIME = re.compile(r"\d{1,12}(\.\d{0,30})?|\.\d{1,30}", re.ASCII)
RATE = re.compile(r"(\d{1,12}(/\d{1,12}|\.\d{0,30})?|\.\d{1,30})", re.ASCII)


def parse_time(text: str) -> Fraction | None:
    """Return the seconds of a time like `12.5`, `mm:ss.s` or `hh:mm:ss.s`; None for an empty text.

    Raises:
        RecipeError: the text is not a time, or a negative one.
    """
    if not text:
        return None
    parts = [part.strip() for part in text.split(":")]
    if len(parts) > 3 or not all(map(TIME.fullmatch, parts)):
        raise RecipeError(f"cannot read the time {shortened(text)}: write seconds or mm:ss.s, like 83.5 or 1:23.5")
    return functools.reduce(lambda total, part: total * 60 + Fraction(part), parts, Fraction(0))


def parse_rate(text: str) -> Fraction | None:
    """Return the frames per second of a rate like `24`, `23.976` or `24000/1001`; None for an empty text.

    Raises:
        RecipeError: the text is not a rate, or one outside 0.01 … 1000.
    """
    if not text:
        return None
    try:
        rate = Fraction(text) if RATE.fullmatch(text.strip()) else Fraction(0)
    except ZeroDivisionError:
        rate = Fraction(0)
    if not MIN_RATE <= rate <= MAX_RATE:
        raise RecipeError(
            f"cannot read the frame rate {shortened(text)}: write one from 0.01 to 1000, like 24 or 30000/1001"
        )
    return rate
