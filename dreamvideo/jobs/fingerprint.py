"""What a render depends on: versions, device, and the contents of its input files."""

from __future__ import annotations

import dataclasses
import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import torch

from .. import __version__
from ..errors import DreamError
from ..media.local_files import check_file
from ..media.paths import holds_frames, sequence_files
from ..networks.device import pick_device, pick_precision
from ..recipe import Recipe, input_files
from .plan import Plan

READ = 2**24  # bytes of a file that are read at its beginning, at its end, and in between, to know it again
BETWEEN = 64  # places in between, a MiB each
OF_MANY = 2**16  # bytes read at either end of each of many files


@dataclass(frozen=True)
class Environment:
    """What frames are dreamed with, beside their recipe.

    Attributes:
        made_with, precision, threads, memory_budget: see `Plan`.
    """

    made_with: dict[str, str]
    precision: str
    threads: int
    memory_budget: float | None


def differences(plan: Plan, now: Plan) -> list[str]:
    """Return how a render that is asked for differs from one that was begun: what would make other frames of it."""
    told = [
        f"{name.replace('_', '-')} was {getattr(plan, name) or 'not asked for'}, and is {getattr(now, name) or 'not'}"
        for name in ("source", "output", "layer_out", "save_octaves")
        if getattr(plan, name) != getattr(now, name)
    ]
    told += _recipes(plan.recipe(), now.recipe())
    told += [f"{name} was {was}, and is {now.made_with.get(name)}" for name, was in plan.made_with.items()
             if now.made_with.get(name) != was]  # fmt: skip
    for path, was in plan.inputs.items():  # of all parts, while what is asked for now is the last one
        try:
            held = now.inputs.get(path) or file_digest(path)
        except (OSError, DreamError):
            held = ""
        if held != was:
            told.append(f"{path} {'has changed' if held else 'is gone'}")
    return told


def _recipes(was: Recipe, now: Recipe) -> list[str]:
    """Return which of the parameters that frames are dreamed by differ; how the output is encoded is none of them."""
    return [
        f"{field.name}.{key} was {value!r}, and is {other.get(key)!r}"
        for field in dataclasses.fields(was)
        if field.name != "encoding"
        for mine, other in [(_table(was, field.name), _table(now, field.name))]
        for key, value in {**dict.fromkeys(other), **mine}.items()
        if value != other.get(key)
    ]


def _table(recipe: Recipe, section: str) -> dict[str, Any]:
    table = getattr(recipe, section)
    return dict(table) if isinstance(table, dict) else dataclasses.asdict(table)


def made_with(recipe: Recipe) -> dict[str, str]:
    """Return what a dream depends on beside its recipe: the versions of what computes it, and the device."""
    name = pick_device(recipe.network.device)
    told = torch.cuda.get_device_name(name) if name.type == "cuda" else name.type
    if name.type == "cpu":  # wider instructions add up in another order
        told = f"cpu ({torch.backends.cpu.get_cpu_capability()})"
    return {"dreamvideo": __version__, "torch": torch.__version__, "opencv": cv2.__version__, "the device": told}


def environment(recipe: Recipe) -> Environment:
    """Return what frames are dreamed with where one is dreamed after the other, by all the cores there are."""
    network = recipe.network
    threads = network.threads or torch.get_num_threads()
    return Environment(made_with(recipe), pick_precision(network, pick_device(network.device)), threads, None)


def inputs(source: str, recipe: Recipe) -> dict[str, str]:
    """Return every path that a render reads, absolute, and a digest of what it holds."""
    found = {}
    for path in (source, *sorted(set(input_files(recipe)))):
        if os.path.exists(path) or holds_frames(path):
            found[os.path.abspath(path)] = file_digest(path)
    return found


def absolute(path: str) -> str:
    """Return a path as an absolute one; what names no file stays as it is."""
    return os.path.abspath(path) if os.path.exists(path) or holds_frames(path) else path


def file_digest(path: str) -> str:
    """Return what tells whether a file, or the files of a sequence, are the same again: of large ones, from samples.

    Raises:
        SourceError: it is no file; what comes out of a pipe cannot be read again.
    """
    if holds_frames(path):
        told = hashlib.blake2b(digest_size=16)
        for file in sequence_files(path):
            told.update(f"{file.name}\0{_sampled(file, OF_MANY, 0)}".encode())
        return told.hexdigest()
    check_file(path)
    return _sampled(Path(path), READ, BETWEEN)


def _sampled(file: Path, ends: int, between: int) -> str:
    told, size = hashlib.blake2b(digest_size=16), file.stat().st_size
    told.update(str(size).encode())
    with file.open("rb") as stream:
        if size <= 2 * ends:
            told.update(stream.read())
            return told.hexdigest()
        for start in (0, *(k * size // (between + 1) for k in range(1, between + 1)), size - ends):
            stream.seek(start)
            told.update(stream.read(ends if start in (0, size - ends) else 2**20))
    return told.hexdigest()
