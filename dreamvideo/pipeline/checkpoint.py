"""A state as bytes: what a render goes on from after it was cut off, bit for bit. Tensors and numbers, no code."""

from __future__ import annotations

import json
from dataclasses import replace
from fractions import Fraction
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from ..compose import Governor, State, Trail, magnitude, rms

SIZES = {"rms": rms, "magnitude": magnitude}  # what a governor may measure with
NUMBERS = "numbers"  # what all that is no tensor stands under, as JSON


def pack(state: State) -> bytes:
    """Return a state as the bytes of a safetensors file."""
    governor, trail = state.governor, state.trail
    tensors: dict[str, Tensor | None] = {
        "layer": state.layer,
        "ripeness": state.ripeness,
        "colour": governor.colour,
        "ground": state.ground,
        "ahead": state.reach[1] if state.reach else None,
        "luma": None if trail.luma is None else torch.from_numpy(trail.luma),
    }
    numbers: dict[str, Any] = {
        "governor": [governor.level, governor.goal, governor.drive, governor.reached, governor.adrift],
        "size": next(name for name, size in SIZES.items() if size is governor.size),
        "shares": dict(state.shares),
        "reach": state.reach[0] if state.reach else None,
        "index": state.index,
        "trail": [trail.index, trail.trusted],
    }
    if trail.moving:
        *masks, time = trail.moving
        tensors |= {name: torch.from_numpy(mask) for name, mask in zip(("peak", "mask"), masks, strict=True)}
        numbers["moving"] = str(time)
    kept = {name: tensor.cpu().contiguous().clone() for name, tensor in tensors.items() if tensor is not None}
    kept[NUMBERS] = torch.frombuffer(bytearray(json.dumps(numbers).encode()), dtype=torch.uint8)
    return save(kept)


def unpack(data: bytes, device: torch.device) -> State:
    """Return the state of `pack`'s bytes, on a device.

    Raises:
        ValueError: they are none, or damaged.
    """
    try:
        tensors = load(data)
        return _state(tensors, json.loads(tensors.pop(NUMBERS).numpy().tobytes()), device)
    except (SafetensorError, KeyError, TypeError) as error:
        raise ValueError(f"this is no state of a render ({error})") from error


def _state(tensors: dict[str, Tensor], numbers: dict[str, Any], device: torch.device) -> State:
    there = {name: tensor.to(device) for name, tensor in tensors.items() if name not in ("luma", "peak", "mask")}
    level, goal, drive, reached, adrift = numbers["governor"]
    governor = Governor(level, goal, there["colour"], drive, reached, adrift, SIZES[numbers["size"]])
    index, trusted = numbers["trail"]
    trail = Trail(index, tensors["luma"].numpy() if "luma" in tensors else None, trusted)
    if "moving" in numbers:
        trail = replace(trail, moving=(tensors["peak"].numpy(), tensors["mask"].numpy(), Fraction(numbers["moving"])))
    return State(
        there["layer"],
        there["ripeness"],
        governor,
        numbers["shares"],
        there.get("ground"),
        None if numbers["reach"] is None else (numbers["reach"], there["ahead"]),
        numbers["index"],
        trail,
    )
