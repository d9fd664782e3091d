"""Files of this machine, opened as what they are: no pipes, no devices, and no lists that lead to other files."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..errors import SourceError

LISTS = (b"#EXTM3U", b"ffconcat version", b"[playlist]", b"v=0", b"<MPD", b"<asx", b"<smil")  # as their texts begin
HEAD = 1024  # bytes in which that is looked for
BUFFER = 2**20  # bytes read at a time
MOST = 200_000_000  # pixels of a picture or frame: what the largest cameras have
ALONE = {"protocol_whitelist": "none"}  # the file is handed over open; all that it names stays closed


def check_file(path: str | Path) -> None:
    """Refuse what is there and is no file: a pipe would wait for ever, and a device has no end.

    Raises:
        SourceError: that, or nothing is there.
    """
    try:
        mode = os.stat(path).st_mode
    except (OSError, ValueError) as error:  # also names that no file can have
        raise SourceError(f"{path} does not exist: check the name") from error
    if stat.S_ISDIR(mode):
        raise SourceError(f"{path} is a folder: give a file")
    if not stat.S_ISREG(mode):
        raise SourceError(f"{path} is a pipe or a device: write what comes out of it to a file first")


def check_size(path: str | Path, width: int, height: int) -> None:
    """Refuse a picture so large that decoding it would take the machine's memory: it is declared in a few bytes.

    Raises:
        SourceError: it is.
    """
    if width * height > MOST:
        raise SourceError(f"{path} is {width}x{height}, and pictures up to {MOST:,} pixels are read: make it smaller")


@contextmanager
def open_container(path: str) -> Iterator[Any]:
    """Open a film or song as a container of PyAV's.

    FFmpeg would take `a:b.mp4` for an address and `a%d.gif` for many files, and a playlist would have it open whatever
    stands there, here or elsewhere; so it gets the open file, and may open no other.

    Raises:
        SourceError: it is no file, or a list of others.
        av.error.FFmpegError, OSError, ValueError: it cannot be read.
    """
    import av

    check_file(path)
    with open(path, "rb") as file:
        head = file.read(HEAD).removeprefix(b"\xef\xbb\xbf").lstrip()
        if head.startswith(LISTS) or (head.startswith(b"<?xml") and any(word in head for word in LISTS)):
            raise SourceError(f"{path} is a list of other files: give the film itself")
        file.seek(0)
        with av.open(file, options=ALONE, metadata_errors="replace", buffer_size=BUFFER) as container:
            yield container
