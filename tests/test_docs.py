"""README and docs/ name only flags and presets that exist."""

from __future__ import annotations

import contextlib
import io
import re
import shlex
from functools import cache
from pathlib import Path

import pytest

from dreamvideo.cli.main import main
from dreamvideo.recipe import parameters, presets

ROOT = Path(__file__).resolve().parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
COMMANDS = ("studio", "resume", "measure", "curves", "layers", "sweep", "presets", "--batch")
WITHOUT_HELP = ("show", "--version")


def commands() -> list[tuple[str, str]]:
    """Return (page, command line) of every dreamvideo command that stands in a block of code."""
    found = []
    for page in PAGES:
        blocks = re.findall(r"```sh\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
        lines = [line for block in blocks for line in block.splitlines()]
        found += [(str(page.relative_to(ROOT)), line) for line in lines if line.startswith("dreamvideo ")]
    return found


@cache
def flags(command: str) -> set[str]:
    """Return the flags in the help of a subcommand; '' is the plain command."""
    given = {"--batch": ["--batch", "jobs.toml"], "presets": ["presets", "a.jpg", "b.png"]}.get(
        command, command.split()
    )
    for ask in ("--help-all", "--help"):
        printed = io.StringIO()
        try:
            with contextlib.redirect_stdout(printed):
                code = main([*given, ask])
        except SystemExit as end:
            code = int(end.code or 0)
        if code == 0:
            return {*re.findall(r"--[a-z][a-z-]*", printed.getvalue()), "--batch"}
    raise AssertionError(f"{command} has no help")


@pytest.mark.parametrize(("page", "line"), commands())
def test_commands_in_pages_have_flags_that_exist(page: str, line: str) -> None:
    words = shlex.split(line, comments=True)
    command = words[1] if words[1] in COMMANDS else ""
    if words[1] in WITHOUT_HELP:
        return
    unknown = {word for word in words if word.startswith("--")} - flags(command)
    assert not unknown, f"{page}: {line}"


def test_flags_in_text_exist() -> None:
    known = {flag for command in ("", *COMMANDS) for flag in flags(command)}
    known |= {f"--{key.replace('_', '-')}" for _, key, _, _ in parameters()}
    known |= {"--help", "--help-all", "--version"}
    own = {"--only", "--measure", "--first", "--each", "--start", "--piece", "--state", "--intake", "--looking"}
    own |= {"--writing", "--mean", "--spread", "--shots", "--picture"}  # of scripts/
    for page in PAGES:
        text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
        unknown = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", text)) - known - own
        assert not unknown, page


def test_presets_in_pages_exist() -> None:
    for page in PAGES:
        named = set(re.findall(r"--preset ([a-z]+)", page.read_text(encoding="utf-8")))
        assert named <= set(presets()), page


def test_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 200
