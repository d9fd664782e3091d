"""What the command line shows while it works."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..job import Event


class Progress:
    """A terminal bar: frames, or what else there is, seconds for each, time left; notices stand above it."""

    def __init__(self, unit: str = "frame"):
        self._unit = unit

    def __enter__(self) -> Progress:
        self._bar: Any = None
        return self

    def __call__(self, event: Event) -> None:
        from tqdm import tqdm

        if event.notice:
            tqdm.write(f"dreamvideo: {event.notice}", file=sys.stderr)
            return
        if self._bar is None:
            shape = f"{{l_bar}}{{bar}}| {{n_fmt}}/{{total_fmt}} {self._unit}s, {{rate_inv_fmt}}, {{remaining}} left"
            self._bar = tqdm(total=event.total, unit=self._unit, bar_format=shape, smoothing=0.1)
        self._bar.update(event.done - self._bar.n)
        if event.done == event.total:  # what follows is no dreaming, and must not count as seconds per frame
            self._bar.close()

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.close()
