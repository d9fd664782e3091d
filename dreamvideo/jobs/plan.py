"""The plan of a render: all that a process on this or another machine needs to dream any of its frames."""

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
    """The recipe, as TOML, of all frames from number `first` up to the next part."""

    first: int
    recipe: str


@dataclass(frozen=True)
class Plan:
    """The plan of a render, as plain data.

    Attributes:
        source, output, layer_out, save_octaves, audio_cache: as for `dream_video`, absolute; empty for none.
        parts: the recipes, from frame 0 on.
        made_with: the versions of the libraries and the processor, by name.
        device: the kind of device: "cpu", "cuda" or "mps".
        inputs: the absolute path of every input file, with the digest of its contents.
        width, height, depth: of the frames; `depth` is the bits per channel of the segments: 8, 12 or 16.
        count: number of frames.
        cuts: the first frame of every shot, in order, beginning with 0.
        checksums: the checksum of every frame of the source, to recognise frames that are read again.
        precision: what the precision "auto" means here: another process may measure differently, and must not.
        threads: CPU threads for each worker; another number gives another dream.
        memory_budget: bytes that dreaming may use; None for what is free.
        overwrite: whether an existing output may be replaced.
        comment: the recipe as the user gave it, to be written into the output.
    """

    source: str
    output: str
    layer_out: str
    save_octaves: str
    audio_cache: str
    parts: tuple[Part, ...]
    made_with: dict[str, str]
    device: str
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
        """Return the recipe of a frame; that of the last part for −1."""
        return Recipe.from_toml((self.part(index) if index >= 0 else self.parts[-1]).recipe)

    def settled(self, recipe: Recipe) -> Recipe:
        """Return a recipe with its precision, if that is "auto", set to the plan's."""
        return recipe.set(f"network.precision={self.precision}") if recipe.network.precision == "auto" else recipe

    def shot(self, index: int) -> int:
        """Return the first frame of the shot that a frame belongs to."""
        return max(cut for cut in self.cuts if cut <= index)

    def text(self) -> str:
        """Return the plan as JSON."""
        return json.dumps(dataclasses.asdict(self))

    @classmethod
    def read(cls, path: Path) -> Plan:
        """Read a plan.

        Raises:
            DreamError: the file is missing or damaged, or another version of dreamvideo wrote it.
        """
        begun = ""
        if not path.exists():
            raise DreamError(f"{path.parent} is no run folder: name one that an unfinished render left, OUTPUT.dream")
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
                    f"{path.parent} was begun with dreamvideo {begun}, and this is {__version__}: install that "
                    "version to continue, or repeat the original command with --restart to begin anew"
                ) from error
            raise DreamError(
                f"{path.parent} holds no render that can be continued: remove it, or repeat the original command with "
                "--restart to begin anew"
            ) from error


@dataclass(frozen=True)
class Request:
    """What the user wants rendered (see `dream_video`).

    Attributes:
        comment: the recipe to be written into the output; the render's own if empty.
    """

    source: str
    output: str
    recipe: Recipe
    overwrite: bool
    layer_out: str
    save_octaves: str
    audio_cache: Path | None
    comment: str = ""
