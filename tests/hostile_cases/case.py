"""A case: a command line, the files that it is about, and what may come of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

Fill = Callable[[Path], None]


@dataclass(frozen=True)
class Case:
    """A command line and the files that it is about.

    Attributes:
        kind, name: what is unusual, in general and in this case.
        files: content of the files in the folder where it is run, by name.
        words: the command line, without the output and the flags that make a render quick.
        output: name of the output in the folder `out`; empty if the command has none.
        wants: "render" or "refuse" if only one of them is right.
        fill: adds to the folder what is no plain file.
    """

    kind: str
    name: str
    files: dict[str, bytes]
    words: list[str]
    output: str = "out.mp4"
    wants: str = ""
    fill: Fill | None = None
