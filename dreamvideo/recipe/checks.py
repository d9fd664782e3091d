"""Checks of single values: type, range, and whether a curve may stand there."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Literal, Union, get_args, get_origin

from ..curves import expressions, syntax
from ..errors import RecipeError, shortened
from .parameters import Param

LONGEST = 4096  # characters of a text; of a file's name the system takes no more
TABLES = {"network.layers": 20_000, "network.guide": 20_000}  # the same, of those that hold many curves
KINDS = {str: "text", bool: "true or false", int: "a whole number", float: "a number"}


def check_value(name: str, value: Any, kind: Any, param: Param) -> None:
    if not any(_is(value, choice) for choice in _choices(kind)):
        wanted = " or ".join(KINDS[c] if isinstance(c, type) else repr(c) for c in _choices(kind) if c)
        raise RecipeError(f"{name} = {shortened(value)} must be {wanted}")
    if isinstance(value, str):
        _check_text(name, value)
    if isinstance(value, (int, float)) and not param.low <= value <= param.high:
        raise RecipeError(f"{name} = {value:g} lies outside {param.low:g} … {param.high:g}")


def _check_text(name: str, text: str) -> None:
    """Refuse a text that no recipe file could hold, or no file be called by."""
    if len(text) > (most := TABLES.get(name, LONGEST)):
        raise RecipeError(f"{name} has {len(text)} characters: {most} are let in")
    if "\0" in text or any("\ud800" <= c <= "\udfff" for c in text):
        raise RecipeError(f"{name} = {shortened(text)} is no UTF-8: rename the file")


def check_curve(name: str, curve: Any, named: Mapping[str, Any], param: Param | None = None) -> None:
    if isinstance(curve, bool) or not isinstance(curve, (int, float, str, dict)):
        raise RecipeError(f"{name} = {shortened(curve)} must be a number, an expression or keyframes")
    try:
        syntax.check(curve, list(named))
    except RecipeError as error:
        raise RecipeError(f"{name}: {error}") from None
    for number in syntax.fixed_values(curve) if param else []:
        if not param.low <= number <= param.high:  # type: ignore[union-attr]
            raise RecipeError(f"{name} = {number:g} lies outside {param.low:g} … {param.high:g}")  # type: ignore[union-attr]


def _choices(kind: Any) -> list[Any]:
    """Flatten a type into what a value may be: types, and the words of a Literal."""
    if get_origin(kind) is Union:
        return [choice for part in get_args(kind) for choice in _choices(part)]
    if get_origin(kind) is Literal:
        return list(get_args(kind))
    return [None] if kind is type(None) else [kind]


def _is(value: Any, choice: Any) -> bool:
    if not isinstance(choice, type):
        return type(value) is type(choice) and bool(value == choice)
    if choice is bool:
        return isinstance(value, bool)
    if choice is float:
        return expressions.is_number(value) or (isinstance(value, float) and math.isinf(value))
    return isinstance(value, choice) and (choice is not int or expressions.is_number(value))
