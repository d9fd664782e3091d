"""The files that a recipe reads: weights, guides, mask, music and list of cuts."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from ..curves.weight_lists import split_guides
from .recipe import Recipe, parameters


def input_files(recipe: Recipe) -> list[str]:
    """Return the paths of all files that a recipe reads, as they are written in it."""
    paths: list[str] = []
    for _, key, value in _file_parameters(recipe):
        paths += [path for path, _ in split_guides(value)] if key == "guide" else [value]
    return paths


def with_files(recipe: Recipe, new_path: Callable[[str], str]) -> Recipe:
    """Return a copy of a recipe that reads its files from elsewhere.

    Args:
        recipe: with the files' old paths.
        new_path: returns the new path for an old one.
    """
    moved: dict[str, dict[str, str]] = {}
    for section, key, value in _file_parameters(recipe):
        path = _moved_guides(value, new_path) if key == "guide" else new_path(value)
        moved.setdefault(section, {})[key] = path
    return recipe.merge(moved)


def _moved_guides(value: str, new_path: Callable[[str], str]) -> str:
    terms = split_guides(value)
    return ",".join(f"{new_path(path)}={weight}" if weight else new_path(path) for path, weight in terms)


def _file_parameters(recipe: Recipe) -> Iterator[tuple[str, str, str]]:
    """Yield (section, key, value) of every parameter that names a file in this recipe."""
    for section, key, _, param in parameters():
        value = getattr(getattr(recipe, section), key)
        if param.file and value and value not in param.words:
            yield section, key, value
