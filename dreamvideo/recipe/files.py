"""Recipe files and the presets that come with dreamvideo."""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import Any

from ..curves import syntax
from ..errors import RecipeError, shortened


def read_tables(path: str | Path) -> dict[str, dict[str, Any]]:
    """Read a recipe file as {section: {key: value}}.

    Raises:
        RecipeError: the file is missing, or is no TOML, or far too much of it.
    """
    return tables_of(read_text(path, "a recipe in TOML"), str(path))


def read_text(path: str | Path, wanted: str) -> str:
    """Read a text file, in UTF-8 with or without a mark of it; `wanted` is what an error asks for instead.

    Raises:
        RecipeError: it cannot be read, is no text, or is longer than any that is meant for us.
    """
    try:
        with open(path, "rb") as file:
            data = file.read(syntax.MOST_TOML + 1)  # some files have no end
        text = data.decode("utf-8-sig")
    except (OSError, ValueError) as error:  # a name may hold what no file's does
        reason = getattr(error, "strerror", None) or "it is no text in UTF-8"
        raise RecipeError(f"cannot read {path} ({reason}): give {wanted}") from error
    if len(data) > syntax.MOST_TOML:
        raise RecipeError(f"cannot read {path} (it has more than {syntax.MOST_TOML} bytes): give {wanted}")
    return text


def presets() -> list[str]:
    """Return the names of the recipes that come with dreamvideo."""
    folder = resources.files("dreamvideo").joinpath("presets")
    return sorted(entry.name.removesuffix(".toml") for entry in folder.iterdir() if entry.name.endswith(".toml"))


def preset_text(name: str) -> str:
    """Return one of the recipes that come with dreamvideo as it is written.

    Raises:
        RecipeError: there is none of that name.
    """
    if name not in presets():
        raise RecipeError(f"no preset is called {name!r}: there is {', '.join(presets())}")
    return resources.files("dreamvideo").joinpath("presets", f"{name}.toml").read_text(encoding="utf-8")


def preset_tables(name: str) -> dict[str, dict[str, Any]]:
    """Read one of the recipes that come with dreamvideo (see `preset_text`)."""
    return tables_of(preset_text(name))


def tables_of(text: str, name: str = "the recipe") -> dict[str, dict[str, Any]]:
    try:
        tables = syntax.read_toml(text)
    except ValueError as error:
        raise RecipeError(f"{name} is no valid TOML: {error}") from error
    for section, table in tables.items():
        if not isinstance(table, dict):
            raise RecipeError(
                f"{shortened(section)} in {name} stands outside a section: write it under one, like [dream]"
            )
    return tables
