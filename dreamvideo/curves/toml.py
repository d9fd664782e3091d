"""Reads TOML of unknown origin, refusing texts that would take the parser too long."""

from __future__ import annotations

import re
import tomllib
from typing import Any

MAX_TOML = 2**20  # characters
# A key of many dotted parts takes tomllib time that grows with the square of their number.
TOO_MANY_PARTS = re.compile(r"""(?<![\w-])(?:(?:[\w-]++|"[^"\n]*+"|'[^'\n]*+')[ \t]*+\.[ \t]*+){16}""")


def read_toml(text: str) -> dict[str, Any]:
    """Read a text as TOML.

    Raises:
        ValueError: it is not valid TOML, or larger or more deeply nested than any recipe.
    """
    if len(text) > MAX_TOML:
        raise ValueError(f"it has more than {MAX_TOML} characters")
    if TOO_MANY_PARTS.search(text):
        raise ValueError("one of its keys has too many dotted parts")
    try:
        return tomllib.loads(text)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
