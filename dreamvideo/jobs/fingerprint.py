"""What a render depends on besides its recipe (versions, device, input files), and how two renders differ in it."""

from __future__ import annotations

import dataclasses
import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import cv2
import torch

from .. import __version__
from ..errors import DreamError
from ..media.local_files import check_file
from ..media.paths import holds_frames, sequence_files
from ..networks.device import pick_device, pick_precision
from ..recipe import Recipe, input_files
from .plan import Plan

ENDS = 2**24  # bytes of a large file that are read at its beginning and at its end
SAMPLES, SAMPLE = 64, 2**20  # samples read in between, and their size in bytes
SEQUENCE_ENDS = 2**16  # bytes read at either end of each file of a sequence


@dataclass(frozen=True)
class Environment:
    """What frames are dreamed with besides their recipe.

    Attributes:
        made_with, device, precision, threads, memory_budget: see `Plan`.
    """

    made_with: dict[str, str]
    device: str
    precision: str
    threads: int
    memory_budget: float | None


@dataclass(frozen=True)
class Difference:
    """One thing that makes a render come out differently from the one that was begun; as text, a phrase for the user.

    Attributes:
        kind: where it lies: in the request (paths), in the recipe, in the environment or in an input file.
        name: "source", "output", "layer-out" or "save-octaves"; "section.key" of the recipe; a name of
            `Plan.made_with`; or the absolute path of an input file.
        was, now: its value then and now; the digest of an input file, empty for a missing file.
    """

    kind: Literal["request", "recipe", "environment", "input"]
    name: str
    was: Any
    now: Any

    def __str__(self) -> str:
        if self.kind == "request":
            return f"{self.name} was {self.was or 'not asked for'}, and is {self.now or 'not'}"
        if self.kind == "recipe":
            return f"{self.name} was {self.was!r}, and is {self.now!r}"
        if self.kind == "environment":
            return f"{self.name} was {self.was}, and is {self.now}"
        return f"{self.name} {'has changed' if self.now else 'is gone'}"


def differences(begun: Plan, now: Plan) -> list[Difference]:
    """Return in what a render that is asked for differs from the one that was begun, as far as it changes frames.

    How the output is encoded does not: it is left out.
    """
    return [
        *_request_differences(begun, now),
        *_recipe_differences(begun.recipe(), now.recipe()),
        *_environment_differences(begun, now),
        *_input_differences(begun, now),
    ]


def _request_differences(begun: Plan, now: Plan) -> list[Difference]:
    return [
        Difference("request", name.replace("_", "-"), getattr(begun, name), getattr(now, name))
        for name in ("source", "output", "layer_out", "save_octaves")
        if getattr(begun, name) != getattr(now, name)
    ]


def _recipe_differences(was: Recipe, now: Recipe) -> list[Difference]:
    return [
        Difference("recipe", f"{section}.{key}", old.get(key), new.get(key))
        for section in (field.name for field in dataclasses.fields(was) if field.name != "encoding")
        for old, new in [(_table(was, section), _table(now, section))]
        for key in {**old, **new}
        if old.get(key) != new.get(key)
    ]


def _table(recipe: Recipe, section: str) -> dict[str, Any]:
    table = getattr(recipe, section)
    return dict(table) if isinstance(table, dict) else dataclasses.asdict(table)


def _environment_differences(begun: Plan, now: Plan) -> list[Difference]:
    return [
        Difference("environment", name, was, now.made_with.get(name))
        for name, was in begun.made_with.items()
        if now.made_with.get(name) != was
    ]


def _input_differences(begun: Plan, now: Plan) -> list[Difference]:
    """Compare the input files of all parts of the plan that was begun; `now` knows those of its own recipe only."""
    return [
        Difference("input", path, was, found)
        for path, was in begun.inputs.items()
        if (found := now.inputs.get(path) or digest_or_empty(path)) != was
    ]


def made_with(recipe: Recipe) -> dict[str, str]:
    """Return what a dream depends on besides its recipe, by name: versions of libraries, and the processor."""
    device = pick_device(recipe.network.device)
    processor = torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
    if device.type == "cpu":  # wider instructions add up in another order
        processor = f"cpu ({torch.backends.cpu.get_cpu_capability()})"
    return {"dreamvideo": __version__, "torch": torch.__version__, "opencv": cv2.__version__, "the device": processor}


def environment(recipe: Recipe) -> Environment:
    """Return what frames are dreamed with when one is dreamed after the other, by all cores."""
    network = recipe.network
    device = pick_device(network.device)
    threads = network.threads or torch.get_num_threads()
    return Environment(made_with(recipe), device.type, pick_precision(network, device), threads, None)


def inputs(source: str, recipe: Recipe) -> dict[str, str]:
    """Return the absolute path of every file that a render reads, with the digest of its contents."""
    return {
        os.path.abspath(path): file_digest(path)
        for path in (source, *sorted(set(input_files(recipe))))
        if os.path.exists(path) or holds_frames(path)
    }


def absolute(path: str) -> str:
    """Return a path as an absolute one; a word that names no file stays as it is."""
    return os.path.abspath(path) if os.path.exists(path) or holds_frames(path) else path


def file_digest(path: str) -> str:
    """Return a digest of the contents of a file, or of the files of a sequence; of large files, of samples.

    Raises:
        SourceError: it is not a regular file: what comes out of a pipe cannot be read again.
    """
    if holds_frames(path):
        digest = hashlib.blake2b(digest_size=16)
        for file in sequence_files(path):
            digest.update(f"{file.name}\0{_sampled(file, SEQUENCE_ENDS, 0)}".encode())
        return digest.hexdigest()
    check_file(path)
    return _sampled(Path(path), ENDS, SAMPLES)


def digest_or_empty(path: str) -> str:
    """Return the digest of a file's contents (see `file_digest`); empty where it is missing or cannot be read."""
    try:
        return file_digest(path)
    except (OSError, DreamError):
        return ""


def _sampled(file: Path, ends: int, samples: int) -> str:
    """Return a digest of a file's size, so many bytes at both ends, and samples between them."""
    digest, size = hashlib.blake2b(digest_size=16), file.stat().st_size
    digest.update(str(size).encode())
    with file.open("rb") as stream:
        if size <= 2 * ends:
            digest.update(stream.read())
            return digest.hexdigest()
        for start in (0, *(k * size // (samples + 1) for k in range(1, samples + 1)), size - ends):
            stream.seek(start)
            digest.update(stream.read(ends if start in (0, size - ends) else SAMPLE))
    return digest.hexdigest()
