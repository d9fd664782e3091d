"""`dreamvideo show`: print the recipe that a file was made with."""

from __future__ import annotations

import dataclasses
from typing import Annotated

from ..errors import escaped
from . import flags
from .command import Command, Flag


@dataclasses.dataclass(frozen=True)
class ShowArguments:
    """Which file."""

    file: Annotated[str, Flag("a film or picture that dreamvideo made", "FILE", positional=True)]


COMMAND = Command(
    "dreamvideo show",
    ShowArguments,
    ("dreamvideo show FILE",),
    """Print the recipe that a file was made with, as TOML; every output carries it in its metadata.

  dreamvideo show out.mp4
  dreamvideo show out.mp4 > look.toml
  dreamvideo in.mp4 other.mp4 --recipe look.toml
""",
)


def show(argv: list[str]) -> int:
    """Print the recipe inside a file; return the exit code."""
    arguments = flags.parse(COMMAND, argv)
    from ..media.metadata import read_recipe

    print(escaped(read_recipe(arguments.file)), end="")
    return 0
