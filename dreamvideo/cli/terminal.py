"""Progress bars, messages and Ctrl-C on the terminal."""

from __future__ import annotations

import contextlib
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from ..errors import one_line

if TYPE_CHECKING:
    from ..jobs.events import Event

BARS = 16  # workers that get a progress bar of their own
STOPS = ("SIGINT", "SIGTERM", "SIGHUP")  # Ctrl-C, `kill`, a terminal that is closed


def say(text: str) -> None:
    """Print a line to standard error; a closed standard error is ignored, so that the work goes on."""
    with contextlib.suppress(OSError, ValueError):
        print(one_line(text), file=sys.stderr, flush=True)


class Progress:
    """Show events as a progress bar with seconds per frame and the time left; print notices above it.

    Every phase other than rendering has a bar of its own, and so has each of the first 16 workers.

    Args:
        unit: what is counted, in the singular.
    """

    def __init__(self, unit: str = "frame"):
        self._unit = unit

    def __enter__(self) -> Progress:
        self._bars: dict[str, Any] = {}
        return self

    def __call__(self, event: Event) -> None:
        with contextlib.suppress(OSError, ValueError):  # a render outlives its terminal
            self._show(event)

    def _show(self, event: Event) -> None:
        from tqdm import tqdm

        if event.notice:
            tqdm.write(f"dreamvideo: {one_line(event.notice)}", file=sys.stderr)
            return
        key = event.phase or event.worker
        if event.worker and key not in self._bars and len(self._bars) > BARS:
            return
        if key not in self._bars or self._bars[key].total != event.total:
            self._begin(key, event)
        bar = self._bars[key]
        bar.update(event.done - bar.n)
        if event.done >= event.total and not event.worker:  # later work must not count towards seconds per frame
            bar.close()

    def _begin(self, key: str, event: Event) -> None:
        from tqdm import tqdm

        if key in self._bars:
            self._bars.pop(key).close()
        shape = f"{{l_bar}}{{bar}}| {{n_fmt}}/{{total_fmt}} {self._unit}s, {{rate_inv_fmt}}, {{remaining}} left"
        self._bars[key] = tqdm(
            total=event.total, unit=self._unit, bar_format=shape, smoothing=0.1, desc=key or None,
            initial=event.done if event.done < event.total else 0, leave=not key,
        )  # fmt: skip

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError, ValueError):
            for bar in self._bars.values():
                bar.close()


@contextmanager
def interruptible() -> Iterator[Callable[[], bool]]:
    """Yield what tells whether the user has asked to stop: by Ctrl-C, SIGTERM or by closing the terminal, once.

    A second time, KeyboardInterrupt is raised at once. Later signals are ignored, even after leaving: by then the
    process is about to end, and must not be disturbed while it cleans up.
    """
    asked = False
    kinds = [getattr(signal, name) for name in STOPS if hasattr(signal, name)]

    def ask(number: int, frame: object) -> None:
        nonlocal asked
        if asked:
            for kind in kinds:
                signal.signal(kind, signal.SIG_IGN)
            raise KeyboardInterrupt
        asked = True
        say("")  # off the line that a bar stands in
        say("dreamvideo: stopping after this frame, and keeping what is done; once more to stop at once")

    hangup = getattr(signal, "SIGHUP", None)
    if hangup is not None and signal.getsignal(hangup) is signal.SIG_IGN:  # nohup: it is to outlive its terminal
        kinds.remove(hangup)
    usual = {kind: signal.signal(kind, ask) for kind in kinds}
    try:
        yield lambda: asked
    finally:
        for kind, handler in usual.items():
            signal.signal(kind, signal.SIG_IGN if asked else handler)
