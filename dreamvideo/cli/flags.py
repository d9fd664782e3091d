"""Flags: read off the recipe, one for every parameter, and off what a verb asks for beside it."""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import io
import sys
from collections.abc import Collection
from typing import Annotated, Any, TypeVar

import tyro

from ..curves import expressions, syntax
from ..errors import DreamError, one_line
from ..recipe import Recipe, parameters, preset_tables, read_tables

T = TypeVar("T", bound="Start")
WRITES = "--tyro-write-completion"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Start:
    """The recipe that flags are laid over."""

    preset: Annotated[str, tyro.conf.arg(metavar="NAME", help="start from a recipe that comes with dreamvideo")] = ""
    recipe: Annotated[str, tyro.conf.arg(metavar="FILE", help="start from a recipe file; flags win over it")] = ""
    set: Annotated[
        tyro.conf.UseAppendAction[tuple[str, ...]], tyro.conf.arg(metavar="KEY=VALUE", help="like dream.step=0.02")
    ] = ()


def parse(
    kind: type[T], prog: str, description: str, argv: list[str], without: Collection[str] = ()
) -> tuple[T, Recipe]:
    """Read a command line that starts from a recipe: flags win over --set, that over --recipe, that over --preset.

    Args:
        kind: dataclass of what is asked for beside the recipe; a `Start`.
        prog, description: for its help.
        argv: the words behind `prog`.
        without: sections of the recipe, and parameters like `network.layers`, that have no flag here.
    """
    base = _base(argv)
    names = [name for name in vars(base) if name != "curves" and name not in without]
    sections = {name: _section(name, getattr(base, name), without) for name in names}
    fields = [(name, type(section), dataclasses.field(default=section)) for name, section in sections.items()]
    arguments: Any = dataclasses.make_dataclass("Arguments", [("job", kind), *fields])
    parsed = read(arguments, prog, description, argv)
    given = {name: _read_curves(name, getattr(parsed, name), getattr(base, name)) for name in sections}
    return parsed.job, base.merge(given)


def _base(argv: list[str]) -> Recipe:
    """Return the recipe that the flags are laid over."""
    first = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    first.add_argument("--preset", default="", nargs="?")  # without a value, the other reader complains
    first.add_argument("--recipe", default="", nargs="?")
    first.add_argument("--set", action="append", default=[], nargs="?")
    given = first.parse_known_args(argv)[0] if not {"-h", "--help"} & set(argv) else first.parse_args([])
    base = Recipe()
    if given.preset:
        base = base.merge(preset_tables(given.preset))
    if given.recipe:
        base = base.merge(read_tables(given.recipe))
    for assignment in filter(None, given.set):
        base = base.set(assignment)
    return base


def _read_curves(name: str, parsed: Any, base: Any) -> dict[str, Any]:
    """Return a section as it was given in flags: curves are texts there, and stay what they were if untouched."""
    values = dataclasses.asdict(parsed)
    for of, key, _, param in parameters():
        if of != name or not param.curve or key not in values:
            continue
        before, text = getattr(base, key), values[key]
        if text == expressions.curve_text(before):
            values[key] = before
            continue
        values[key] = syntax.read_curve(text)
    return values


def read(kind: Any, prog: str, description: str, argv: list[str]) -> Any:
    """Read flags into a dataclass; bad usage is told in one line.

    Raises:
        DreamError: a flag of tyro's own that would replace any file.
    """
    if argv and argv[0].replace("_", "-") == WRITES:
        raise DreamError(f"{prog} writes no completions: print them with --tyro-print-completion bash")
    told = io.StringIO()
    try:
        with contextlib.redirect_stderr(told):
            return tyro.cli(
                kind,
                prog=prog,
                description=description,
                args=argv,
                config=(tyro.conf.OmitArgPrefixes, tyro.conf.HelptextFromCommentsOff),
            )
    except SystemExit as usage:
        if usage.code:
            words = " ".join(told.getvalue().translate(str.maketrans("", "", "╭╮╰╯─│")).split())
            print(f"dreamvideo: {one_line(words.removeprefix('Parsing error '))}", file=sys.stderr)
        raise


def _section(name: str, section: Any, without: Collection[str]) -> Any:
    """Return a section of the recipe as tyro wants it: the help of every parameter beside its type."""
    fields: list[Any] = []
    for of, key, kind, param in parameters():
        if of != name or f"{of}.{key}" in without:
            continue
        default = getattr(section, key)
        told: Any = Annotated[kind, tyro.conf.arg(help=param.help)]
        if param.curve:
            what = "INT" if kind is int else "NUMBER"
            told = Annotated[str, tyro.conf.arg(help=param.help, metavar=f"{what}|CURVE")]
            default = expressions.curve_text(default)
        elif kind is bool:
            told = Annotated[told, tyro.conf.FlagCreatePairsOff]
        fields.append((key, told, dataclasses.field(default=default)))
    doc = {"__doc__": type(section).__doc__}
    return dataclasses.make_dataclass(type(section).__name__, fields, frozen=True, namespace=doc)()
