"""What the subcommands that draw sheets share: their arguments, and the check of the sheet's name."""

from __future__ import annotations

import dataclasses
from typing import Annotated

from ..recipe import Recipe
from .command import Flag, RecipeArguments

# sections and parameters of the recipe without effect on a sheet of single frames
STILL = ("temporal", "camera", "encoding", "network.layers")


@dataclasses.dataclass(frozen=True)
class SheetArguments(RecipeArguments):
    """What to dream, and where to write the sheet."""

    input: Annotated[str, Flag("a film, a picture, or a folder of frames", "INPUT", positional=True)]
    output: Annotated[str, Flag("the sheet: a .png, .jpg, .webp or .tif name", "OUTPUT", positional=True)]
    at: Annotated[str, Flag("time of the film's frame to show (empty: the first frame)", "TIME")] = ""
    overwrite: Annotated[bool, Flag("replace an existing sheet")] = False


def check_output(arguments: SheetArguments, recipe: Recipe) -> None:
    """Refuse a sheet's name that would overwrite something, before any work is done.

    Raises:
        SinkError: it is no picture's name, or an existing file or an input.
    """
    from ..jobs import side_outputs
    from ..sheets import contact_sheet

    contact_sheet.check_sheet(arguments.output, arguments.overwrite, arguments.input)
    side_outputs.check_not_input(arguments.output, recipe)
