"""Text on sheets: its font, width, line breaks and shortening, in px."""

from __future__ import annotations

import functools
import math
import re
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL.ImageFont import FreeTypeFont


@functools.cache
def font(size: int) -> FreeTypeFont:
    """Return DejaVu Sans Mono, which comes with matplotlib."""
    import matplotlib
    from PIL import ImageFont

    return ImageFont.truetype(Path(matplotlib.get_data_path(), "fonts", "ttf", "DejaVuSansMono.ttf"), size)


def line_height(size: int) -> int:
    """Return the distance from line to line."""
    return round(size * 1.3)


def text_width(text: str, size: int) -> int:
    """Return the width of a line of text."""
    return math.ceil(font(size).getlength(text))


def wrap(text: str, width: int, size: int) -> list[str]:
    """Return a text as lines no wider than `width`, broken at spaces and after commas; at least one, of 8 letters."""
    characters = max(int(width / font(size).getlength("0")), 8)
    return _Wrapper(characters, break_on_hyphens=False).wrap(text) or [""]


def shorten(text: str, width: int, size: int) -> str:
    """Return a text cut to a width, with an ellipsis where something is missing."""
    characters = max(int(width / font(size).getlength("0")), 0)
    return text if len(text) <= characters else text[: max(characters - 1, 0)] + "…" * bool(characters)


class _Wrapper(textwrap.TextWrapper):
    """Breaks lines at spaces and after commas."""

    wordsep_simple_re = re.compile(r"(\s+|(?<=,))")
