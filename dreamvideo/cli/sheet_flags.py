"""Flags that all subcommands which draw sheets share."""

from __future__ import annotations

import dataclasses
from typing import Annotated

import tyro

from ..recipe import Recipe
from . import flags

# of the recipe: what a single frame has no use for
STILL = ("temporal", "camera", "encoding", "network.layers")


@dataclasses.dataclass(frozen=True)
class Looking(flags.Start):
    """What to dream, and where to put it."""

    input: tyro.conf.Positional[Annotated[str, tyro.conf.arg(metavar="INPUT", help="film, picture, or frames")]]
    output: tyro.conf.Positional[
        Annotated[str, tyro.conf.arg(metavar="OUTPUT", help="the sheet: a .png, .jpg, .webp or .tif name")]
    ]
    at: Annotated[str, tyro.conf.arg(metavar="TIME", help="the moment of a film to show (empty: its first frame)")] = ""
    overwrite: Annotated[tyro.conf.FlagCreatePairsOff[bool], tyro.conf.arg(help="replace an existing sheet")] = False


def _check(asked: Looking, recipe: Recipe) -> None:
    """Refuse a sheet's name that would lose something, before any work is done."""
    from ..jobs import side_outputs
    from ..sheets import contact_sheet

    contact_sheet.check_sheet(asked.output, asked.overwrite, asked.input)
    side_outputs.check_not_input(asked.output, recipe)
