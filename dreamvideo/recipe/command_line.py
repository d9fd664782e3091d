"""Writes the command line that makes a render: what the command line reads, the other way round."""

from __future__ import annotations

import shlex
from typing import Any

from ..curves import expressions
from .files import preset_tables
from .recipe import Recipe, parameters


def command_line(source: str, output: str, recipe: Recipe, preset: str = "") -> str:
    """Return the command that makes a render, quoted for a shell.

    Args:
        source, output, recipe: as for `dream_video`.
        preset: the preset that the recipe began with, if any; it is named if that is shorter.
    """
    ways = [_flags(recipe, "")]
    if preset and recipe.curves == _base(preset).curves:
        ways.append(_flags(recipe, preset))
    return shlex.join(["dreamvideo", _path(source), _path(output), *min(ways, key=len)])


def _base(preset: str) -> Recipe:
    return Recipe().merge(preset_tables(preset)) if preset else Recipe()


def _flags(recipe: Recipe, preset: str) -> list[str]:
    """Return the flags for what a recipe changes in a preset, or in the defaults."""
    base, words = _base(preset), ["--preset", preset] if preset else []
    for section, key, _, param in parameters():
        value, before = getattr(getattr(recipe, section), key), getattr(getattr(base, section), key)
        if value != before:
            words += _flag(section, key, expressions.curve_text(value) if param.curve else value)
    for name, curve in recipe.curves.items() if not preset else ():
        words += ["--set", f"curves.{name}={expressions.curve_text(curve)}"]
    return words


def _flag(section: str, key: str, value: Any) -> list[str]:
    if value is None or value is False:
        return ["--set", f"{section}.{key}={'false' if value is False else ''}"]
    flag = f"--{key.replace('_', '-')}"
    if value is True:
        return [flag]
    text = str(value)
    return [f"{flag}={text}"] if text.startswith("-") or not text else [flag, text]


def _path(path: str) -> str:
    """Return a path that is not taken for a flag."""
    return f"./{path}" if path.startswith("-") else path
