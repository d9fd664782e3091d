"""Contact sheets: lays out pictures side by side, each with the flag that makes it, and writes them as one picture."""

from __future__ import annotations

import math
import os
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
from .labels import font, line_height, shorten, text_width, wrap

if TYPE_CHECKING:
    from PIL.ImageDraw import ImageDraw

BACKGROUND, CARD, BRIGHT, DIM = "#131417", "#1f2126", "#f1ece2", "#8b8f99"
GUTTER, PAD, EDGE = 6, 7, 18  # px between cells, around a label, around everything
NARROWEST = 176  # px, least width of a cell, so that a label fits
SHAPE = 1.5  # preferred width over height of a sheet


@dataclass(frozen=True)
class Cell:
    """One picture of a sheet.

    Attributes:
        flag: the flag that makes it, like `--layers blocks.9=1`; empty for the source.
        pixels: RGB, (H, W, 3), uint8.
    """

    flag: str
    pixels: NDArray[np.uint8]


@dataclass(frozen=True)
class Sheet:
    """Pictures of one size, row by row, with their flags.

    Attributes:
        title: the source.
        about: what varies from cell to cell, and the version.
        cells: the pictures.
        columns: number of cells in a row; 0: as many as give the sheet a good shape.
        across, down: flags above the columns and left of the rows; if empty, every cell has its flag under its picture.
        recipe: what all cells have in common, as TOML, for the file's metadata.
    """

    title: str
    about: str
    cells: tuple[Cell, ...]
    columns: int = 0
    across: tuple[str, ...] = ()
    down: tuple[str, ...] = ()
    recipe: str = ""

    def save(self, path: str | Path, overwrite: bool = False) -> None:
        """Write the sheet in the format that the name ends in, completely or not at all.

        Raises:
            SinkError: the name ends in no picture format, the file exists already, or cannot be written.
        """
        check_sheet(str(path), overwrite)
        save_picture(Path(path), self.draw(), self.recipe)

    def draw(self) -> NDArray[np.uint8]:
        """Return the sheet as a picture, RGB, (H, W, 3)."""
        from PIL import Image, ImageDraw

        layout = _Layout.of(self)
        image = Image.new("RGB", layout.size, BACKGROUND)
        pen = ImageDraw.Draw(image)
        _draw_head(pen, self, layout)
        for column, flag in enumerate(self.across):
            x = layout.left + column * (layout.slot + GUTTER)
            top = layout.top - GUTTER - layout.line * layout.header
            _draw_label(pen, (x, top), layout.wrapped(flag), layout)
        for row, flag in enumerate(self.down):
            _draw_label(pen, (EDGE, layout.rows[row] + PAD), layout.wrapped(flag, layout.side), layout)
        for number, cell in enumerate(self.cells):
            row, column = divmod(number, layout.columns)
            x, y = layout.left + column * (layout.slot + GUTTER), layout.rows[row]
            height, width = cell.pixels.shape[:2]
            below = layout.rows[row + 1] - GUTTER
            pen.rectangle((x, y, x + layout.slot - 1, below - 1), CARD)
            image.paste(Image.fromarray(cell.pixels), (x + (layout.slot - width) // 2, y))
            if not self.across:
                _draw_label(pen, (x + PAD, y + height + PAD - 1), layout.wrapped(cell.flag or "source"), layout)
        return np.asarray(image)


def check_sheet(path: str, overwrite: bool, source: str = "") -> None:
    """Refuse a sheet's name before any work is done.

    Raises:
        SinkError: it ends in no picture format, exists already, is a file of the source, or cannot be written.
    """
    if takes_frames(path) or Path(path).suffix.lower() not in STILLS:
        raise SinkError(f"{path}: end the sheet's name in .png, .jpg, .webp or .tif")
    inputs = sequence_files(source) if source and holds_frames(source) else [Path(source)]
    if os.path.isfile(path) and any(file.is_file() and file.samefile(path) for file in inputs):
        raise SinkError(f"{path} is the input itself: give the sheet another name")
    check_output(path, Info("noise:", "still", 1, 1, DEFAULT_RATE, 1), overwrite)


def good_columns(count: int, width: int, height: int) -> int:
    """Return how many of `count` cells, width by height px, to put in a row: near the best shape, few left empty."""

    def misfit(columns: int) -> float:
        rows = math.ceil(count / columns)
        return abs(math.log(columns * width / (rows * height) / SHAPE)) + (rows * columns - count) / count

    return min(range(1, count + 1), key=misfit)


@dataclass(frozen=True)
class _Layout:
    """Where everything on a sheet is, px.

    Attributes:
        size: of the sheet, (width, height).
        columns, slot: number of cells in a row, and the width of each.
        left, top: where the cells begin.
        rows: where each row begins, and where one more would.
        font: size of the labels' text.
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
    def of(cls, sheet: Sheet) -> _Layout:
        width = max(cell.pixels.shape[1] for cell in sheet.cells)
        height = max(cell.pixels.shape[0] for cell in sheet.cells)
        slot = max(width, NARROWEST)
        size = min(max(slot // 24, 11), 15)
        line = line_height(size)
        columns = sheet.columns or good_columns(len(sheet.cells), slot, height + line + 2 * PAD)
        longest = max((text_width(flag, size) for flag in sheet.down), default=0)
        side = min(longest, max(slot * 2 // 3, NARROWEST)) if sheet.down else 0
        header = max((len(wrap(flag, slot, size)) for flag in sheet.across), default=0)
        left = EDGE + (side + 2 * PAD if side else 0)
        top = EDGE + line_height(size + 6) + PAD + (line * header + PAD if header else 0)
        rows = [top]
        for first in range(0, len(sheet.cells), columns):
            flags = [cell.flag for cell in sheet.cells[first : first + columns]]
            below = 0 if sheet.across else line * max(len(wrap(flag, slot - 2 * PAD, size)) for flag in flags) + 2 * PAD
            label = line * len(wrap(sheet.down[first // columns], side, size)) + 2 * PAD if sheet.down else 0
            rows.append(rows[-1] + max(height + below, label) + GUTTER)
        right = left + columns * (slot + GUTTER) - GUTTER + EDGE
        return cls((right, rows[-1] - GUTTER + EDGE), columns, slot, left, top, tuple(rows), size, header, side)

    @property
    def line(self) -> int:
        return line_height(self.font)

    def wrapped(self, text: str, width: int = 0) -> list[str]:
        return wrap(text, width or self.slot - 2 * PAD, self.font)


def _draw_head(pen: ImageDraw, sheet: Sheet, layout: _Layout) -> None:
    """Draw the title, and after it what the sheet is about, shortened to the width of the sheet."""
    width, size, base = layout.size[0] - 2 * EDGE, layout.font + 4, EDGE + layout.font
    title = shorten(sheet.title, width, size)
    pen.text((EDGE, base), title, BRIGHT, font=font(size), anchor="ls")
    used = text_width(title + "  ", size)
    about = shorten(sheet.about, width - used, layout.font)
    pen.text((EDGE + used, base), about, DIM, font=font(layout.font), anchor="ls")


def _draw_label(pen: ImageDraw, place: tuple[int, int], lines: Sequence[str], layout: _Layout) -> None:
    """Draw a label at (x, y): names of flags dim, their values bright."""
    for number, line in enumerate(lines):
        x, y = place[0], place[1] + number * layout.line
        for word in line.split(" "):
            pen.text((x, y), word, DIM if word.startswith("--") else BRIGHT, font=font(layout.font))
            x += text_width(word + " ", layout.font)
