"""Which frames of a source are read, and at which size: `Selection`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction

import cv2

from ...errors import RecipeError, SourceError
from ..info import Info
from ..pixels import Pixels


@dataclass(frozen=True)
class Selection:
    """The part of a source to read, and how.

    Attributes:
        start: first moment, seconds.
        end: moment to stop before, seconds; None for the source's end.
        rate: frames per second of frame sequences and stills, which carry none themselves; None for 24.
        size: of the frames: `1280x720`, `720p` (short side, shape kept) or `50%`; empty for the source's own.
    """

    start: Fraction = Fraction(0)
    end: Fraction | None = None
    rate: Fraction | None = None
    size: str = ""


def resized(pixels: Pixels, info: Info) -> Pixels:
    if pixels.shape[:2] == (info.height, info.width):
        return pixels
    shrinks = info.width < pixels.shape[1]
    how = cv2.INTER_AREA if shrinks else cv2.INTER_LANCZOS4
    return cv2.resize(pixels, (info.width, info.height), interpolation=how)


def within(times: list[Fraction], path: str, selection: Selection) -> list[Fraction]:
    """Return the times from the start of a selection on, before its end.

    Raises:
        SourceError: there is none.
    """
    start, end = selection.start, selection.end
    taken = [time for time in times if time >= start and (end is None or time < end)]
    if not taken:
        until = "its end" if end is None else f"{float(end):.6g} s"
        raise SourceError(f"{path} has no frame between {float(start):.6g} s and {until}")
    return taken


def sized(text: str, width: int, height: int) -> tuple[int, int]:
    """Return (width, height) for `1280x720`, `720p` (short side, shape kept), `50%` or nothing.

    Raises:
        RecipeError: anything else, or a size beyond 1 … 32768.
    """
    if not text:
        return width, height
    if exact := re.fullmatch(r"(\d{1,9})[xX](\d{1,9})", text):
        size = int(exact[1]), int(exact[2])
    elif short := re.fullmatch(r"(\d{1,9})[pP]", text):
        scale = Fraction(int(short[1]), min(width, height))
        size = _even(width * scale), _even(height * scale)
    elif (percent := re.fullmatch(r"(\d{1,9}(?:\.\d{1,9})?)%", text)) and (scale := Fraction(percent[1]) / 100):
        size = _even(width * scale), _even(height * scale)
    else:
        size = 0, 0
    if not all(1 <= side <= 32768 for side in size):
        raise RecipeError(f"cannot read the size {text!r}: write 1280x720, 720p or 50%")
    return size


def _even(side: Fraction) -> int:
    return 2 * max(round(side / 2), 1)
