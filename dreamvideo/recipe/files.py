"""Recipe files, and the presets: recipes that are installed with dreamvideo."""

from __future__ import annotations

import itertools
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from ..curves.toml import MAX_TOML, read_toml
from ..errors import RecipeError, shortened


def read_tables(path: str | Path) -> dict[str, dict[str, Any]]:
    """Read a recipe file as {section: {key: value}}.

    Raises:
        RecipeError: the file is missing, too long, or not a recipe in TOML.
    """
    return parse_tables(read_text(path, "a recipe in TOML"), str(path))


def read_text(path: str | Path, wanted: str) -> str:
    """Read a text file in UTF-8, with or without a byte order mark.

    Args:
        path: of the file.
        wanted: what an error asks for instead, like "a recipe in TOML".

    Raises:
        RecipeError: the file cannot be read, is not text, or is longer than `MAX_TOML` bytes.
    """
    try:
        with open(path, "rb") as file:
            data = file.read(MAX_TOML + 1)  # some files, like /dev/zero, never end
        text = data.decode("utf-8-sig")
    except (OSError, ValueError) as error:  # open() raises ValueError for a name with a null character
        reason = getattr(error, "strerror", None) or "it is not text in UTF-8"
        raise RecipeError(f"cannot read {path} ({reason}): give {wanted}") from error
    if len(data) > MAX_TOML:
        raise RecipeError(f"cannot read {path} (it has more than {MAX_TOML} bytes): give {wanted}")
    return text


def presets() -> list[str]:
    """Return the names of all presets."""
    return sorted(file.name.removesuffix(".toml") for file in _folder().iterdir() if file.name.endswith(".toml"))


def preset_text(name: str) -> str:
    """Return the text of a preset's recipe file, with its comments.

    Raises:
        RecipeError: no preset has that name.
    """
    if name not in presets():
        raise RecipeError(f"no preset is called {name!r}: choose one of {', '.join(presets())}")
    return _folder().joinpath(f"{name}.toml").read_text(encoding="utf-8")


def preset_purpose(name: str) -> str:
    """Return what a preset is for: the first sentence of the comment that it begins with."""
    comment = itertools.takewhile(lambda line: line.startswith("#"), preset_text(name).splitlines())
    return " ".join(line.lstrip("# ") for line in comment).partition(". ")[0].rstrip(".")


def preset_tables(name: str) -> dict[str, dict[str, Any]]:
    """Read a preset as {section: {key: value}} (see `preset_text`)."""
    return parse_tables(preset_text(name))


def parse_tables(text: str, name: str = "the recipe") -> dict[str, dict[str, Any]]:
    """Parse the text of a recipe as {section: {key: value}}.

    Args:
        text: in TOML.
        name: what an error calls it, like the name of its file.

    Raises:
        RecipeError: it is not valid TOML, or a key is not in a section.
    """
    try:
        tables = read_toml(text)
    except ValueError as error:
        raise RecipeError(f"{name} is not valid TOML: {error}") from error
    for section, table in tables.items():
        if not isinstance(table, dict):
            raise RecipeError(f"{shortened(section)} in {name} is not in a section: put it below one, like [dream]")
    return tables


def _folder() -> Traversable:
    return resources.files("dreamvideo").joinpath("presets")
