"""The recipe: all parameters of a render in sections, read from and written as TOML."""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args, get_type_hints

import tomli_w

from ..curves import expressions, keyframes, syntax, weight_lists
from ..curves.toml import read_toml
from ..errors import RecipeError, shortened
from .checks import check_curve, check_value
from .colours import parse_colour
from .files import parse_tables, read_tables
from .parameters import Camera, Clip, Dream, Encoding, Finish, Music, Network, Param, Temporal
from .times import parse_rate, parse_time


@dataclass(frozen=True)
class Recipe:
    """Everything that decides what a render looks like, in sections.

    Attributes:
        network, dream, temporal, camera, music, finish, clip, encoding: the sections (see `parameters.py`).
        curves: the user's own curves by name, to be used in other curves.

    Raises:
        RecipeError: a value has the wrong type or is out of range.
    """

    network: Network = field(default_factory=Network)
    dream: Dream = field(default_factory=Dream)
    temporal: Temporal = field(default_factory=Temporal)
    camera: Camera = field(default_factory=Camera)
    music: Music = field(default_factory=Music)
    finish: Finish = field(default_factory=Finish)
    clip: Clip = field(default_factory=Clip)
    encoding: Encoding = field(default_factory=Encoding)
    curves: dict[str, expressions.Curve] = field(default_factory=dict)

    def __post_init__(self) -> None:
        expressions.check_names(self.curves)
        for name, curve in self.curves.items():
            check_curve(f"curves.{name}", curve, self.curves)
        self._check_parameters()
        self._check_weights()
        self._check_clip()

    def _check_parameters(self) -> None:
        for section, key, kind, param in parameters():
            value = getattr(getattr(self, section), key)
            if param.curve and isinstance(value, (str, dict)):
                check_curve(f"{section}.{key}", value, self.curves, param)
            else:
                check_value(f"{section}.{key}", value, kind, param)

    def _check_weights(self) -> None:
        """Check the weights of layers and guides, each of which may be a curve."""
        layers, images = weight_lists.split_weights(self.network.layers), weight_lists.split_guides(self.network.guide)
        for key, weighted in (("layers", layers), ("guide", images)):
            for name, weight in weighted:
                check_curve(f"network.{key}, {name}", syntax.read_curve(weight or "1"), self.curves)

    def _check_clip(self) -> None:
        start, end = parse_time(self.clip.start), parse_time(self.clip.end)
        if start is not None and end is not None and end <= start:
            raise RecipeError(f"clip.end ({self.clip.end}) must be later than clip.start ({self.clip.start})")
        parse_rate(self.clip.fps)
        if self.clip.background != Clip.background:  # so that the default, and with it --help, needs no Pillow
            parse_colour(self.clip.background)

    @classmethod
    def from_toml(cls, text: str) -> Recipe:
        """Parse a recipe; parameters that it does not name keep their defaults.

        Raises:
            RecipeError: it is not valid TOML, has an unknown section or key, or a bad value.
        """
        return cls().merge(parse_tables(text))

    @classmethod
    def load(cls, path: str | Path) -> Recipe:
        """Read a recipe file (see `from_toml`)."""
        return cls().merge(read_tables(path))

    def merge(self, tables: Mapping[str, Mapping[str, Any]]) -> Recipe:
        """Return a copy of this recipe with some values replaced, given as {section: {key: value}}.

        Raises:
            RecipeError: a section or key is unknown, or a value is bad.
        """
        sections: dict[str, Any] = {}
        for name, table in _checked_table("the recipe", tables).items():
            section = _get_field(self, name, "section")
            _checked_table(f"[{name}]", table)
            if name == "curves":
                sections[name] = {**section, **{key: _normalised(value, 0.0) for key, value in table.items()}}
                continue
            for key in table:
                _get_field(section, key, f"parameter of [{name}]")
            defaults = type(section)()
            values = {key: _normalised(value, getattr(defaults, key)) for key, value in table.items()}
            sections[name] = dataclasses.replace(section, **values)
        return dataclasses.replace(self, **sections)

    def differences(self) -> dict[str, dict[str, Any]]:
        """Return the values that differ from the defaults as {section: {key: value}}, for `merge` into another."""
        defaults = dataclasses.asdict(Recipe())
        tables = {
            section: {
                key: value
                for key, value in table.items()
                if key not in defaults[section] or value != defaults[section][key]
            }
            for section, table in dataclasses.asdict(self).items()
        }
        return {section: table for section, table in tables.items() if table}

    def set(self, assignment: str) -> Recipe:
        """Return a copy of this recipe with one value changed by a text like `dream.step=0.02`.

        The value is read as TOML if it can be, else as text.

        Raises:
            RecipeError: the text is not an assignment, the parameter is unknown, or the value is bad.
        """
        path, equals, value = assignment.partition("=")
        section, dot, key = path.strip().partition(".")
        if not (equals and dot):
            raise RecipeError(f"cannot read {shortened(assignment)}: write section.key=value, like dream.step=0.02")
        try:
            parsed = read_toml(f"v = {value}")["v"]
        except ValueError:
            parsed = value.strip()
        is_text = any((section, key) == (s, k) and kind is str for s, k, kind, _ in parameters())
        if is_text and not isinstance(parsed, str):  # TOML reads 12 as a number and 00:01:30 as a time
            parsed = value.strip()
        return self.merge({section.strip(): {key.strip(): parsed}})

    def to_toml(self) -> str:
        """Return the complete recipe as TOML, from which `from_toml` makes an equal recipe."""
        tables = {
            section: {key: value for key, value in table.items() if value is not None}
            for section, table in dataclasses.asdict(self).items()
        }
        return tomli_w.dumps({section: table for section, table in tables.items() if table})


def parameters() -> Iterator[tuple[str, str, Any, Param]]:
    """Yield (section, key, type, Param) of every parameter, in the order of their definition."""
    for section, kind in get_type_hints(Recipe).items():
        if section == "curves":
            continue
        for key, hint in get_type_hints(kind, include_extras=True).items():
            base, param = get_args(hint)
            yield section, key, base, param


def _checked_table(name: str, table: Any) -> Mapping[Any, Any]:
    if not isinstance(table, Mapping):
        raise RecipeError(f"{name} is {shortened(table)}: it must be a table of keys and values")
    return table


def _get_field(owner: Any, key: Any, what: str) -> Any:
    """Return an attribute of a recipe or section, or suggest the names that come close to it."""
    known = [f.name for f in dataclasses.fields(owner)]
    if key not in known:
        word = key[: expressions.MAX_QUOTED] if isinstance(key, str) else ""
        near = difflib.get_close_matches(word, known, n=1, cutoff=0.5) or known
        raise RecipeError(f"the recipe has no {what} called {shortened(key)}: did you mean {' or '.join(near)}?")
    return getattr(owner, key)


def _normalised(value: Any, default: Any) -> Any:
    """Return keyframes with their moments as keys, and 12.0 as 12 where the default is a whole number."""
    if isinstance(value, dict):
        return keyframes.flatten_keys(value)
    is_whole = isinstance(default, int) and not isinstance(default, bool)
    return int(value) if is_whole and isinstance(value, float) and value.is_integer() else value
