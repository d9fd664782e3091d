"""Every parameter of a render: defaults, units, ranges and help; and recipes as TOML."""

from .files import preset_tables, preset_text, presets, read_tables, read_text
from .parameters import Camera, Clip, Dream, Encoding, Finish, Music, Network, Param, Temporal
from .recipe import Recipe, guides, parameters
from .times import parse_rate, parse_time

__all__ = [
    "Camera", "Clip", "Dream", "Encoding", "Finish", "Music", "Network", "Param", "Recipe", "Temporal", "guides",
    "parameters", "parse_rate", "parse_time", "preset_tables", "preset_text", "presets", "read_tables", "read_text",
]  # fmt: skip
