"""`dreamvideo presets`."""

from __future__ import annotations

import dataclasses
import itertools
from typing import Annotated

import tyro

from ..recipe import preset_text, presets
from . import flags
from .sheet_flags import STILL, Looking, _check
from .terminal import Progress

LOOKS = """Dream a picture by every look that comes with dreamvideo, into one sheet with the flags to paste.

  dreamvideo presets photo.jpg looks.png
  dreamvideo presets film.mp4 looks.png --at 12

Those that follow music, or another network than the embedded one, are left out.
"""


def draw_presets(argv: list[str]) -> int:
    """Draw a sheet of the looks that come with dreamvideo; return the exit code."""
    asked, recipe = flags.parse(Looking, "dreamvideo presets", LOOKS, argv, (*STILL, "network.model"))
    from ..sheets.preset_sheet import preset_sheet

    _check(asked, recipe)
    with Progress("cell") as progress:
        drawn = preset_sheet(asked.input, recipe, at=asked.at, on_event=progress)
    drawn.save(asked.output, asked.overwrite)
    return 0


PRESETS = """List the recipes that come with dreamvideo, print one of them, or dream a picture by each.

  dreamvideo presets                       a line each: its name, and what it is for
  dreamvideo presets pulse                 the recipe itself, to look at or to start from
  dreamvideo presets photo.jpg looks.png   a sheet; more with presets photo.jpg looks.png --help
"""


@dataclasses.dataclass(frozen=True)
class Listing:
    """Which preset."""

    name: tyro.conf.Positional[Annotated[str, tyro.conf.arg(metavar="[NAME]", help="print this one")]] = ""


def list_presets(argv: list[str]) -> int:
    """List the presets, print one, or draw a sheet of them; return the exit code."""
    if len(argv) > 1:
        return draw_presets(argv)
    asked = flags.read(Listing, "dreamvideo presets", PRESETS, argv)
    if asked.name:
        print(preset_text(asked.name), end="")
        return 0
    names = presets()
    for name in names:
        print(f"{name:<{max(map(len, names))}}  {_purpose(preset_text(name))}")
    return 0


def _purpose(text: str) -> str:
    """Return the first sentence of the comment that a recipe begins with."""
    comment = itertools.takewhile(lambda line: line.startswith("#"), text.splitlines())
    return " ".join(line.lstrip("# ") for line in comment).partition(". ")[0].rstrip(".")
