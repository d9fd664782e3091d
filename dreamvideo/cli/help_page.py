"""Writes the help pages: `--help`, which fits one screen, and `--help-all`, with every flag by section."""

from __future__ import annotations

import dataclasses
import math
import os
import shutil
import sys
import textwrap
from collections.abc import Sequence
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from ..recipe import Param, Recipe, parameters
from .command import Command, Flag, own_flags

SHORT, FULL = ("-h", "--help"), ("--help-all", "--help_all")
CHOICE = "CHOICE"  # metavar of a parameter with a fixed set of values, which follow its help text
COLUMN = 28  # characters, where the help texts begin
NO_BREAK = "\u00a0"  # a space at which no line is broken
NARROWEST, WIDEST = 60, 100  # characters of a line

Row = tuple[str, str]  # a flag with its metavar, and its help text


def print_if_requested(command: Command[Any], argv: Sequence[str], ending: Sequence[str] = ()) -> None:
    """Print a help page and exit, if the command line has --help or --help-all.

    Args:
        command: whose help.
        argv: the words after its name.
        ending: lines to append.

    Raises:
        SystemExit: with code 0, after printing.
    """
    full = any(word in FULL for word in argv)
    if full or any(word in SHORT for word in argv):
        try:
            print("\n".join([*page(command, full), *ending]), flush=True)
        except BrokenPipeError:  # `--help-all | head`; what is still buffered must go nowhere
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(0)


def page(command: Command[Any], full: bool) -> list[str]:
    """Return the lines of a command's help page: the flags in `command.short`, or all of them."""
    usage = [f"{'usage:' if number == 0 else '':6} {line}" for number, line in enumerate(command.usage)]
    lines = [*usage, "", *command.description.rstrip().splitlines()]
    groups = _all_groups(command) if full else _short_groups(command)
    for title, rows in groups:
        lines += ["", f"{title}:", *table(rows)]
    if command.has_recipe and not full:
        lines += ["", f"All flags, by section: {command.name} --help-all"]
    return lines


def table(rows: Sequence[Row]) -> list[str]:
    """Return rows of two columns as lines no wider than the terminal; a long first column takes its own line."""
    width = min(max(shutil.get_terminal_size((WIDEST, 24)).columns, NARROWEST), WIDEST)
    lines = []
    for left, right in rows:
        text = textwrap.wrap(right, width - COLUMN, break_on_hyphens=False) or [""]
        if len(left) + 4 > COLUMN:
            lines.append(f"  {left}")
        else:
            lines.append(f"  {left}".ljust(COLUMN) + text.pop(0))
        lines += [" " * COLUMN + line for line in text]
    return [line.replace(NO_BREAK, " ") for line in lines]


def metavar(key: str, kind: Any, param: Param) -> str:
    """Return what the value of a parameter of the recipe is called; empty for a switch."""
    if kind is bool:
        return ""
    if param.curve:
        return "INT|CURVE" if kind is int else "NUMBER|CURVE"
    if get_origin(kind) is Literal:
        return CHOICE
    if get_origin(kind) is Union:
        words = [get_args(part)[0] for part in get_args(kind) if get_origin(part) is Literal]
        return "|".join([metavar(key, next(part for part in get_args(kind) if part in (int, float)), param), *words])
    if kind in (int, float):
        return "INT" if kind is int else "NUMBER"
    return "FILE" if param.file else key.upper()


def _short_groups(command: Command[Any]) -> list[tuple[str, list[Row]]]:
    """Return the flags of the short page, in the order that the command gives."""
    if not command.short:
        return [(title, rows) for title, rows in _own_groups(command) if rows]
    rows = _own_rows(command) | _recipe_rows(command)
    shown = [rows[name] for name in command.short]
    positional = [row for row in shown if not row[0].startswith("--")]
    groups = (("arguments", positional), ("flags", [row for row in shown if row not in positional]))
    return [(title, found) for title, found in groups if found]


def _all_groups(command: Command[Any]) -> list[tuple[str, list[Row]]]:
    """Return every flag: the command's own, then the recipe's by section."""
    rows = _recipe_rows(command)
    sections = [
        (f"{section}: {_title(kind)}", [row for name, row in rows.items() if name.startswith(f"{section}.")])
        for section, kind in get_type_hints(Recipe).items()
    ]
    return [(title, found) for title, found in [*_own_groups(command), *sections] if found]


def _own_groups(command: Command[Any]) -> list[tuple[str, list[Row]]]:
    """Return the command's own arguments: first the positional ones, then flags by the class that declares them."""
    rows = _own_rows(command)
    positional = [name for name, _, flag, _ in own_flags(command.arguments) if flag.positional]
    groups = [("arguments", [rows[name] for name in positional])]
    for owner in command.arguments.__mro__:
        names = [name for name in vars(owner).get("__annotations__", {}) if name in rows and name not in positional]
        groups.append((_title(owner), [rows[name] for name in names]))
    return groups


def _own_rows(command: Command[Any]) -> dict[str, Row]:
    """Return {field name: row} of the command's own arguments."""
    return {name: _row(name, kind, flag, default) for name, kind, flag, default in own_flags(command.arguments)}


def _recipe_rows(command: Command[Any]) -> dict[str, Row]:
    """Return {section.key: row} of the recipe's parameters that are flags of the command."""
    recipe, rows = Recipe(), {}
    for section, key, kind, param in parameters():
        if command.takes(section, key):
            flag = Flag(param.help, metavar(key, kind, param))
            rows[f"{section}.{key}"] = _row(key, kind, flag, getattr(getattr(recipe, section), key))
    return rows


def _row(name: str, kind: Any, flag: Flag, default: Any) -> Row:
    """Return an argument's two columns: how it is typed, and what it does with its choices and default."""
    choices = f" [{', '.join(get_args(kind))}]" if get_origin(kind) is Literal else ""
    right = f"{flag.help}{choices}{_default_text(default)}"
    if flag.positional:
        return flag.metavar, right
    return f"--{(flag.name or name).replace('_', '-')} {flag.metavar}".rstrip(), right


def _default_text(default: Any) -> str:
    """Return a default in brackets; nothing where it only says that the flag was not given."""
    if default is dataclasses.MISSING or default in (None, "", (), math.inf) or isinstance(default, bool):
        return ""
    number = f"{default:g}" if isinstance(default, float) else str(default)
    return f" (default:{NO_BREAK}{number})"


def _title(kind: type) -> str:
    """Return the first sentence of a class's description as the title of its flags."""
    title = (kind.__doc__ or "").partition("\n")[0].partition(". ")[0].rstrip(".")
    return title[:1].lower() + title[1:]
