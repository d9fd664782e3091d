"""`dreamvideo layers`: dream a picture with every layer of a network, onto one sheet."""

from __future__ import annotations

import dataclasses
import re
from typing import Annotated

from . import flags
from .command import Command, Flag
from .sheet_flags import STILL, SheetArguments, check_output
from .terminal import Progress

RANGE = re.compile(r"\d+(-\d+)?(,\d+(-\d+)?)*|(top|bottom):\d+")
STRONGEST = "top:48"  # the channels that `--channels` means without a value


@dataclasses.dataclass(frozen=True)
class LayersArguments(SheetArguments):
    """Which layers or channels."""

    layer: Annotated[str, Flag("show the channels of this layer, one by one", "LAYER")] = ""
    channels: Annotated[
        str, Flag(f"which channels: 0-31, 3,7-9, or the strongest (default: {STRONGEST})", "[RANGE]")
    ] = ""


COMMAND = Command(
    "dreamvideo layers",
    LayersArguments,
    ("dreamvideo layers INPUT OUTPUT [FLAGS]",),
    """Dream a picture with every layer of the network, onto one sheet; under each picture stands the
flag to paste. --size is the size of one picture.

  dreamvideo layers photo.jpg atlas.png
  dreamvideo layers film.mp4 atlas.png --at 12                             the frame at 12 s
  dreamvideo layers photo.jpg atlas.png --layer blocks.9 --channels        the 48 strongest channels
  dreamvideo layers photo.jpg atlas.png --layer blocks.9 --channels 0-31   these channels
""",
    without=STILL,
    short=(
        "input", "output", "at", "layer", "channels", "preset", "network.model", "dream.iterations",
        "dream.step", "finish.strength", "clip.size", "overwrite",
    ),
)  # fmt: skip


def layers(argv: list[str]) -> int:
    """Draw the sheet of a network's layers; return the exit code."""
    arguments, recipe = flags.parse_with_recipe(COMMAND, with_range(argv))
    from ..sheets import layer_atlas

    check_output(arguments, recipe)
    with Progress("cell") as progress:
        sheet = layer_atlas.layers(
            arguments.input, recipe, layer=arguments.layer, channels=arguments.channels, at=arguments.at,
            on_event=progress,
        )  # fmt: skip
    sheet.save(arguments.output, arguments.overwrite)
    return 0


def with_range(argv: list[str]) -> list[str]:
    """Return the words of a command line with the default range after a `--channels` that has none."""
    words: list[str] = []
    for number, word in enumerate(argv):
        words.append(word)
        if word == "--channels" and not RANGE.fullmatch(" ".join(argv[number + 1 : number + 2])):
            words.append(STRONGEST)
    return words
