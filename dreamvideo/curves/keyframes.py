"""The syntax of keyframes: moments, values and eases as written in a recipe."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ..errors import RecipeError, shortened
from .expressions import is_number

MAX_KEYFRAMES = 10_000  # of one curve
EASES = ("linear", "smooth", "hold")
MOMENT = re.compile(
    r"(?:(?:(\d{1,6}):)?(\d{1,6}):)?(\d{1,9}(?:\.\d{1,30})?)\s*(s|%|beats?|bars?)?", re.ASCII
)  # fmt: skip
HANDLE = r"(-?[\d.]{1,30})"
BEZIER = re.compile(rf"bezier\s*+\(?\s*+{HANDLE}[\s,]+{HANDLE}[\s,]+{HANDLE}[\s,]+{HANDLE}\s*\)?", re.ASCII)


def parse_moment(text: str) -> tuple[float, str]:
    """Return the number and unit of a moment like 4s, 1:30, 25%, 8 beats or 2 bars; units are `s % beat bar`.

    Raises:
        RecipeError: the text is not a moment.
    """
    found = MOMENT.fullmatch(text.strip())
    if not found or (":" in text) == bool(found[4]):
        raise RecipeError(f"cannot read the moment {shortened(text)}: write 4s, 1:30, 25%, 8 beats or 2 bars")
    hours, minutes, seconds, unit = found.groups()
    number = int(hours or 0) * 3600 + int(minutes or 0) * 60 + float(seconds)
    return number, (unit or "s").rstrip("s") or "s"


def read_keyframes(keyframes: Mapping[str, Any]) -> list[tuple[str, float, str]]:
    """Return keyframes as (moment, value, ease to the next), in the order in which they are written.

    Raises:
        RecipeError: a moment, value or ease cannot be read, or moments of one unit are not in order.
    """
    flat = flatten_keys(keyframes)
    default_ease = flat.pop("ease", "linear")
    if not flat:
        raise RecipeError("the keyframes have no moments: write them as {0s = 0.005, 4s = 0.02}")
    if len(flat) > MAX_KEYFRAMES:
        raise RecipeError(f"{len(flat)} keyframes are too many: use at most {MAX_KEYFRAMES}, or an expression")
    points: list[tuple[str, float, str]] = []
    last: dict[str, float] = {}
    for moment, value in flat.items():
        number, ease = value if isinstance(value, list) and len(value) == 2 else (value, default_ease)
        if not is_number(number):
            raise RecipeError(
                f"the keyframe {shortened(moment)} is {shortened(number)}: give a number, or [number, 'hold']"
            )
        bezier_handles(ease)
        at, unit = parse_moment(moment)
        if at <= last.get(unit, -1):
            raise RecipeError(f"the keyframe {moment} is out of order: sort the keyframes by time")
        last[unit] = at
        points.append((moment, float(number), str(ease)))
    return points


def flatten_keys(keyframes: Mapping[str, Any]) -> dict[str, Any]:
    """Return keyframes by their moments. TOML reads the bare key 1.5s as a table `1` that contains `5s`."""
    flat: dict[str, Any] = {}
    for key, value in ((key if isinstance(key, str) else shortened(key), value) for key, value in keyframes.items()):
        if isinstance(value, dict) and key.isdigit():
            flat |= {f"{key}.{rest}": inner for rest, inner in value.items()}
        else:
            flat[key] = value
    return flat


def bezier_handles(ease: object) -> tuple[float, float, float, float] | None:
    """Return the handles (x1, y1, x2, y2) of a Bézier ease as in CSS; None for a named ease.

    Raises:
        RecipeError: the ease is neither.
    """
    if ease in EASES:
        return None
    found = BEZIER.fullmatch(ease) if isinstance(ease, str) else None
    try:
        x1, y1, x2, y2 = map(float, found.groups() if found else ())
    except ValueError:
        x1 = x2 = -1.0
    if not (0 <= x1 <= 1 and 0 <= x2 <= 1):
        raise RecipeError(
            f"unknown ease {shortened(ease)}: use {', '.join(EASES)}, or bezier(0.4, 0, 0.2, 1) with x in 0 … 1"
        )
    return x1, y1, x2, y2
