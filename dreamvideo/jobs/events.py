"""What a render tells while it goes on, and what it leaves behind."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Event:
    """What happened: a frame is done, or there is something to say.

    Attributes:
        done, total: frames finished, and how many are expected.
        notice: a sentence for the user; empty for plain progress.
        phase: what the frames are counted of, in a word or two; empty for dreaming.
        worker: who is at work, if it is one of several; `done` and `total` are then those of its own frames.
    """

    done: int
    total: int
    notice: str = ""
    phase: str = ""
    worker: str = ""


@dataclass(frozen=True)
class Result:
    """What a render left behind.

    Attributes:
        path: the output.
        done, total: frames finished, and how many were expected.
        stopped: whether it was asked to stop before the end.
        seam: of a loop, the temporal error from its last frame to its first over the median from frame to frame.
        folder: the run folder that it can be gone on with; empty where none is left.
    """

    path: str
    done: int
    total: int
    stopped: bool
    seam: float = math.nan
    folder: str = ""


Listener = Callable[[Event], None]
Stop = Callable[[], bool]


def ignore(event: Event) -> None:
    """Listen to nothing."""


def never() -> bool:
    """Go on to the end."""
    return False
