"""`Selection`: which part of a source is read, at which rate, and at which size."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction

import cv2

from ...errors import RecipeError, SourceError
from ..info import Info
from ..pixels import Pixels

RGB = tuple[int, int, int]

MAX_SIDE = 32768  # px


@dataclass(frozen=True)
class Selection:
    """The part of a source to read, and how.

    Attributes:
        start: first moment, seconds.
        end: moment to stop before, seconds; None for the source's end.
        rate: frames per second of frame sequences and stills, which carry none themselves; None for 24.
        size: of the frames: `1280x720`, `720p` (short side, shape kept) or `50%`; empty for the source's own.
        stream: number of the film's video track to read, from 1; 0 for its main one.
        deinterlace: whether interlaced films are made progressive.
        background: colour under transparent pixels, RGB of 8 bits; None to keep the alpha channel.
        square: whether frames get square pixels, for an output that can hold no others.
        one_picture: whether a single picture is wanted, even of a file that may hold many.
    """

    start: Fraction = Fraction(0)
    end: Fraction | None = None
    rate: Fraction | None = None
    size: str = ""
    stream: int = 0
    deinterlace: bool = True
    background: RGB | None = (0, 0, 0)
    square: bool = False
    one_picture: bool = False


def resized(pixels: Pixels, info: Info) -> Pixels:
    """Return pixels (H, W, 3), or an alpha channel (H, W), at the size that a source's info gives."""
    if pixels.shape[:2] == (info.height, info.width):
        return pixels
    shrinks = info.width < pixels.shape[1]
    how = cv2.INTER_AREA if shrinks else cv2.INTER_LANCZOS4
    return cv2.resize(pixels, (info.width, info.height), interpolation=how)


def select_times(times: list[Fraction], path: str, selection: Selection) -> list[Fraction]:
    """Return the times of the frames that a selection takes, from its start on and before its end.

    Raises:
        SourceError: it takes no frame.
    """
    start, end = selection.start, selection.end
    selected = [time for time in times if time >= start and (end is None or time < end)]
    if not selected:
        until = "its end" if end is None else f"{float(end):.6g} s"
        raise SourceError(f"{path} has no frame between {float(start):.6g} s and {until}: choose another part")
    return selected


def parse_size(text: str, width: int, height: int) -> tuple[int, int]:
    """Return the (width, height) that a text asks for.

    Args:
        text: `1280x720`, `720p` (short side, shape kept), `50%`, or empty for the source's own size.
        width, height: of the source, px.

    Raises:
        RecipeError: it cannot be read, or a side is below 1 or above `MAX_SIDE`.
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
    if not all(1 <= side <= MAX_SIDE for side in size):
        raise RecipeError(f"cannot read the size {text!r}: write 1280x720, 720p or 50%, up to {MAX_SIDE} px a side")
    return size


def keeps_shape(size: str) -> bool:
    """Tell whether a size as text keeps a source's shape, and so its sample aspect ratio."""
    return "x" not in size.lower()


def _even(side: Fraction) -> int:
    return 2 * max(round(side / 2), 1)
