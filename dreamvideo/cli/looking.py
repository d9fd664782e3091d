"""The verbs to choose by eye with: `layers` and `sweep`."""

from __future__ import annotations

import dataclasses
import re
from typing import Annotated

import tyro

from .. import schedule
from ..errors import RecipeError
from ..recipe import Recipe, parameters
from . import flags
from .terminal import Progress

ATLAS = """Dream a picture with every layer of the network, into one sheet; under each stands the flag to paste.

  dreamvideo layers photo.jpg atlas.png
  dreamvideo layers film.mp4 atlas.png --at 12                                the frame at 12 s
  dreamvideo layers photo.jpg atlas.png --layer blocks.9 --channels           a layer's 48 strongest channels
  dreamvideo layers photo.jpg atlas.png --layer blocks.9 --channels 0-31      or those you name
"""

LOOKS = """Dream a picture by every look that comes with dreamvideo, into one sheet with the flags to paste.

  dreamvideo presets photo.jpg looks.png
  dreamvideo presets film.mp4 looks.png --at 12

Those that follow music, or another network than the embedded one, are left out.
"""

SWEEP = """Dream a picture by several values of a parameter, or of two, into one sheet with the flags to paste.

  dreamvideo sweep photo.jpg sheet.png --step 0.005,0.01,0.02
  dreamvideo sweep photo.jpg sheet.png --step 0.005,0.01,0.02 --layers blocks.5=1 blocks.9=1
  dreamvideo sweep film.mp4 sheet.png --at 12 --morph 0,0.5,1

Values are separated by commas; those that hold commas themselves (layers, files) by spaces or semicolons. INPUT and
OUTPUT come first. The first parameter goes across, the second down; all other flags hold for every cell.
"""

# of the recipe: what a single frame has no use for
STILL = ("temporal", "camera", "encoding", "network.layers")
RANGE = re.compile(r"\d+(-\d+)?(,\d+(-\d+)?)*|(top|bottom):\d+")
SPACED = ("layers", "guide", "weights", "music", "cuts", "mask")  # parameters whose values may hold commas


@dataclasses.dataclass(frozen=True)
class Looking(flags.Start):
    """What to dream, and where to put it."""

    input: tyro.conf.Positional[Annotated[str, tyro.conf.arg(metavar="INPUT", help="film, picture, or frames")]]
    output: tyro.conf.Positional[
        Annotated[str, tyro.conf.arg(metavar="OUTPUT", help="the sheet: a .png, .jpg, .webp or .tif name")]
    ]
    at: Annotated[str, tyro.conf.arg(metavar="TIME", help="the moment of a film to show (empty: its first frame)")] = ""
    overwrite: Annotated[tyro.conf.FlagCreatePairsOff[bool], tyro.conf.arg(help="replace an existing sheet")] = False


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
    from .. import looks

    _check(asked, recipe)
    with Progress("cell") as progress:
        drawn = looks.layers(
            asked.input, recipe, layer=asked.layer, channels=asked.channels, at=asked.at, on_event=progress
        )
    drawn.save(asked.output, asked.overwrite)
    return 0


def presets(argv: list[str]) -> int:
    """Draw a sheet of the looks that come with dreamvideo; return the exit code."""
    asked, recipe = flags.parse(Looking, "dreamvideo presets", LOOKS, argv, (*STILL, "network.model"))
    from .. import looks

    _check(asked, recipe)
    with Progress("cell") as progress:
        drawn = looks.presets(asked.input, recipe, at=asked.at, on_event=progress)
    drawn.save(asked.output, asked.overwrite)
    return 0


def sweep(argv: list[str]) -> int:
    """Draw a sheet of several values; return the exit code."""
    rest, axes = swept(argv)
    asked, recipe = flags.parse(Looking, "dreamvideo sweep", SWEEP, rest, ("encoding",))
    from .. import looks

    _check(asked, recipe)
    with Progress("cell") as progress:
        drawn = looks.sweep(asked.input, axes, recipe, at=asked.at, on_event=progress)
    drawn.save(asked.output, asked.overwrite)
    return 0


def _check(asked: Looking, recipe: Recipe) -> None:
    """Refuse a sheet's name that would lose something, before any work is done."""
    from .. import outputs, sheet

    sheet.check(asked.output, asked.overwrite, asked.input)
    outputs.spare_inputs(asked.output, recipe)


def _ranged(argv: list[str]) -> list[str]:
    """Return the words of a command line with a range behind `--channels`, where it may be left out."""
    words: list[str] = []
    for number, word in enumerate(argv):
        words.append(word)
        if word == "--channels" and not RANGE.fullmatch(" ".join(argv[number + 1 : number + 2])):
            words.append("top:48")
    return words


def swept(argv: list[str]) -> tuple[list[str], dict[str, list[str]]]:
    """Take the parameters that have several values out of a command line.

    Returns:
        The words that are left, and {section.key: values}.
    """
    known = {f"--{key.replace('_', '-')}": (section, key, kind) for section, key, kind, _ in parameters()}
    rest: list[str] = []
    axes: dict[str, list[str]] = {}
    words = list(argv)
    while words:
        word = words.pop(0)
        flag, equals, value = word.partition("=")
        section, key, kind = known.get(flag.replace("_", "-"), ("", "", None))
        if not key or (kind is bool and not equals and "," not in " ".join(words[:1])):
            rest.append(word)
            continue
        given = [value] if equals else words[:1]
        del words[: 0 if equals else 1]
        while key in SPACED and words and not words[0].startswith("--"):
            given.append(words.pop(0))
        values = [value for text in given for value in _values(key, text)]
        if len(values) > 1:
            axes[f"{section}.{key}"] = values
        else:
            rest += [flag, *values]
    return rest, axes


def _values(key: str, text: str) -> list[str]:
    """Split what stands behind a flag into its values."""
    parts = [part for half in text.split(";") for part in ([half] if key in SPACED else schedule.split(half))]
    values = [part.strip() for part in parts]
    if len(values) > 1 and not all(values):
        raise RecipeError(f"--{key.replace('_', '-')} {text} names an empty value: write values with a comma between")
    return values
