"""A state as the bytes of a file, from which a render resumes bit for bit: tensors and numbers, no code."""

from __future__ import annotations

import json
from dataclasses import replace
from fractions import Fraction
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from .state import State, TrackerState
from .strength import StrengthControl, magnitude, rms

SIZES = {"rms": rms, "magnitude": magnitude}  # how a strength control may measure a layer
CONTROL = ("target_strength", "target_objective", "step_gain", "objective_ratio", "retarget")
NUMBERS = "numbers"  # the entry that holds, as JSON, everything that is not a tensor


def state_to_bytes(state: State) -> bytes:
    """Return a state as the bytes of a safetensors file."""
    control, tracking = state.control, state.tracking
    tensors: dict[str, Tensor | None] = {
        "layer": state.layer,
        "convergence": state.convergence,
        "color": control.target_color,
        "base": state.base,
        "ahead": state.outpainted[1] if state.outpainted else None,
        "luma": None if tracking.luma is None else torch.from_numpy(tracking.luma),
    }
    numbers: dict[str, Any] = {
        "control": [getattr(control, name) for name in CONTROL],
        "size": next(name for name, size in SIZES.items() if size is control.size),
        "shares": dict(state.shares),
        "outpainted": state.outpainted[0] if state.outpainted else None,
        "index": state.index,
        "tracking": [tracking.index, tracking.was_confident],
    }
    if tracking.moving:
        *masks, time = tracking.moving
        tensors |= {name: torch.from_numpy(mask) for name, mask in zip(("peak", "mask"), masks, strict=True)}
        numbers["moving"] = str(time)
    kept = {name: tensor.cpu().contiguous().clone() for name, tensor in tensors.items() if tensor is not None}
    kept[NUMBERS] = torch.frombuffer(bytearray(json.dumps(numbers).encode()), dtype=torch.uint8)
    return save(kept)


def state_from_bytes(data: bytes, device: torch.device) -> State:
    """Return a state from the bytes that `state_to_bytes` made, on a device.

    Raises:
        ValueError: they are damaged, or hold something else.
    """
    try:
        tensors = load(data)
        return _build_state(tensors, json.loads(tensors.pop(NUMBERS).numpy().tobytes()), device)
    except (SafetensorError, KeyError, TypeError) as error:
        raise ValueError(f"these bytes hold no state of a render ({error})") from error


def _build_state(tensors: dict[str, Tensor], numbers: dict[str, Any], device: torch.device) -> State:
    there = {name: tensor.to(device) for name, tensor in tensors.items() if name not in ("luma", "peak", "mask")}
    held = dict(zip(CONTROL, numbers["control"], strict=True))
    control = StrengthControl(target_color=there["color"], size=SIZES[numbers["size"]], **held)
    index, was_confident = numbers["tracking"]
    tracking = TrackerState(index, tensors["luma"].numpy() if "luma" in tensors else None, was_confident)
    if "moving" in numbers:
        tracking = replace(
            tracking, moving=(tensors["peak"].numpy(), tensors["mask"].numpy(), Fraction(numbers["moving"]))
        )
    return State(
        there["layer"],
        there["convergence"],
        control,
        numbers["shares"],
        there.get("base"),
        None if numbers["outpainted"] is None else (numbers["outpainted"], there["ahead"]),
        numbers["index"],
        tracking,
    )
