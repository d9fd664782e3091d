"""A complete recipe: its sections put together, read from and written as TOML."""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args, get_type_hints

import tomli_w

from ..curves import expressions, keyframes, syntax, weights
from ..errors import RecipeError, shortened
from .checks import check_curve, check_value
from .files import read_tables, tables_of
from .parameters import Camera, Clip, Dream, Encoding, Finish, Music, Network, Param, Temporal
from .times import parse_rate, parse_time


@dataclass(frozen=True)
class Recipe:
    """Everything that decides what a render looks like, in sections.

    Raises:
        RecipeError: a value of the wrong type or outside its range.
    """

    network: Network = field(default_factory=Network)
    dream: Dream = field(default_factory=Dream)
    temporal: Temporal = field(default_factory=Temporal)
    camera: Camera = field(default_factory=Camera)
    music: Music = field(default_factory=Music)
    finish: Finish = field(default_factory=Finish)
    clip: Clip = field(default_factory=Clip)
    encoding: Encoding = field(default_factory=Encoding)
    curves: dict[str, expressions.Curve] = field(default_factory=dict)  # of the user's own, to be named in others

    def __post_init__(self) -> None:
        expressions.check_names(self.curves)
        for name, curve in self.curves.items():
            check_curve(f"curves.{name}", curve, self.curves)
        for section, key, kind, param in parameters():
            value = getattr(getattr(self, section), key)
            if param.curve and isinstance(value, (str, dict)):
                check_curve(f"{section}.{key}", value, self.curves, param)
            else:
                check_value(f"{section}.{key}", value, kind, param)
        for key, written in (
            ("layers", weights.split_weights(self.network.layers)),
            ("guide", guides(self.network.guide)),
        ):
            for name, weight in written:
                check_curve(f"network.{key}, {name}", syntax.read_curve(weight or "1"), self.curves)
        start, end = parse_time(self.clip.start), parse_time(self.clip.end)
        if start is not None and end is not None and end <= start:
            raise RecipeError(f"clip.end ({self.clip.end}) is not after clip.start ({self.clip.start})")
        parse_rate(self.clip.fps)

    @classmethod
    def from_toml(cls, text: str) -> Recipe:
        """Read a recipe; what it leaves out keeps its default.

        Raises:
            RecipeError: no TOML, an unknown section or key, or a bad value.
        """
        return cls().merge(tables_of(text))

    @classmethod
    def load(cls, path: str | Path) -> Recipe:
        """Read a recipe file (see `from_toml`)."""
        return cls().merge(read_tables(path))

    def merge(self, tables: Mapping[str, Mapping[str, Any]]) -> Recipe:
        """Return this recipe with the given {section: {key: value}} in place of its own.

        Raises:
            RecipeError: an unknown section or key, or a bad value.
        """
        sections: dict[str, Any] = {}
        for name, table in _table("the recipe", tables).items():
            own = _field(self, name, "section")
            _table(f"[{name}]", table)
            if name == "curves":
                sections[name] = {**own, **{key: _normalised(0.0, value) for key, value in table.items()}}
                continue
            for key in table:
                _field(own, key, f"parameter of [{name}]")
            settled = {key: _normalised(getattr(type(own)(), key), value) for key, value in table.items()}
            sections[name] = dataclasses.replace(own, **settled)
        return dataclasses.replace(self, **sections)

    def differences(self) -> dict[str, dict[str, Any]]:
        """Return what of this recipe is no default, as {section: {key: value}}: to lay it over another."""
        usual = dataclasses.asdict(Recipe())
        tables = {
            section: {
                key: value for key, value in table.items() if key not in usual[section] or value != usual[section][key]
            }
            for section, table in dataclasses.asdict(self).items()
        }
        return {section: table for section, table in tables.items() if table}

    def set(self, assignment: str) -> Recipe:
        """Return this recipe with one `section.key=value` changed, the value read as TOML or else as text."""
        path, equals, value = assignment.partition("=")
        section, dot, key = path.strip().partition(".")
        if not (equals and dot):
            raise RecipeError(f"cannot read {shortened(assignment)}: write section.key=value, like dream.step=0.02")
        try:
            read = syntax.read_toml(f"v = {value}")["v"]
        except ValueError:
            read = value.strip()
        wants_text = any((section, key) == (s, k) and kind is str for s, k, kind, _ in parameters())
        if wants_text and not isinstance(read, str):  # 12 and 00:01:30 are numbers and times to TOML
            read = value.strip()
        return self.merge({section.strip(): {key.strip(): read}})

    def to_toml(self) -> str:
        """Return the complete recipe as TOML; `from_toml` gives the same recipe back."""
        tables = {
            section: {k: v for k, v in values.items() if v is not None}
            for section, values in dataclasses.asdict(self).items()
        }
        return tomli_w.dumps({section: table for section, table in tables.items() if table})


def guides(text: str) -> list[tuple[str, str]]:
    """Split `a.jpg=1,b.mp4=pulse(beat, decay=0.2)` into paths and weights, which may be left out.

    A path may hold equals signs, but no commas. What stands behind one is a weight if it can be read as a curve.
    """
    found = []
    for part in map(str.strip, weights.split(text)):
        signs = [i for i, c in enumerate(part) if c == "=" and part[i - 1] not in "<>!=" and part[i + 1 : i + 2] != "="]
        sign = next((i for i in signs if weights.is_curve(part[i + 1 :])), len(part))
        found.append((part[:sign].strip(), part[sign + 1 :].strip()))
    return [(path, weight) for path, weight in found if path]


def parameters() -> Iterator[tuple[str, str, Any, Param]]:
    """Yield (section, key, type, Param) of every parameter, in the order they are written."""
    for section, kind in get_type_hints(Recipe).items():
        if section == "curves":
            continue
        for key, hint in get_type_hints(kind, include_extras=True).items():
            base, param = get_args(hint)
            yield section, key, base, param


def _table(name: str, table: Any) -> Mapping[Any, Any]:
    if not isinstance(table, Mapping):
        raise RecipeError(f"{name} is {shortened(table)}: it must be a table, of names and what they stand for")
    return table


def _field(owner: Any, key: Any, what: str) -> Any:
    known = [f.name for f in dataclasses.fields(owner)]
    if key not in known:
        word = key[: expressions.SHOWN] if isinstance(key, str) else ""
        near = difflib.get_close_matches(word, known, n=1, cutoff=0.5) or known
        raise RecipeError(f"the recipe has no {what} called {shortened(key)}: did you mean {' or '.join(near)}?")
    return getattr(owner, key)


def _normalised(default: Any, value: Any) -> Any:
    """Return a value as it is kept: keyframes with their moments as keys, 12.0 as 12 where whole numbers are wanted."""
    if isinstance(value, dict):
        return keyframes.flattened(value)
    is_whole = isinstance(default, int) and not isinstance(default, bool)
    return int(value) if is_whole and isinstance(value, float) and value.is_integer() else value


def input_files(recipe: Recipe) -> list[str]:
    """Return the paths of all files that a recipe reads: weights, guides, mask, music, cuts; as they are written."""
    paths: list[str] = []
    for section, key, _, param in parameters():
        value = getattr(getattr(recipe, section), key)
        if param.file and value and value not in param.words:
            paths += [path for path, _ in guides(value)] if key == "guide" else [value]
    return paths


def with_files(recipe: Recipe, where: Callable[[str], str]) -> Recipe:
    """Return a recipe whose files lie elsewhere: `where` tells the new path of each (see `input_files`)."""
    moved: dict[str, dict[str, str]] = {}
    for section, key, _, param in parameters():
        value = getattr(getattr(recipe, section), key)
        if not param.file or not value or value in param.words:
            continue
        if key == "guide":
            value = ",".join(f"{where(path)}={weight}" if weight else where(path) for path, weight in guides(value))
        else:
            value = where(value)
        moved.setdefault(section, {})[key] = value
    return recipe.merge(moved)
