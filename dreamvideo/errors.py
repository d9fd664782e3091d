"""Everything dreamvideo raises on purpose, in one tree.

DreamError                what a user can mend; its message is one line that names the thing and the remedy
├── RecipeError           a parameter, recipe file or layer table that cannot be used
├── SourceError           an input that cannot be found, opened or decoded
├── SinkError             an output that cannot be written, or an encoder that failed
└── ModelError            a network, layer or weights file that cannot be had
"""

from __future__ import annotations

import reprlib

LONGEST = 2000  # characters of a message that are shown


class DreamError(Exception):
    """Base of every error that a user can mend; as text it is one line, whatever names and values it repeats."""

    def __str__(self) -> str:
        return plain(super().__str__())


class RecipeError(DreamError):
    """A parameter is out of range, unknown, or cannot be read."""


class SourceError(DreamError):
    """The input is missing, is no picture or film, or holds nothing that decodes."""


class SinkError(DreamError):
    """The output exists already, cannot be written, or its encoder failed."""


class ModelError(DreamError):
    """The network, one of its layers, or its weights cannot be had."""


def plain(text: str) -> str:
    """Return a text as one line, not too long, that a terminal takes for nothing but text (see `harmless`)."""
    line = harmless(" ".join(text.split()))
    return line if len(line) <= LONGEST else line[: LONGEST - 1] + "…"


def harmless(text: str) -> str:
    r"""Return a text with all that is not printed, escape sequences above all, written out: as TOML does, `\u001b`, so
    that a recipe stays the same recipe. Lines and tabs stay.
    """
    return "".join(c if c.isprintable() or c in "\n\t" else _written_out(ord(c)) for c in text)


def _written_out(code: int) -> str:
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def shown(value: object) -> str:
    """Return a value as a message repeats it: short, however long or deep it is."""
    short = reprlib.Repr()
    short.maxstring = short.maxother = 60
    try:
        return short.repr(value)
    except ValueError:  # Python writes out no number of thousands of digits
        return "a number without an end"


def is_out_of_memory(error: BaseException) -> bool:
    """Tell whether an error means that the machine's or a GPU's memory ran out.

    PyTorch raises a plain RuntimeError where the machine's memory runs out, so its text decides; its own class for a
    GPU's is known by name, because importing it would import PyTorch.
    """
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    return any(words in str(error) for words in ("out of memory", "can't allocate memory", "not enough memory"))
