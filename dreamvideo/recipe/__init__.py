"""Every parameter of a render: defaults, units, ranges and help; and recipes as TOML."""

from .files import preset_tables, preset_text, presets, read_tables, read_text
from .parameters import SOURCE_MUSIC, Camera, Clip, Dream, Encoding, Finish, Music, Network, Param, Temporal
from .recipe import Recipe, guides, input_files, parameters, with_files
from .times import parse_rate, parse_time

__all__ = [
    "SOURCE_MUSIC", "Camera", "Clip", "Dream", "Encoding", "Finish", "Music", "Network", "Param", "Recipe", "Temporal",
    "guides", "input_files", "parameters", "parse_rate", "parse_time", "preset_tables", "preset_text", "presets",
    "read_tables", "read_text", "with_files",
]  # fmt: skip
