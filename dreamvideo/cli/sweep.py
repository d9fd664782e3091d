"""`dreamvideo sweep`."""

from __future__ import annotations

from ..curves import weights
from ..errors import RecipeError
from ..recipe import parameters
from . import flags
from .sheet_flags import Looking, _check
from .terminal import Progress

SWEEP = """Dream a picture by several values of a parameter, or of two, into one sheet with the flags to paste.

  dreamvideo sweep photo.jpg sheet.png --step 0.005,0.01,0.02
  dreamvideo sweep photo.jpg sheet.png --step 0.005,0.01,0.02 --layers blocks.5=1 blocks.9=1
  dreamvideo sweep film.mp4 sheet.png --at 12 --morph 0,0.5,1

Values are separated by commas; those that hold commas themselves (layers, files) by spaces or semicolons. INPUT and
OUTPUT come first. The first parameter goes across, the second down; all other flags hold for every cell.
"""
SPACED = ("layers", "guide", "weights", "music", "cuts", "mask")  # parameters whose values may hold commas


def sweep(argv: list[str]) -> int:
    """Draw a sheet of several values; return the exit code."""
    rest, axes = swept(argv)
    asked, recipe = flags.parse(Looking, "dreamvideo sweep", SWEEP, rest, ("encoding",))
    from ..sheets import sweep as sheets_sweep

    _check(asked, recipe)
    with Progress("cell") as progress:
        drawn = sheets_sweep.sweep(asked.input, axes, recipe, at=asked.at, on_event=progress)
    drawn.save(asked.output, asked.overwrite)
    return 0


def swept(argv: list[str]) -> tuple[list[str], dict[str, list[str]]]:
    """Take the parameters that have several values out of a command line.

    Returns:
        The words that are left, and {section.key: values}.
    """
    known = {f"--{key.replace('_', '-')}": (section, key, kind) for section, key, kind, _ in parameters()}
    rest: list[str] = []
    axes: dict[str, list[str]] = {}
    words = list(argv)
    while words:
        word = words.pop(0)
        flag, equals, value = word.partition("=")
        section, key, kind = known.get(flag.replace("_", "-"), ("", "", None))
        if not key or (kind is bool and not equals and "," not in " ".join(words[:1])):
            rest.append(word)
            continue
        given = [value] if equals else words[:1]
        del words[: 0 if equals else 1]
        while key in SPACED and words and not words[0].startswith("--"):
            given.append(words.pop(0))
        values = [value for text in given for value in _values(key, text)]
        if len(values) > 1:
            axes[f"{section}.{key}"] = values
        else:
            rest += [flag, *values]
    return rest, axes


def _values(key: str, text: str) -> list[str]:
    """Split what stands behind a flag into its values."""
    parts = [part for half in text.split(";") for part in ([half] if key in SPACED else weights.split_at_commas(half))]
    values = [part.strip() for part in parts]
    if len(values) > 1 and not all(values):
        raise RecipeError(f"--{key.replace('_', '-')} {text} names an empty value: write values with a comma between")
    return values
