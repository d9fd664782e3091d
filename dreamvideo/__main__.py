"""`python -m dreamvideo` and the `dreamvideo` command."""

import sys


def run() -> None:
    """Run the command line and exit with its code."""
    try:
        from .cli import main
    except KeyboardInterrupt:
        sys.exit(130)
    sys.exit(main())


if __name__ == "__main__":
    run()
