"""The memory a render lives in."""

from __future__ import annotations

import ctypes
import functools
import platform

MMAP_MAX, TRIM_THRESHOLD, ARENA_MAX = -4, -1, -8  # of glibc's mallopt(3)


@functools.cache
def keep_pages() -> None:
    """Let the process use the memory it has freed again, instead of giving it back and asking for it anew.

    glibc takes every block above 32 MiB from the system and gives it back when it is freed. A pass of a network over a
    large frame allocates dozens of these, and having them handed out, zeroed, page by page costs a third of its time.
    All threads share what is kept. Where there is another libc, nothing is changed.
    """
    if platform.libc_ver()[0] == "glibc":
        libc = ctypes.CDLL(None)
        libc.mallopt(MMAP_MAX, 0)
        libc.mallopt(TRIM_THRESHOLD, -1)
        libc.mallopt(ARENA_MAX, 1)
