"""Contact sheets: pictures side by side, each with the flag that makes it."""

from __future__ import annotations

import functools
import math
import os
import re
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ..errors import SinkError
from ..media.info import Info
from ..media.paths import STILLS, holds_frames, sequence_files, takes_frames
from ..media.readers.frame import DEFAULT_RATE
from ..media.writers.output_checks import check_output
from ..media.writers.pictures import save_picture

if TYPE_CHECKING:
    from PIL.ImageDraw import ImageDraw
    from PIL.ImageFont import FreeTypeFont

GROUND, CARD, BRIGHT, DIM = "#131417", "#1f2126", "#f1ece2", "#8b8f99"
GUTTER, PAD, EDGE = 6, 7, 18  # px between cells, around a label, around everything
NARROWEST = 176  # px of a cell, however small its picture: room for a label
SHAPE = 1.5  # width over height that a sheet is brought near to


@dataclass(frozen=True)
class Cell:
    """One picture of a sheet.

    Attributes:
        flag: what to paste to get it, like `--layers blocks.9=1`; empty for the source.
        pixels: RGB, (H, W, 3), uint8.
    """

    flag: str
    pixels: NDArray[np.uint8]


@dataclass(frozen=True)
class Sheet:
    """Pictures of one size, row by row, with their flags.

    Attributes:
        title: what they are made of.
        about: what they are made by.
        cells: the pictures.
        columns: how many stand side by side; 0: as many as give the sheet a good shape.
        across, down: flags of the columns and rows, if they stand there rather than under every picture.
        recipe: what is common to all, as TOML; written into the file.
    """

    title: str
    about: str
    cells: tuple[Cell, ...]
    columns: int = 0
    across: tuple[str, ...] = ()
    down: tuple[str, ...] = ()
    recipe: str = ""

    def save(self, path: str | Path, overwrite: bool = False) -> None:
        """Write the sheet as the picture format the name asks for, whole or not at all.

        Raises:
            SinkError: it exists already, is no picture's name, or cannot be written.
        """
        check_sheet(str(path), overwrite)
        save_picture(Path(path), self.draw(), self.recipe)

    def draw(self) -> NDArray[np.uint8]:
        """Return the sheet as a picture, RGB, (H, W, 3)."""
        from PIL import Image, ImageDraw

        plan = _Plan.of(self)
        image = Image.new("RGB", plan.size, GROUND)
        pen = ImageDraw.Draw(image)
        _head(pen, self, plan)
        for column, flag in enumerate(self.across):
            x = plan.left + column * (plan.slot + GUTTER)
            _write(pen, (x, plan.top - GUTTER - plan.line * plan.header), plan.wrapped(flag), plan)
        for number, cell in enumerate(self.cells):
            row, column = divmod(number, plan.columns)
            x, y = plan.left + column * (plan.slot + GUTTER), plan.rows[row]
            if self.down and not column:
                _write(pen, (EDGE, y + PAD), plan.wrapped(self.down[row], plan.side), plan)
            height, width = cell.pixels.shape[:2]
            below = plan.rows[row + 1] - GUTTER
            pen.rectangle((x, y, x + plan.slot - 1, below - 1), CARD)
            image.paste(Image.fromarray(cell.pixels), (x + (plan.slot - width) // 2, y))
            if not self.across:
                _write(pen, (x + PAD, y + height + PAD - 1), plan.wrapped(cell.flag or "source"), plan)
        return np.asarray(image)


def check_sheet(path: str, overwrite: bool, source: str = "") -> None:
    """Refuse a sheet's name before any work is done.

    Raises:
        SinkError: it exists already, is (one of) the source's own or no picture's name, or cannot be written.
    """
    if takes_frames(path) or Path(path).suffix.lower() not in STILLS:
        raise SinkError(f"{path}: end the sheet's name in .png, .jpg, .webp or .tif")
    own = sequence_files(source) if source and holds_frames(source) else [Path(source)]
    if os.path.isfile(path) and any(there.is_file() and there.samefile(path) for there in own):
        raise SinkError(f"{path} is the input itself: give the sheet another name")
    check_output(path, Info("noise:", "still", 1, 1, DEFAULT_RATE, 1), overwrite)


def good_columns(count: int, width: int, height: int) -> int:
    """Return how many of `count` cells, width by height, to set side by side: near to a good shape, few slots empty."""

    def misfit(columns: int) -> float:
        rows = math.ceil(count / columns)
        return abs(math.log(columns * width / (rows * height) / SHAPE)) + (rows * columns - count) / count

    return min(range(1, count + 1), key=misfit)


@dataclass(frozen=True)
class _Plan:
    """Where everything of a sheet stands, px.

    Attributes:
        size: of the sheet, (width, height).
        columns, slot: how many cells stand side by side, and how wide each is.
        left, top: where the cells begin.
        rows: where each row begins, and where another would.
        font: size of the labels' letters.
        header: lines of the labels above the columns.
        side: width of the labels left of the rows.
    """

    size: tuple[int, int]
    columns: int
    slot: int
    left: int
    top: int
    rows: tuple[int, ...]
    font: int
    header: int
    side: int

    @classmethod
    def of(cls, sheet: Sheet) -> _Plan:
        width = max(cell.pixels.shape[1] for cell in sheet.cells)
        height = max(cell.pixels.shape[0] for cell in sheet.cells)
        slot = max(width, NARROWEST)
        font = min(max(slot // 24, 11), 15)
        line, count = _line(font), len(sheet.cells)
        columns = sheet.columns or good_columns(count, slot, height + line + 2 * PAD)
        flags = [cell.flag for cell in sheet.cells]
        longest = max((_wide(flag, font) for flag in sheet.down), default=0)
        side = min(longest, max(slot * 2 // 3, NARROWEST)) if sheet.down else 0
        header = max((len(_wrap(flag, slot, font)) for flag in sheet.across), default=0)
        left = EDGE + (side + 2 * PAD if side else 0)
        top = EDGE + _line(font + 6) + PAD + (line * header + PAD if header else 0)
        rows = [top]
        for first in range(0, count, columns):
            lines = max(len(_wrap(flag, slot - 2 * PAD, font)) for flag in flags[first : first + columns])
            below = 0 if sheet.across else line * lines + 2 * PAD
            beside = line * len(_wrap(sheet.down[first // columns], side, font)) + 2 * PAD if sheet.down else 0
            rows.append(rows[-1] + max(height + below, beside) + GUTTER)
        right = left + columns * (slot + GUTTER) - GUTTER + EDGE
        return cls((right, rows[-1] - GUTTER + EDGE), columns, slot, left, top, tuple(rows), font, header, side)

    @property
    def line(self) -> int:
        return _line(self.font)

    def wrapped(self, text: str, width: int = 0) -> list[str]:
        return _wrap(text, width or self.slot - 2 * PAD, self.font)


def _head(pen: ImageDraw, sheet: Sheet, plan: _Plan) -> None:
    """Write the title, and behind it what it is made by, cut to what there is room for."""
    room, letters, base = plan.size[0] - 2 * EDGE, plan.font + 4, EDGE + plan.font
    title = _cut(sheet.title, room, letters)
    pen.text((EDGE, base), title, BRIGHT, font=_letters(letters), anchor="ls")
    used = _wide(title + "  ", letters)
    about = _cut(sheet.about, room - used, plan.font)
    pen.text((EDGE + used, base), about, DIM, font=_letters(plan.font), anchor="ls")


def _write(pen: ImageDraw, place: tuple[int, int], lines: Sequence[str], plan: _Plan) -> None:
    """Write a label, the flag's name dim and what it is set to bright."""
    font = _letters(plan.font)
    for number, line in enumerate(lines):
        x, y = place[0], place[1] + number * plan.line
        for word in line.split(" "):
            pen.text((x, y), word, DIM if word.startswith("--") else BRIGHT, font=font)
            x += _wide(word + " ", plan.font)


class _Wrapper(textwrap.TextWrapper):
    """Breaks lines at spaces and behind commas."""

    wordsep_simple_re = re.compile(r"(\s+|(?<=,))")


def _wrap(text: str, width: int, size: int) -> list[str]:
    characters = max(int(width / _letters(size).getlength("0")), 8)
    return _Wrapper(characters, break_on_hyphens=False).wrap(text) or [""]


def _cut(text: str, width: int, size: int) -> str:
    characters = max(int(width / _letters(size).getlength("0")), 0)
    return text if len(text) <= characters else text[: max(characters - 1, 0)] + "…" * bool(characters)


def _wide(text: str, size: int) -> int:
    return math.ceil(_letters(size).getlength(text))


def _line(size: int) -> int:
    return round(size * 1.3)


@functools.cache
def _letters(size: int) -> FreeTypeFont:
    """Return DejaVu Sans Mono, which comes with matplotlib."""
    import matplotlib
    from PIL import ImageFont

    return ImageFont.truetype(Path(matplotlib.get_data_path(), "fonts", "ttf", "DejaVuSansMono.ttf"), size)
