"""What a subcommand declares: its arguments with their help, the recipe's flags it takes, and what its help shows."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection
from dataclasses import dataclass
from typing import Annotated, Any, Generic, TypeVar, get_args, get_type_hints

T = TypeVar("T")


@dataclass(frozen=True)
class Flag:
    """How a field of an arguments dataclass is given on the command line.

    Attributes:
        help: what it does, for the help page.
        metavar: what its value is called on the help page, like FILE; a switch has none.
        name: the flag's name without dashes; empty where it is the field's name.
        positional: whether it is given by its position instead of by a flag.
    """

    help: str
    metavar: str = ""
    name: str = ""
    positional: bool = False


@dataclass(frozen=True, kw_only=True)
class RecipeArguments:
    """The recipe to start from."""

    preset: Annotated[str, Flag("start from a preset (list them with: dreamvideo presets)", "NAME")] = ""
    recipe: Annotated[str, Flag("start from a recipe file; flags win over it", "FILE")] = ""
    set: Annotated[tuple[str, ...], Flag("set one parameter, like dream.step=0.02; repeatable", "KEY=VALUE")] = ()


@dataclass(frozen=True)
class Command(Generic[T]):
    """A subcommand as the parser and the help page see it.

    Attributes:
        name: the words it starts with, like `dreamvideo layers`.
        arguments: dataclass of its own arguments; each field is `Annotated[type, Flag(...)]`.
        usage: how it is called, one line each.
        description: what it does, with examples.
        without: sections of the recipe, and parameters like `network.layers`, that it has no flags for; only read
            where `arguments` is a `RecipeArguments`.
        short: names of the flags that `--help` shows, its own and the recipe's, in this order; empty: all of its own.
    """

    name: str
    arguments: type[T]
    usage: tuple[str, ...]
    description: str
    without: Collection[str] = ()
    short: tuple[str, ...] = ()

    @property
    def has_recipe(self) -> bool:
        """Whether the recipe's parameters are flags of this command."""
        return issubclass(self.arguments, RecipeArguments)

    def takes(self, section: str, key: str) -> bool:
        """Return whether a parameter of the recipe is a flag of this command."""
        return self.has_recipe and section not in self.without and f"{section}.{key}" not in self.without


def own_flags(kind: type) -> list[tuple[str, Any, Flag, Any]]:
    """Return (field name, type, Flag, default) of every field of an arguments dataclass.

    The default is `dataclasses.MISSING` where the argument is required.
    """
    hints = get_type_hints(kind, include_extras=True)
    flags = []
    for field in dataclasses.fields(kind):
        base, flag = get_args(hints[field.name])
        flags.append((field.name, base, flag, field.default))
    return flags
