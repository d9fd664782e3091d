"""How a caller follows a render, stops it, and learns what came of it."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from .checkpoint import CHECKPOINT_FRAMES

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Event:
    """Progress, or a notice for the user.

    Attributes:
        done, total: frames finished, and how many are expected.
        notice: a sentence for the user; empty for plain progress.
        phase: what is being done, in a word or two, if it is not dreaming.
        worker: the name of one of several workers; `done` and `total` are then those of its task.
        picture: of the frame that was dreamed last, float RGB in [0, 1], (3, H, W), if it was dreamed in this process.
    """

    done: int
    total: int
    notice: str = ""
    phase: str = ""
    worker: str = ""
    picture: Tensor | None = field(default=None, compare=False)


@dataclass(frozen=True)
class Result:
    """What came of a render.

    Attributes:
        path: the output.
        done, total: frames finished, and how many were expected.
        stopped: whether it was asked to stop before the end.
        seam: for a loop, the temporal error from its last frame to its first, over the median from frame to frame.
        folder: the run folder from which it can be continued; empty if there is nothing to continue.
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
    """Never ask a render to stop."""
    return False


def report(notices: list[str], on_event: Listener, done: int, total: int) -> None:
    """Pass on notices in order, and empty their list."""
    while notices:
        on_event(Event(done, total, notices.pop(0)))


@dataclass(frozen=True)
class Control:
    """How a caller follows and stops a render, and how often that is saved.

    Attributes:
        on_event: called after every frame and for every notice, on the caller's thread.
        stop: asked after every frame; once it returns True, what is done is saved and nothing more is dreamed.
        checkpoint: frames after which the render is saved at the latest; 1 or more.
    """

    on_event: Listener = ignore
    stop: Stop = never
    checkpoint: int = CHECKPOINT_FRAMES
