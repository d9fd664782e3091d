"""The plan of a render: what is rendered, as plain data that another process or machine can go on with."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .. import __version__
from ..errors import DreamError
from ..recipe import Recipe


@dataclass(frozen=True)
class Part:
    """Frames from one on, and the recipe, as TOML, that they are dreamed by."""

    first: int
    recipe: str


@dataclass(frozen=True)
class Plan:
    """A render.

    Attributes:
        source, output, layer_out, save_octaves, keep: as for `dream_video`, absolute; empty for none.
        parts: what it is dreamed by, from frame 0 on.
        made_with: versions and the device, by name.
        inputs: every file that it is made of, by its absolute path, and what it holds, as a digest.
        width, height, depth: of the frames, and the bits per channel that are kept of them: 8, 12 or 16.
        count: frames in all.
        cuts: frames with which shots begin, in order, the first being 0.
        checksums: a checksum of every frame of the source, to know that it is the right one that is read.
        precision: what `auto` is: it is tried out, and must not come out otherwise in another process.
        threads, memory_budget: what frames are dreamed with; another number of threads makes another dream.
        overwrite: whether the output may replace what stands there.
        comment: the recipe as the user gave it, to be written into the output.
    """

    source: str
    output: str
    layer_out: str
    save_octaves: str
    keep: str
    parts: tuple[Part, ...]
    made_with: dict[str, str]
    inputs: dict[str, str]
    width: int
    height: int
    depth: int
    count: int
    cuts: tuple[int, ...]
    checksums: tuple[int, ...]
    precision: str
    threads: int
    memory_budget: float | None
    overwrite: bool
    comment: str

    def part(self, index: int) -> Part:
        """Return the part that a frame belongs to."""
        return next(part for part in reversed(self.parts) if part.first <= index)

    def recipe(self, index: int = -1) -> Recipe:
        """Return the recipe that a frame is dreamed by; that of the last one for −1."""
        return Recipe.from_toml((self.part(index) if index >= 0 else self.parts[-1]).recipe)

    def settled(self, recipe: Recipe) -> Recipe:
        """Return a recipe in the precision that the plan was made for, where that is left open."""
        return recipe.set(f"network.precision={self.precision}") if recipe.network.precision == "auto" else recipe

    def shot(self, index: int) -> int:
        """Return the first frame of the shot that a frame belongs to."""
        return max(cut for cut in self.cuts if cut <= index)

    def text(self) -> str:
        """Return it as JSON."""
        return json.dumps(dataclasses.asdict(self))

    @classmethod
    def read(cls, path: Path) -> Plan:
        """Read a plan.

        Raises:
            DreamError: there is none, or none that can be read.
        """
        begun = ""
        if not path.exists():
            raise DreamError(f"{path.parent} is no run folder: give one that a render has left, OUTPUT.dream")
        try:
            data: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
            begun = str(data["made_with"]["dreamvideo"])
            data["parts"] = tuple(Part(**part) for part in data["parts"])
            for key in ("cuts", "checksums"):
                data[key] = tuple(data[key])
            return cls(**data)
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            if begun not in ("", __version__):
                raise DreamError(
                    f"{path.parent} was begun with dreamvideo {begun}, and this is {__version__}: install that one to "
                    "go on, or --restart to throw it away"
                ) from error
            raise DreamError(
                f"{path.parent} holds no render that can be gone on with: remove it, or --restart to throw it away"
            ) from error


@dataclass(frozen=True)
class Request:
    """What is to be rendered, as the user says it (see `dream_video`).

    Attributes:
        comment: the recipe to be written into the output, if it is not that of the render.
    """

    source: str
    output: str
    recipe: Recipe
    overwrite: bool
    layer_out: str
    save_octaves: str
    keep: Path | None
    comment: str = ""
