"""Reads a command line into a subcommand's arguments and a recipe; every parameter of the recipe is a flag."""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import io
import re
import sys
from typing import Annotated, Any, TypeVar

from ..curves import expressions, syntax
from ..errors import DreamError, one_line
from ..recipe import Recipe, parameters, preset_tables, read_tables
from . import help_page
from .command import Command, Flag, RecipeArguments, own_flags

T = TypeVar("T")
R = TypeVar("R", bound=RecipeArguments)
WRITES_COMPLETION = "--tyro-write-completion"


def parse_with_recipe(command: Command[R], argv: list[str]) -> tuple[R, Recipe]:
    """Read the command line of a subcommand that takes the recipe's parameters as flags.

    Flags win over `--set`, that over `--recipe`, that over `--preset`.

    Args:
        command: what the subcommand declares.
        argv: the words after its name.

    Raises:
        DreamError: a preset, recipe file or value that cannot be used.
        SystemExit: bad usage (2), or help was asked for (0).
    """
    help_page.print_if_requested(command, argv)
    base = _base_recipe(argv)
    sections = {name: _section(command, name, getattr(base, name)) for name in vars(base) if name != "curves"}
    sections = {name: section for name, section in sections.items() if dataclasses.fields(section)}
    fields = [(name, type(section), dataclasses.field(default=section)) for name, section in sections.items()]
    kind: Any = dataclasses.make_dataclass("Arguments", [("own", _for_tyro(command.arguments)), *fields])
    parsed = _run_tyro(kind, command.name, argv)
    given = {name: _section_values(name, getattr(parsed, name), getattr(base, name)) for name in sections}
    return command.arguments(**vars(parsed.own)), base.merge(given)


def parse(command: Command[T], argv: list[str]) -> T:
    """Read the command line of a subcommand that has no flags of the recipe (see `parse_with_recipe`)."""
    help_page.print_if_requested(command, argv)
    return command.arguments(**vars(_run_tyro(_for_tyro(command.arguments), command.name, argv)))


def _base_recipe(argv: list[str]) -> Recipe:
    """Return the recipe that --preset, --recipe and --set give, before any other flag."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--preset", default="", nargs="?")  # tyro complains where the value is missing
    parser.add_argument("--recipe", default="", nargs="?")
    parser.add_argument("--set", action="append", default=[], nargs="?")
    given = parser.parse_known_args(argv)[0]
    base = Recipe()
    if given.preset:
        base = base.merge(preset_tables(given.preset))
    if given.recipe:
        base = base.merge(read_tables(given.recipe))
    for assignment in filter(None, given.set):
        base = base.set(assignment)
    return base


def _section_values(name: str, parsed: Any, base: Any) -> dict[str, Any]:
    """Return the values of a section after parsing; a curve whose text was not changed stays the same object."""
    values = dataclasses.asdict(parsed)
    for section, key, _, param in parameters():
        if section != name or not param.curve or key not in values:
            continue
        before, text = getattr(base, key), values[key]
        values[key] = before if text == expressions.curve_text(before) else syntax.read_curve(text)
    return values


def _section(command: Command[Any], name: str, section: Any) -> Any:
    """Return an instance of a dataclass for tyro: the parameters of a section, with their values as defaults."""
    fields: list[Any] = []
    for of, key, kind, param in parameters():
        if of != name or not command.takes(of, key):
            continue
        default = getattr(section, key)
        annotated = _tyro_type(str if param.curve else kind, Flag(param.help, help_page.metavar(key, kind, param)))
        default = expressions.curve_text(default) if param.curve else default
        fields.append((key, annotated, dataclasses.field(default=default)))
    namespace = {"__doc__": type(section).__doc__}
    return dataclasses.make_dataclass(type(section).__name__, fields, frozen=True, namespace=namespace)()


def _for_tyro(kind: type) -> Any:
    """Return an arguments dataclass with the annotations that tyro reads."""
    fields: list[Any] = [
        (name, _tyro_type(base, flag), dataclasses.field(default=default))
        for name, base, flag, default in own_flags(kind)
    ]
    return dataclasses.make_dataclass(kind.__name__, fields, kw_only=True, namespace={"__doc__": kind.__doc__})


def _tyro_type(kind: Any, flag: Flag) -> Any:
    """Return a type with tyro's annotations for one argument."""
    import tyro

    choices = flag.metavar == help_page.CHOICE  # tyro lists them itself
    arg = tyro.conf.arg(
        help=flag.help, help_behavior_hint="", metavar=None if choices else flag.metavar or None, name=flag.name or None
    )
    if kind is bool:
        return Annotated[kind, arg, tyro.conf.FlagCreatePairsOff]
    if kind == tuple[str, ...] and not flag.positional:
        return Annotated[kind, arg, tyro.conf.UseAppendAction]
    return Annotated[kind, arg, tyro.conf.Positional] if flag.positional else Annotated[kind, arg]


def _run_tyro(kind: Any, name: str, argv: list[str]) -> Any:
    """Parse a command line with tyro; print bad usage as one line.

    Raises:
        DreamError: a flag of tyro's own that would overwrite any file.
        SystemExit: bad usage.
    """
    import tyro

    if argv and argv[0].replace("_", "-") == WRITES_COMPLETION:
        raise DreamError(f"{name} writes no completions: print them with --tyro-print-completion bash")
    stderr = io.StringIO()
    try:
        with contextlib.redirect_stderr(stderr):
            options = (tyro.conf.OmitArgPrefixes, tyro.conf.HelptextFromCommentsOff)
            return tyro.cli(kind, prog=name, args=argv, config=options)
    except SystemExit as usage:
        if usage.code:
            print(f"dreamvideo: {_one_line(stderr.getvalue())}", file=sys.stderr)
        raise


def _one_line(message: str) -> str:
    """Return tyro's boxed error message as one line, its title left out and the hint at the help page shortened."""
    text = " ".join(re.sub(r"^╭.*$|[╰╯─│]", " ", message, flags=re.MULTILINE).split())
    text = re.sub(r"[.;\s]*For full helptext, run:? (.*--help)$", r"; see \1", text.replace(" (required)", ""))
    text = re.sub("^Missing from [^:]*:", "missing:", text)
    return one_line(text[:1].lower() + text[1:])
