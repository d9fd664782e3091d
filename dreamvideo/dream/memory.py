"""The memory a render lives in."""

from __future__ import annotations

import ctypes
import functools
import math
import os
import platform
import re

import psutil
import torch

from ..errors import RecipeError, shown

SHARE = 0.7  # of the machine's memory, that is made use of
HELD = 0.9e9  # bytes that a process holds beside what its frames take, where it is one of several
LEAST = 2.0**30  # bytes that each of several has at least, on a machine of many cores with little memory
STEP = 2**28  # bytes that what is held is rounded up to, so that it is the same in every run
MMAP_MAX, TRIM_THRESHOLD = -4, -1  # of glibc's mallopt(3)


@functools.cache
def keep_freed_pages() -> None:
    """Let the process use the memory it has freed again, instead of giving it back and asking for it anew.

    glibc takes every block above 32 MiB from the system and gives it back when it is freed. A pass of a network over a
    large frame allocates dozens of these, and having them handed out, zeroed, page by page costs a third of its time.
    Where there is another libc, nothing is changed.
    """
    if platform.libc_ver()[0] == "glibc":
        libc = ctypes.CDLL(None)
        libc.mallopt(MMAP_MAX, 0)
        libc.mallopt(TRIM_THRESHOLD, -1)


def parse_memory(text: str) -> float:
    """Return bytes from `4GB`, `800MB` or `auto`, which is infinite.

    Raises:
        RecipeError: anything else.
    """
    if text == "auto":
        return math.inf
    match = re.fullmatch(r"(\d{1,15}(?:\.\d{1,15})?)\s*([kmgt])i?b?", text.strip().lower(), re.ASCII)
    if not match:
        raise RecipeError(f"cannot read the memory {shown(text)}: write 4GB, 800MB or auto")
    return float(match[1]) * 1000 ** (1 + "kmgt".index(match[2]))


def memory_budget(text: str, device: torch.device) -> tuple[float, float]:
    """Return the bytes that frames and ascent steps may take, now that all else is loaded, and those that are held.

    Args:
        text: what the whole process may take, or on a GPU, all of it there; `auto` for most of what the machine has,
            not of what is free: a render must not come out otherwise because something else was running.
        device: where the network is.

    Raises:
        RecipeError: it cannot be read, or is all taken.
    """
    limit = parse_memory(text)
    if device.type == "cuda":
        return min(limit, SHARE * torch.cuda.get_device_properties(device).total_memory), 0.0
    held = math.ceil(psutil.Process().memory_info().rss / STEP) * STEP
    room = min(limit, SHARE * psutil.virtual_memory().total) - held
    if room <= 0:
        raise RecipeError(f"--memory {text} is taken before the first frame: give at least {held / 1e9 + 0.5:.1f}GB")
    return room, held


def worker_budget(text: str, device: torch.device, threads: int) -> float:
    """Return the bytes that frames and ascent steps may take in each of the processes that a machine is shared by.

    A machine has one for as many cores as it has threads, whether they are at work or not: how many there are must not
    change the dream.

    Args:
        text, device: see `left`; `text` is for each.
        threads: of each.

    Raises:
        RecipeError: it cannot be read, or is all taken.
    """
    if device.type == "cuda":
        return memory_budget(text, device)[0]
    limit = parse_memory(text)
    if limit <= HELD:
        raise RecipeError(f"--memory {text} is taken before the first frame: give at least {HELD / 1e9 + 0.5:.1f}GB")
    part = SHARE * psutil.virtual_memory().total * threads / (os.cpu_count() or 1)
    return min(limit - HELD, max(part - HELD, LEAST))
