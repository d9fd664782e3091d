"""`dreamvideo presets`: list the presets, print one, or dream a picture with each of them."""

from __future__ import annotations

import dataclasses
from typing import Annotated

from ..recipe import preset_purpose, preset_text, presets
from . import flags
from .command import Command, Flag
from .help_page import FULL, SHORT
from .sheet_flags import STILL, SheetArguments, check_output
from .terminal import Progress

SHEET = Command(
    "dreamvideo presets",
    SheetArguments,
    ("dreamvideo presets [NAME]", "dreamvideo presets INPUT OUTPUT [FLAGS]"),
    """List the presets, print one of them, or dream a picture with each, onto one sheet; under each
picture stands the flag to paste.

  dreamvideo presets                         a line each: its name, and what it is for
  dreamvideo presets pulse                   the preset itself, as a recipe to read or to start from
  dreamvideo presets photo.jpg sheet.png
  dreamvideo presets film.mp4 sheet.png --at 12

The sheet leaves out presets that follow music, or that use another network than the embedded one.
--size is the size of one picture.
""",
    without=(*STILL, "network.model"),
    short=("input", "output", "at", "dream.iterations", "finish.strength", "clip.size", "overwrite"),
)


@dataclasses.dataclass(frozen=True)
class NameArguments:
    """Which preset."""

    name: Annotated[str, Flag("print this preset", "[NAME]", positional=True)] = ""


NAME = Command("dreamvideo presets", NameArguments, SHEET.usage, SHEET.description)


def list_presets(argv: list[str]) -> int:
    """List the presets, print one, or draw a sheet of them; return the exit code."""
    if len(argv) > 1 or {*SHORT, *FULL} & set(argv):
        return draw_presets(argv)
    arguments = flags.parse(NAME, argv)
    if arguments.name:
        print(preset_text(arguments.name), end="")
        return 0
    names = presets()
    for name in names:
        print(f"{name:<{max(map(len, names))}}  {preset_purpose(name)}")
    return 0


def draw_presets(argv: list[str]) -> int:
    """Draw a sheet of one picture dreamed with every preset; return the exit code."""
    arguments, recipe = flags.parse_with_recipe(SHEET, argv)
    from ..sheets.preset_sheet import preset_sheet

    check_output(arguments, recipe)
    with Progress("cell") as progress:
        sheet = preset_sheet(arguments.input, recipe, at=arguments.at, on_event=progress)
    sheet.save(arguments.output, arguments.overwrite)
    return 0
