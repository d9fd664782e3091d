"""The device and the precision that a network runs in."""

from __future__ import annotations

import functools
import time

import torch

from ..errors import RecipeError
from ..recipe import Network

PRECISIONS = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
MIN_SPEEDUP = 1.2  # over float32, from which a CPU computes in bfloat16; other processes can hide half of it
MATRIX_SIDE = 768  # of the matrices whose product measures that
SMALL_SIDE = 160  # of those that tell first whether the CPU can do it at all: without, a large product takes a second
HOPELESS = 4.0  # times as long in bfloat16, from which it cannot
REPEATS = 12  # of either product: the least time counts, since other processes can only lengthen it


def pick_device(name: str) -> torch.device:
    """Return a device by its name; `auto` picks the fastest one available.

    Raises:
        RecipeError: the device does not exist or cannot be used.
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
    """Return the name of the precision a network computes in; `auto` picks the fastest one on the device."""
    if network.precision != "auto":
        return network.precision
    if device.type == "cuda":
        return "fp16"
    return "bf16" if device.type == "cpu" and bf16_is_faster() else "fp32"


@functools.cache
def bf16_is_faster() -> bool:
    """Tell whether this CPU is faster in bfloat16 than in float32 by enough to give up precision for it.

    It is measured, because the instruction set says nothing about speed: of two CPUs with AVX-512 bf16, one was 2.7
    times as fast in it, the other half as fast.
    """
    full, half = _least_times(SMALL_SIDE)
    if half > HOPELESS * full:
        return False
    full, half = _least_times(MATRIX_SIDE)
    return full > MIN_SPEEDUP * half


def _least_times(side: int) -> tuple[float, float]:
    """Return the least times of products of matrices in float32 and in bfloat16, s, taken in turns."""
    matrices = [torch.ones(side, side, dtype=dtype) for dtype in (torch.float32, torch.bfloat16)]
    times = [[_product_time(matrix) for matrix in matrices] for _ in range(REPEATS)]
    full, half = (min(each) for each in zip(*times, strict=True))
    return full, half


def _product_time(matrix: torch.Tensor) -> float:
    """Return the time that the product of a matrix with itself takes, s."""
    start = time.perf_counter()
    torch.mm(matrix, matrix)
    return time.perf_counter() - start
