"""`dreamvideo sweep`: dream a picture with several values of one or two parameters, onto one sheet."""

from __future__ import annotations

from ..curves import weight_lists
from ..errors import RecipeError
from ..recipe import parameters
from . import flags
from .command import Command
from .sheet_flags import SheetArguments, check_output
from .terminal import Progress

COMMAND = Command(
    "dreamvideo sweep",
    SheetArguments,
    ("dreamvideo sweep INPUT OUTPUT --FLAG VALUES [--FLAG VALUES] [FLAGS]",),
    """Dream a picture with several values of one parameter, or of two, onto one sheet; under each
picture stands the flag to paste.

  dreamvideo sweep photo.jpg sheet.png --step 0.005,0.01,0.02
  dreamvideo sweep photo.jpg sheet.png --step 0.005,0.01,0.02 --layers blocks.5=1 blocks.9=1
  dreamvideo sweep film.mp4 sheet.png --at 12 --morph 0,0.5,1

Separate values by commas; values that contain commas themselves (layers, files) by spaces or
semicolons. INPUT and OUTPUT come first. The first parameter varies across, the second down; all
other flags apply to every picture, and --size is the size of one.
""",
    without=("encoding",),
    short=(
        "input", "output", "at", "preset", "network.layers", "dream.octaves", "dream.iterations",
        "dream.step", "finish.strength", "clip.size", "overwrite",
    ),
)  # fmt: skip
# parameters whose values may contain commas
SPACED = ("layers", "guide", "weights", "flow_weights", "music", "cuts", "mask")


def sweep(argv: list[str]) -> int:
    """Draw a sheet of several values; return the exit code."""
    rest, axes = split_axes(argv)
    arguments, recipe = flags.parse_with_recipe(COMMAND, rest)
    from ..sheets import sweep as sheets_sweep

    check_output(arguments, recipe)
    with Progress("cell") as progress:
        sheet = sheets_sweep.sweep(arguments.input, axes, recipe, at=arguments.at, on_event=progress)
    sheet.save(arguments.output, arguments.overwrite)
    return 0


def split_axes(argv: list[str]) -> tuple[list[str], dict[str, list[str]]]:
    """Take the parameters with several values out of a command line.

    Returns:
        The remaining words, and {section.key: values}.

    Raises:
        RecipeError: an empty value between two commas.
    """
    known = {f"--{key.replace('_', '-')}": (section, key, kind) for section, key, kind, _ in parameters()}
    rest: list[str] = []
    axes: dict[str, list[str]] = {}
    words = list(argv)
    while words:
        word = words.pop(0)
        flag, equals, value = word.partition("=")
        section, key, kind = known.get(flag.replace("_", "-"), ("", "", None))
        is_switch = kind is bool and not equals and "," not in " ".join(words[:1])
        if not key or is_switch:
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
    """Split the text after a flag into its values."""
    parts = [
        part for half in text.split(";") for part in ([half] if key in SPACED else weight_lists.split_at_commas(half))
    ]
    values = [part.strip() for part in parts]
    if len(values) > 1 and not all(values):
        raise RecipeError(f"--{key.replace('_', '-')} {text} has an empty value: write one comma between two values")
    return values
