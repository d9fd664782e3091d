"""`python -m dreamvideo` and the `dreamvideo` command."""

import os
import signal
import sys
from types import FrameType


def run() -> None:
    """Run the command line and exit with its code."""
    code = 130
    # GNU's OpenMP reads this when torch is loaded. Threads that spin while they wait for each other take the cores from
    # what else runs on the machine, and so from each other, too; but to fall asleep at once is slower by a tenth.
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", "3000")
    signal.signal(signal.SIGINT, _interrupt_once)  # even where a shell, starting it in the background, has it ignored
    try:
        from .cli.main import main

        code = main()
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Python's own way out is not to be interrupted
    except KeyboardInterrupt:
        pass
    sys.exit(code)


def _interrupt_once(number: int, frame: FrameType | None) -> None:
    """Raise KeyboardInterrupt for the first Ctrl-C, and ignore those that come while the process ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    raise KeyboardInterrupt


if __name__ == "__main__":
    run()
