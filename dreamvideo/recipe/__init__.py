"""Recipes: every parameter of a render with its default, unit, range and help text; recipe files and presets."""

from .colours import parse_colour
from .files import preset_purpose, preset_tables, preset_text, presets, read_tables, read_text
from .input_files import input_files, with_files
from .parameters import PALETTES, SOURCE_MUSIC, Camera, Clip, Dream, Encoding, Finish, Music, Network, Param, Temporal
from .recipe import Recipe, parameters
from .times import parse_rate, parse_time

__all__ = [
    "PALETTES", "SOURCE_MUSIC", "Camera", "Clip", "Dream", "Encoding", "Finish", "Music", "Network", "Param", "Recipe",
    "Temporal", "input_files", "parameters", "parse_colour", "parse_rate", "parse_time",
    "preset_purpose", "preset_tables", "preset_text", "presets", "read_tables", "read_text", "with_files",
]  # fmt: skip
