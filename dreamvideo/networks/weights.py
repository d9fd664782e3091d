"""Weights files: read without running any code they contain, and refused where they do not fit the network."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from ..errors import ModelError

WRAPPERS = ("state_dict", "model")  # keys under which training scripts store the weights, next to other things


def read_weights(path: str) -> dict[str, Tensor]:
    """Read a state dict saved by PyTorch or as safetensors, unpickling nothing but tensors.

    A state dict that a training script wrapped, as {"state_dict": …} or {"model": …}, is unwrapped; the prefix
    "module." of a network trained on several GPUs is removed.

    Raises:
        ModelError: the file is missing or holds no state dict.
    """
    if not Path(path).is_file():
        raise ModelError(f"the weights file {path} does not exist")
    try:
        state = _read(path)
    except Exception as error:  # torch raises anything from pickle errors to RuntimeError here
        raise ModelError(
            f"{path} is not a PyTorch weights file, or holds more than weights: "
            "save one with torch.save(model.state_dict())"
        ) from error
    for wrapper in WRAPPERS:
        if isinstance(state, dict) and isinstance(state.get(wrapper), dict):
            state = state[wrapper]
    if not isinstance(state, dict) or not state or not all(isinstance(v, Tensor) for v in state.values()):
        raise ModelError(f"{path} holds no state dict: save one with torch.save(model.state_dict())")
    prefix = "module." if all(key.startswith("module.") for key in state) else ""
    return {key.removeprefix(prefix): value for key, value in state.items()}


def _read(path: str) -> object:
    if path.endswith(".safetensors"):
        from safetensors.torch import load_file

        return load_file(path)
    return torch.load(path, map_location="cpu", weights_only=True)


def load_weights(model: nn.Module, state: dict[str, Tensor], path: str) -> None:
    """Copy a state dict into a module.

    Raises:
        ModelError: keys are missing, unknown, or of another shape; the message names some.
    """
    own = model.state_dict()
    wrong = [k for k in own.keys() | state.keys() if k not in own or k not in state or own[k].shape != state[k].shape]
    wrong = sorted(k for k in wrong if not k.endswith("num_batches_tracked"))
    if wrong:
        some = ", ".join(wrong[:3]) + (f" and {len(wrong) - 3} more" if len(wrong) > 3 else "")
        raise ModelError(f"the weights in {path} do not fit this network: {some} missing, unknown or of another shape")
    for key in own.keys() & state.keys():
        own[key].copy_(state[key])
