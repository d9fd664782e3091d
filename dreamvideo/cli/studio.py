"""`dreamvideo studio`: a page on this machine to choose a look by eye, render it and watch it."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated

from ..errors import SourceError
from . import flags
from .command import Command, Flag
from .terminal import say


@dataclasses.dataclass(frozen=True)
class StudioArguments:
    """What the page opens with, and where it can be reached."""

    files: Annotated[
        tuple[str, ...], Flag("a film, picture, song or folder to open; or noise:", "FILE", positional=True)
    ] = ()
    folder: Annotated[str, Flag("folder for what is rendered, and for dropped files", "FOLDER")] = "dreams"
    host: Annotated[str, Flag("address to listen on; other machines can open the page, too", "ADDRESS")] = "127.0.0.1"
    port: Annotated[int, Flag("port to listen on; 0: 8642, or the next that is free", "N")] = 0
    no_browser: Annotated[bool, Flag("do not open the browser: only print the address")] = False


COMMAND = Command(
    "dreamvideo studio",
    StudioArguments,
    ("dreamvideo studio [FILE ...] [FLAGS]",),
    """Open a page in the browser: drop a film, choose a look by eye, render it, watch it. Nothing
leaves this machine.

  dreamvideo studio                        drop films and pictures on the page
  dreamvideo studio film.mp4 song.mp3      begin with these
  dreamvideo studio footage/               offer what lies in a folder
""",
)


def studio(argv: list[str]) -> int:
    """Serve the studio until Ctrl-C; return the exit code."""
    arguments = flags.parse(COMMAND, argv)
    named = [name for name in arguments.files if not name.startswith("noise:")]
    for name in named:
        if not Path(name).exists():
            raise SourceError(f"{name} does not exist: check the name")
    from ..studio.files import kind_of
    from ..studio.server import serve

    sources = [name for name in arguments.files if name not in named or kind_of(Path(name)) in ("film", "picture")]
    serve(
        Path(arguments.folder), [Path(name) for name in named], sources[0] if sources else "",
        arguments.host, arguments.port, not arguments.no_browser, say,
    )  # fmt: skip
    return 0
