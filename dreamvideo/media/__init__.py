"""Pictures in and out: `open_source` yields frames, `open_sink` takes them; both are context managers."""

from .probe import Colour, Info
from .sink import Sink, open_sink
from .source import DEFAULT_RATE, Frame, Source, open_source
from .tags import read_recipe

__all__ = ["DEFAULT_RATE", "Colour", "Frame", "Info", "Sink", "Source", "open_sink", "open_source", "read_recipe"]
