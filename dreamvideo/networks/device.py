"""The device and the precision that a network runs in."""

from __future__ import annotations

import functools
import time

import torch

from ..errors import RecipeError
from ..recipe import Network

PRECISIONS = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


def pick_device(name: str) -> torch.device:
    """Return a device by its name; `auto` is the fastest there is.

    Raises:
        RecipeError: it cannot be used here.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        found = torch.device(name)
        torch.zeros(1, device=found)
    except (RuntimeError, AssertionError) as error:
        raise RecipeError(f"the device {name!r} cannot be used here: take --device cpu or auto") from error
    return found


def pick_precision(network: Network, device: torch.device) -> str:
    """Return the precision a network computes in, by its name; where `auto` is asked for, what is fastest there."""
    if network.precision != "auto":
        return network.precision
    if device.type == "cuda":
        return "fp16"
    return "bf16" if device.type == "cpu" and bf16_is_faster() else "fp32"


PAYS = 1.5  # times as fast as in float32 that a CPU has to be in bfloat16
SIDE = 768  # of the matrices that are multiplied to find out


@functools.cache
def bf16_is_faster() -> bool:
    """Tell whether this machine's CPU is faster in bfloat16, and by enough to give up precision for it.

    That it has the instructions says nothing: of two with AVX-512's, one was 2.7 times as fast, one half as fast.
    """
    taken = []
    for dtype in (torch.float32, torch.bfloat16):
        matrix = torch.ones(SIDE, SIDE, dtype=dtype)
        turns = []
        for _ in range(4):
            start = time.perf_counter()
            torch.mm(matrix, matrix)
            turns.append(time.perf_counter() - start)
        taken.append(min(turns))
    return taken[0] > PAYS * taken[1]
