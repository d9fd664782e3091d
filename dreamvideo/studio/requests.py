"""Reads what the page sends."""

from __future__ import annotations

import json
from typing import Any

from starlette.requests import Request

from ..errors import RecipeError, shortened
from .formats import BY_NAME, Format

MAX_BODY = 4_000_000  # bytes of a request that is no upload


async def read_json(request: Request) -> dict[str, Any]:
    """Return the body of a request.

    Raises:
        RecipeError: it is no JSON object, or too long.
    """
    body = b""
    async for block in request.stream():
        body += block
        if len(body) > MAX_BODY:
            raise RecipeError("this is too much at once")
    try:
        wanted = json.loads(body or b"{}")
    except ValueError as error:
        raise RecipeError("this is no JSON") from error
    if not isinstance(wanted, dict):
        raise RecipeError("this is no JSON object")
    return wanted


def client_of(wanted: dict[str, Any]) -> str:
    """Return which page a request comes from."""
    return str(wanted.get("client", ""))


def whole_number(wanted: dict[str, Any], key: str) -> int:
    """Return a whole number of a request; 0 if it is missing.

    Raises:
        RecipeError: it is no whole number.
    """
    value = wanted.get(key, 0)
    if isinstance(value, bool) or not isinstance(value, int):
        raise RecipeError(f"{key} is {shortened(value)}: it must be a whole number")
    return value


def format_of(wanted: dict[str, Any]) -> Format:
    """Return the output format that a request names."""
    name = str(wanted.get("format", "web"))
    if name not in BY_NAME:
        raise RecipeError(f"there is no format {shortened(name)}: take one of {', '.join(BY_NAME)}")
    return BY_NAME[name]
