"""Recipes as the page sees them: what parameters there are, and files by their ids in place of paths."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..errors import RecipeError, SourceError, shortened
from ..recipe import Recipe, parameters, preset_purpose, preset_tables, presets, with_files
from ..recipe.checks import choices
from .files import Files

REFERENCE = re.compile(r"@([0-9a-f]{16})")  # how the page writes a file in a recipe
WEIGHTS_NAME = re.compile(r"[A-Z0-9_]*[A-Z][A-Z0-9_]*")  # of published weights, like IMAGENET1K_V1
FIRST = (  # the parameters that matter first
    "finish.strength", "dream.colors", "finish.color", "finish.palette", "finish.spare_smooth", "dream.step",
    "dream.iterations", "network.layers", "temporal.morph", "finish.blend", "camera.zoom", "clip.size",
)  # fmt: skip
MISSING = "@missing"
EMBEDDED = ("efficientnet-lite0", "efficientnet-lite2")  # networks for which nothing is downloaded


def describe() -> list[dict[str, Any]]:
    """Return every parameter with what an input for it needs: help, default, range, choices."""
    defaults = Recipe()
    described = []
    for section, key, kind, param in parameters():
        options = choices(kind)
        numbers = [choice for choice in options if choice in (int, float)]
        described.append(
            {
                "name": f"{section}.{key}",
                "section": section,
                "key": key,
                "help": param.help,
                "default": plain(getattr(getattr(defaults, section), key)),
                "kind": "bool" if bool in options else "number" if numbers else "text",
                "whole": numbers == [int],
                "low": plain(param.low),
                "high": plain(param.high),
                "usual": param.usual,
                "choices": [choice for choice in options if isinstance(choice, str)] or list(param.words),
                "optional": None in options,
                "curve": param.curve,
                "file": param.file,
                "first": f"{section}.{key}" in FIRST,
            }
        )
    return described


def looks() -> list[dict[str, Any]]:
    """Return every preset with its name, its purpose, what it sets, and whether its network is one that is built in."""
    shown = []
    for name in presets():
        tables = preset_tables(name)
        built_in = tables.get("network", {}).get("model", EMBEDDED[0]) in EMBEDDED
        shown.append({"name": name, "purpose": preset_purpose(name), "recipe": tables, "builtIn": built_in})
    return shown


def read(tables: Mapping[str, Any], files: Files) -> Recipe:
    """Return the recipe that the page means.

    Raises:
        RecipeError: a value is bad, or names a file by its path.
        SourceError: a file is not there any more.
    """
    if not isinstance(tables, Mapping):
        raise RecipeError("the recipe must be a table of sections")

    def path(value: str) -> str:
        if found := REFERENCE.fullmatch(value):
            return str(files.path(found[1]))
        if WEIGHTS_NAME.fullmatch(value):
            return value
        raise RecipeError(f"{shortened(value)} is no file that was opened: drop it on the page")

    return with_files(Recipe().merge({section: _numbers(table) for section, table in tables.items()}), path)


def write(recipe: Recipe, files: Files) -> tuple[dict[str, Any], list[str]]:
    """Return what a recipe changes, for the page, and a sentence for every file in it that the page may not use."""
    notices: list[str] = []

    def reference(path: str) -> str:
        if WEIGHTS_NAME.fullmatch(path):
            return path
        try:
            if not Path(path).exists():
                raise SourceError(f"{Path(path).name} is not there any more: drop it on the page")
            return f"@{files.add(Path(path))}"
        except SourceError as error:
            notices.append(str(error))
            return MISSING

    shown = with_files(recipe, reference)
    for section, key, _, param in parameters():
        if param.file and MISSING in getattr(getattr(shown, section), key):
            shown = shown.merge({section: {key: getattr(getattr(Recipe(), section), key)}})
    tables = shown.differences()
    return {name: {key: plain(value) for key, value in table.items()} for name, table in tables.items()}, notices


def plain(value: Any) -> Any:
    """Return a value as JSON can hold it: infinity as a text."""
    return "inf" if value == math.inf else "-inf" if value == -math.inf else value


def _numbers(table: Any) -> Any:
    """Return a table of a recipe with "inf" as the number that it means."""
    if not isinstance(table, Mapping):
        return table
    return {key: math.inf if value == "inf" else value for key, value in table.items()}
