"""Everything dreamvideo raises on purpose, in one tree.

DreamError                what a user can mend; its message is one line that names the thing and the remedy
├── RecipeError           a parameter, recipe file or layer table that cannot be used
├── SourceError           an input that cannot be found, opened or decoded
├── SinkError             an output that cannot be written, or an encoder that failed
└── ModelError            a network, layer or weights file that cannot be had
"""


class DreamError(Exception):
    """Base of every error that a user can mend."""


class RecipeError(DreamError):
    """A parameter is out of range, unknown, or cannot be read."""


class SourceError(DreamError):
    """The input is missing, is no picture or film, or holds nothing that decodes."""


class SinkError(DreamError):
    """The output exists already, cannot be written, or its encoder failed."""


class ModelError(DreamError):
    """The network, one of its layers, or its weights cannot be had."""
