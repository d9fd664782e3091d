"""Entry point: which subcommand, one line per error, exit codes."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence

from ..errors import DreamError
from . import presets
from .batch import batch
from .curves import curves
from .layers import layers
from .measure import measure
from .render import dream, parse
from .resume import resume
from .show import show
from .sweep import sweep
from .terminal import say

VERBS: dict[str, Callable[[list[str]], int]] = {
    "resume": resume,
    "measure": measure,
    "curves": curves,
    "layers": layers,
    "sweep": sweep,
    "presets": presets.list_presets,
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; return its exit code."""
    argv = list(sys.argv[1:] if argv is None else argv)
    try:
        return _run(argv)
    except KeyboardInterrupt:
        say("dreamvideo: stopped; nothing was written")
        return 130
    except Exception as error:
        if os.environ.get("DREAMVIDEO_DEBUG"):
            raise
        say("dreamvideo: " + _told(error))
        return 1


def _run(argv: list[str]) -> int:
    if argv == ["--version"]:
        from .. import __version__

        print(f"dreamvideo {__version__}")
        return 0
    if argv[:1] == ["show"] and len(argv) == 2:
        return show(argv[1])
    if argv and argv[0] in VERBS:
        return VERBS[argv[0]](argv[1:])
    if any(word.split("=")[0] == "--batch" for word in argv):
        return batch(argv)
    return dream(*parse(argv))


def _told(error: Exception) -> str:
    if isinstance(error, DreamError):
        return str(error)
    if isinstance(error, MemoryError) or "out of memory" in str(error) or "can't allocate memory" in str(error):
        return "out of memory: take a smaller --size"
    if isinstance(error, OSError):
        return f"{error.filename or 'the system'}: {error.strerror or error}"
    return f"internal error ({type(error).__name__}: {error}); DREAMVIDEO_DEBUG=1 shows where"
