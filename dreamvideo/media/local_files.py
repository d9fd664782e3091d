"""Opens local files only, and only as what they are: no pipes, no devices, and no playlists that name other files."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..errors import SourceError

PLAYLISTS = (b"#EXTM3U", b"ffconcat version", b"[playlist]", b"v=0", b"<MPD", b"<asx", b"<smil")  # how each begins
HEAD_BYTES = 1024  # in which the beginning of a playlist is looked for
BUFFER_BYTES = 2**20  # read at a time
MAX_PIXELS = 200_000_000  # of a picture or frame: what the largest cameras have
NO_OTHER_FILES = {"protocol_whitelist": "none"}  # FFmpeg is given the file already open, and may open no other


def check_file(path: str | Path) -> None:
    """Refuse everything but plain files: reading a pipe could wait for ever, and a device may have no end.

    Raises:
        SourceError: it is missing, or no plain file.
    """
    try:
        mode = os.stat(path).st_mode
    except (OSError, ValueError) as error:  # ValueError: a name that no file can have
        raise SourceError(f"{path} does not exist: check the name") from error
    if stat.S_ISDIR(mode):
        raise SourceError(f"{path} is a folder: give a file")
    if not stat.S_ISREG(mode):
        raise SourceError(f"{path} is a pipe or a device: write what comes out of it to a file first")


def check_size(path: str | Path, width: int, height: int) -> None:
    """Refuse a picture too large to decode: a file of a few bytes can declare a size that would fill the memory.

    Raises:
        SourceError: it has more than `MAX_PIXELS`.
    """
    if width * height > MAX_PIXELS:
        raise SourceError(
            f"{path} is {width}x{height}, and pictures up to {MAX_PIXELS:,} pixels are read: make it smaller"
        )


@contextmanager
def open_container(path: str, demuxer: str = "") -> Iterator[Any]:
    """Open a film or song as a PyAV container.

    FFmpeg would take `a:b.mp4` for a network address and `a%d.gif` for many files, and a playlist would make it open
    the files or addresses listed. So it is given the file already open, and may open no other.

    Args:
        path: of the file.
        demuxer: FFmpeg's name of the file format; empty to find out.

    Raises:
        SourceError: it is no plain file, or a playlist.
        av.error.FFmpegError, OSError, ValueError: it cannot be read.
    """
    import av

    check_file(path)
    with open(path, "rb") as file:
        if _is_playlist(file.read(HEAD_BYTES)):
            raise SourceError(f"{path} is a list of other files: give the film itself")
        file.seek(0)
        with av.open(
            file, "r", demuxer or None, options=NO_OTHER_FILES, metadata_errors="replace", buffer_size=BUFFER_BYTES
        ) as container:
            yield container


def _is_playlist(head: bytes) -> bool:
    head = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    return head.startswith(PLAYLISTS) or (head.startswith(b"<?xml") and any(word in head for word in PLAYLISTS))
