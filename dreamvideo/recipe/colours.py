"""Reads colours of recipes."""

from __future__ import annotations

from ..errors import RecipeError, shortened


def parse_colour(text: str) -> tuple[int, int, int]:
    """Return a colour like `black`, `#ff8800` or `rgb(255, 136, 0)` as RGB of 8 bits (the names of CSS).

    Raises:
        RecipeError: there is no such colour.
    """
    from PIL import ImageColor

    try:
        red, green, blue = ImageColor.getrgb(text.strip())[:3]
    except ValueError as error:
        raise RecipeError(f"cannot read the colour {shortened(text)}: write a name like white, or #ff8800") from error
    return red, green, blue
