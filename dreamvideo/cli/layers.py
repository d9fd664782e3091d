"""`dreamvideo layers`."""

from __future__ import annotations

import dataclasses
import re
from typing import Annotated

import tyro

from . import flags
from .sheet_flags import STILL, Looking, _check
from .terminal import Progress

ATLAS = """Dream a picture with every layer of the network, into one sheet; under each stands the flag to paste.

  dreamvideo layers photo.jpg atlas.png
  dreamvideo layers film.mp4 atlas.png --at 12                                the frame at 12 s
  dreamvideo layers photo.jpg atlas.png --layer blocks.9 --channels           a layer's 48 strongest channels
  dreamvideo layers photo.jpg atlas.png --layer blocks.9 --channels 0-31      or those you name
"""
RANGE = re.compile(r"\d+(-\d+)?(,\d+(-\d+)?)*|(top|bottom):\d+")


@dataclasses.dataclass(frozen=True)
class Atlas(Looking):
    """What to dream, and where to put it."""

    layer: Annotated[str, tyro.conf.arg(metavar="LAYER", help="show this layer's channels, one by one")] = ""
    channels: Annotated[
        str, tyro.conf.arg(metavar="[RANGE]", help="which: 0-31, 3,7-9 or top:48, those that respond most (default)")
    ] = ""


def layers(argv: list[str]) -> int:
    """Draw the atlas of a network's layers; return the exit code."""
    asked, recipe = flags.parse(Atlas, "dreamvideo layers", ATLAS, _ranged(argv), STILL)
    from ..sheets import layer_atlas

    _check(asked, recipe)
    with Progress("cell") as progress:
        drawn = layer_atlas.layers(
            asked.input, recipe, layer=asked.layer, channels=asked.channels, at=asked.at, on_event=progress
        )
    drawn.save(asked.output, asked.overwrite)
    return 0


def _ranged(argv: list[str]) -> list[str]:
    """Return the words of a command line with a range behind `--channels`, where it may be left out."""
    words: list[str] = []
    for number, word in enumerate(argv):
        words.append(word)
        if word == "--channels" and not RANGE.fullmatch(" ".join(argv[number + 1 : number + 2])):
            words.append("top:48")
    return words
