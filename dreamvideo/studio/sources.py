"""The films and pictures that are open in the studio: what they are, and any frame of them as a picture."""

from __future__ import annotations

import threading
from collections import OrderedDict
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from ..errors import SourceError
from ..media.info import Info
from ..media.pixels import to_8bit
from ..media.readers.frame import Frame, Source
from ..media.readers.selection import Selection
from ..media.readers.source import open_source
from .pictures import jpeg

KEPT = 400  # pictures of frames that are kept
SELECTION = Selection(square=True)


class OpenSource:
    """A source that is open for looking at its frames, in any order and from any thread.

    Args:
        path: of a film, picture or folder of frames; or `noise:`.

    Attributes:
        path, info: as given, and what it is.

    Raises:
        SourceError: it cannot be opened.
    """

    def __init__(self, path: str):
        self.path = path
        self._stack = ExitStack()
        self._source: Source = self._stack.enter_context(open_source(path, SELECTION))
        self.info: Info = self._source.info
        self._lock = threading.Lock()
        self._pictures: OrderedDict[tuple[int, int], bytes] = OrderedDict()

    def describe(self) -> dict[str, Any]:
        """Return what the page needs to know of it."""
        info = self.info
        return {
            "name": Path(self.path).name or self.path, "kind": info.kind, "width": info.width, "height": info.height,
            "rate": [info.rate.numerator, info.rate.denominator], "count": info.count, "sound": bool(info.sound),
            "begins": float(info.start + info.delay), "notices": list(info.notices),
        }  # fmt: skip

    def picture(self, index: int, height: int) -> bytes:
        """Return a frame as a JPEG.

        Args:
            index: of the frame.
            height: of the picture, px, at most; 0 for the frame's own.

        Raises:
            SourceError: there is no such frame.
        """
        if not 0 <= index < self.info.count:
            raise SourceError(f"{self.path} has {self.info.count} frames, and none has the number {index}")
        with self._lock:  # one decoder at a time
            if (found := self._pictures.get((index, height))) is not None:
                self._pictures.move_to_end((index, height))
                return found
            frame: Frame | None = next(self._source.since(index), None)
            if frame is None:
                raise SourceError(f"frame {index} of {self.path} cannot be decoded: is it complete?")
            picture = self._pictures[index, height] = jpeg(to_8bit(frame.pixels), height)
            while len(self._pictures) > KEPT:
                self._pictures.popitem(last=False)
            return picture

    def close(self) -> None:
        """Close it."""
        self._stack.close()
