"""The errors that dreamvideo raises on purpose, and helpers that keep their messages to one safe line.

DreamError                base class: something the user can fix; the message names the problem and the fix
├── RecipeError           a parameter, recipe file or list of layers that cannot be used
├── SourceError           an input that is missing or cannot be opened or decoded
├── SinkError             an output that cannot be written, or an encoder that failed
└── ModelError            a network, layer or weights file that is missing or does not fit
"""

from __future__ import annotations

import reprlib

MAX_MESSAGE = 2000  # characters; longer messages are cut
MAX_VALUE = 60  # characters of a value that a message repeats


class DreamError(Exception):
    """Base of every error that a user can fix; `str(error)` is always one line (see `one_line`)."""

    def __str__(self) -> str:
        return one_line(super().__str__())


class RecipeError(DreamError):
    """A parameter is unknown, out of range or unreadable."""


class SourceError(DreamError):
    """The input is missing, is not an image, film or sound file, or cannot be decoded."""


class SinkError(DreamError):
    """The output exists already or cannot be written, or its encoder failed."""


class ModelError(DreamError):
    """The network, one of its layers or its weights are missing or do not fit."""


def one_line(text: str) -> str:
    """Return a text as one line of at most `MAX_MESSAGE` characters, safe to print on a terminal (see `escaped`)."""
    line = escaped(" ".join(text.split()))
    return line if len(line) <= MAX_MESSAGE else line[: MAX_MESSAGE - 1] + "…"


def escaped(text: str) -> str:
    r"""Return a text with every unprintable character, such as a terminal escape, written as in TOML: `\u001b`.

    Newlines and tabs are kept, so a recipe in TOML still means the same.
    """
    return "".join(c if c.isprintable() or c in "\n\t" else _escape(ord(c)) for c in text)


def _escape(code: int) -> str:
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def shortened(value: object) -> str:
    """Return the `repr` of a value, cut to a length that fits into a message, however long or nested it is."""
    short = reprlib.Repr()
    short.maxstring = short.maxother = MAX_VALUE
    try:
        return short.repr(value)
    except ValueError:  # Python refuses to print integers of thousands of digits
        return "a number too long to print"


def is_out_of_memory(error: BaseException) -> bool:
    """Tell whether an error means that the machine's or a GPU's memory ran out.

    PyTorch raises a plain RuntimeError where the machine's memory runs out, so its text decides; its own class for a
    GPU's is known by name, because importing it would import PyTorch.
    """
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    return any(words in str(error) for words in ("out of memory", "can't allocate memory", "not enough memory"))
