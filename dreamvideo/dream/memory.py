"""The memory budget of a render: how much frames and ascent steps may take."""

from __future__ import annotations

import ctypes
import functools
import math
import os
import platform
import re

import psutil
import torch

from ..errors import RecipeError, shortened

SHARE = 0.7  # of the machine's or GPU's memory that is used by default
WORKER_OVERHEAD = 0.9e9  # bytes that a worker process takes besides its frames and ascent steps
LEAST_BUDGET = 2.0**30  # bytes of each worker, on a machine of many cores with little memory
ROUNDING = 2**28  # bytes that the memory in use is rounded up to, so that the budget is the same in every run
MMAP_MAX, TRIM_THRESHOLD = -4, -1  # of glibc's mallopt(3)


@functools.cache
def keep_freed_pages() -> None:
    """Let this process keep and reuse the memory it frees, instead of returning it to the system.

    glibc maps every block above 32 MiB on its own, and unmaps it when it is freed. A network's pass over a large frame
    allocates dozens of these, and the system's zeroing them page by page takes a third of the time. With another libc
    nothing changes. The setting is one of the whole process.
    """
    if platform.libc_ver()[0] == "glibc":
        libc = ctypes.CDLL(None)
        libc.mallopt(MMAP_MAX, 0)
        libc.mallopt(TRIM_THRESHOLD, -1)


def parse_memory(text: str) -> float:
    """Return the bytes meant by `4GB`, `800MB` or `auto`, which is infinite.

    Raises:
        RecipeError: the text is none of these.
    """
    if text == "auto":
        return math.inf
    match = re.fullmatch(r"(\d{1,15}(?:\.\d{1,15})?)\s*([kmgt])i?b?", text.strip().lower(), re.ASCII)
    if not match:
        raise RecipeError(f"cannot read the memory {shortened(text)}: write 4GB, 800MB or auto")
    return float(match[1]) * 1000 ** (1 + "kmgt".index(match[2]))


def memory_budget(text: str, device: torch.device) -> tuple[float, float]:
    """Return the bytes that frames and ascent steps may take, and those already in use; call it once all is loaded.

    Args:
        text: what the whole process may take, or on a GPU, all of it there; `auto` for most of the machine's memory,
            whether free or not: the dream must not depend on what else is running.
        device: the network's.

    Raises:
        RecipeError: the text cannot be read, or more is in use already.
    """
    limit = parse_memory(text)
    if device.type == "cuda":
        return min(limit, SHARE * torch.cuda.get_device_properties(device).total_memory), 0.0
    used = math.ceil(psutil.Process().memory_info().rss / ROUNDING) * ROUNDING
    budget = min(limit, SHARE * psutil.virtual_memory().total) - used
    if budget <= 0:
        raise RecipeError(f"--memory {text} is used up before the first frame: give at least {used / 1e9 + 0.5:.1f}GB")
    return budget, used


def worker_budget(text: str, device: torch.device, threads: int) -> float:
    """Return the bytes that frames and ascent steps may take in each of the worker processes that share a machine.

    A machine is taken to run one worker per `threads` cores, however many are at work: their number must not change
    the dream.

    Args:
        text: what each worker may take, as in `memory_budget`.
        device: the network's.
        threads: of each worker.

    Raises:
        RecipeError: the text cannot be read, or is less than a worker takes without a frame.
    """
    if device.type == "cuda":
        return memory_budget(text, device)[0]
    limit = parse_memory(text)
    if limit <= WORKER_OVERHEAD:
        least = WORKER_OVERHEAD / 1e9 + 0.5
        raise RecipeError(f"--memory {text} is used up before the first frame: give at least {least:.1f}GB")
    share = SHARE * psutil.virtual_memory().total * threads / (os.cpu_count() or 1)
    return min(limit - WORKER_OVERHEAD, max(share - WORKER_OVERHEAD, LEAST_BUDGET))
