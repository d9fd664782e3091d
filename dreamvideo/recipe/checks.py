"""Checks of single values of a recipe: their type, their range, and the syntax of curves."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Literal, Union, get_args, get_origin

from ..curves import expressions, syntax
from ..errors import RecipeError, shortened
from .parameters import Param

MAX_TEXT = 4096  # characters of a text: the longest file name that an operating system takes
MAX_LIST = {"network.layers": 20_000, "network.guide": 20_000}  # characters of lists that may hold many curves
TYPE_NAMES = {str: "text", bool: "true or false", int: "a whole number", float: "a number"}


def check_value(name: str, value: Any, kind: Any, param: Param) -> None:
    """Check the type and range of a value that is not a curve.

    Args:
        name: of the parameter, like `dream.step`, for the error.
        value: as given by the user.
        kind: the parameter's type.
        param: the parameter's description.

    Raises:
        RecipeError: the value has the wrong type, is out of range, or is a text that no file could hold.
    """
    if not any(_matches(value, choice) for choice in choices(kind)):
        wanted = " or ".join(TYPE_NAMES[c] if isinstance(c, type) else repr(c) for c in choices(kind) if c)
        raise RecipeError(f"{name} = {shortened(value)} must be {wanted}")
    if isinstance(value, str):
        _check_text(name, value)
    if isinstance(value, (int, float)):
        _check_range(name, value, param)


def check_curve(name: str, curve: Any, named: Mapping[str, Any], param: Param | None = None) -> None:
    """Check the syntax of a curve, and the range of the numbers that are known before a render.

    Args:
        name: of the parameter, for the error.
        curve: a number, an expression or keyframes.
        named: the recipe's own curves, which an expression may use.
        param: description of the parameter; without it, any number is allowed.

    Raises:
        RecipeError: the curve cannot be read, or one of its numbers is out of range.
    """
    if isinstance(curve, bool) or not isinstance(curve, (int, float, str, dict)):
        raise RecipeError(f"{name} = {shortened(curve)} must be a number, an expression or keyframes")
    try:
        syntax.check(curve, list(named))
    except RecipeError as error:
        raise RecipeError(f"{name}: {error}") from None
    if param:
        for number in syntax.fixed_values(curve):
            _check_range(name, number, param)


def choices(kind: Any) -> list[Any]:
    """Return what a value of a type may be: plain types, and the words of a Literal."""
    if get_origin(kind) is Union:
        return [choice for part in get_args(kind) for choice in choices(part)]
    if get_origin(kind) is Literal:
        return list(get_args(kind))
    return [None] if kind is type(None) else [kind]


def _matches(value: Any, choice: Any) -> bool:
    if not isinstance(choice, type):
        return type(value) is type(choice) and bool(value == choice)
    if choice is bool:
        return isinstance(value, bool)
    if choice is float:
        return expressions.is_number(value) or (isinstance(value, float) and math.isinf(value))
    return isinstance(value, choice) and (choice is not int or expressions.is_number(value))


def _check_range(name: str, number: float, param: Param) -> None:
    if not param.low <= number <= param.high:
        raise RecipeError(f"{name} = {number:g} is outside {param.low:g} … {param.high:g}")


def _check_text(name: str, text: str) -> None:
    """Refuse a text that cannot be written to a recipe file or be the name of a file."""
    if len(text) > (longest := MAX_LIST.get(name, MAX_TEXT)):
        raise RecipeError(f"{name} is too long ({len(text)} characters): at most {longest} are allowed")
    if "\0" in text or any("\ud800" <= c <= "\udfff" for c in text):
        raise RecipeError(f"{name} = {shortened(text)} is not valid UTF-8: rename the file")
