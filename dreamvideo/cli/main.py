"""The entry point: picks the subcommand, prints errors as one line each, returns the exit code."""

from __future__ import annotations

import difflib
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ..errors import DreamError, is_out_of_memory
from . import help_page, render
from .batch import batch
from .curves import curves
from .layers import layers
from .measure import measure
from .presets import list_presets
from .resume import resume
from .show import show
from .studio import studio
from .sweep import sweep
from .terminal import say


@dataclass(frozen=True)
class Subcommand:
    """A subcommand in the list on the help page.

    Attributes:
        run: reads the words after its name, does the work and returns the exit code.
        usage: what follows its name.
        summary: what it does, in a line.
    """

    run: Callable[[list[str]], int]
    usage: str
    summary: str


SUBCOMMANDS = {
    "studio": Subcommand(studio, "[FILE ...]", "a page to choose a look by eye, render it and watch it"),
    "resume": Subcommand(resume, "FOLDER", "continue an interrupted render"),
    "show": Subcommand(show, "FILE", "print the recipe a file was made with"),
    "presets": Subcommand(list_presets, "[NAME]", "list the presets; with INPUT OUTPUT: a sheet of them"),
    "layers": Subcommand(layers, "INPUT OUTPUT", "a sheet of the picture dreamed with every layer"),
    "sweep": Subcommand(sweep, "INPUT OUTPUT", "a sheet of the picture dreamed with several values of a flag"),
    "curves": Subcommand(curves, "RECIPE", "plot what changes over time"),
    "measure": Subcommand(measure, "SOURCE DREAM", "measure how steady and how strong a dream is"),
    "--batch": Subcommand(batch, "FILE", "render a list of films"),
}
HINT = """dreamvideo: give an input and an output, like
  dreamvideo in.mp4 out.mp4
  dreamvideo photo.jpg out.mp4 --seconds 20 --zoom 1.5
or see: dreamvideo --help"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; return its exit code: 0, 1 for errors, 2 for bad usage, 130 for Ctrl-C."""
    argv = list(sys.argv[1:] if argv is None else argv)
    try:
        return _run(argv)
    except KeyboardInterrupt:
        say("dreamvideo: stopped; nothing was written")
        return 130
    except Exception as error:
        if os.environ.get("DREAMVIDEO_DEBUG"):
            raise
        say("dreamvideo: " + _message(error))
        return 1


def _run(argv: list[str]) -> int:
    """Run the subcommand that the first word names, or else a render."""
    if not argv:
        print(HINT, file=sys.stderr)
        return 2
    if argv == ["--version"]:
        from .. import __version__

        print(f"dreamvideo {__version__}")
        return 0
    if argv[0] in SUBCOMMANDS and argv[0] != "--batch":
        return SUBCOMMANDS[argv[0]].run(argv[1:])
    if any(word.split("=")[0] == "--batch" for word in argv):
        return batch(argv)
    help_page.print_if_requested(render.COMMAND, argv, _subcommand_lines())
    if message := _unknown_subcommand(argv):
        say(f"dreamvideo: {message}")
        return 2
    return render.dream(*render.parse(argv))


def _subcommand_lines() -> list[str]:
    """Return the list of subcommands for the help page."""
    rows = [(f"{name} {command.usage}", command.summary) for name, command in SUBCOMMANDS.items()]
    title = "subcommands, each with a --help (write ./show for a file called show):"
    return ["", title, *help_page.table(rows)]


def _unknown_subcommand(argv: list[str]) -> str:
    """Return what is wrong if the first word looks like a mistyped subcommand; empty if it may be an input."""
    word = argv[0]
    is_path = os.path.exists(word) or any(sign in word for sign in "./\\:*%") or word.startswith("-")
    near = difflib.get_close_matches(word, SUBCOMMANDS, n=1)
    if is_path or not (near or len(argv) == 1):
        return ""
    meant = f"did you mean `dreamvideo {near[0]}`?" if near else "see dreamvideo --help"
    return f"there is no subcommand and no file called {word}: {meant}"


def _message(error: Exception) -> str:
    """Return what an error says to the user, without a traceback."""
    if isinstance(error, DreamError):
        return str(error)
    if is_out_of_memory(error):
        return "out of memory: take a smaller --size"
    if isinstance(error, OSError):
        return f"{error.filename or 'the system'}: {error.strerror or error}"
    return f"internal error ({type(error).__name__}: {error}); DREAMVIDEO_DEBUG=1 shows where"
