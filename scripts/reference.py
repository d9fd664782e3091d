"""Fill in the parts of the documentation that are generated from the code: parameters, curves, commands, presets.

mkdocs calls this at build time (see mkdocs.yml), so that the site says what the code says. A page asks for a part with
a line like `*(filled in by scripts/docs: parameters)*`.
"""

from __future__ import annotations

import inspect
import math
import os
import re
import subprocess
import sys
from pathlib import Path
from types import UnionType
from typing import TYPE_CHECKING, Any, Literal, Union, get_args, get_origin

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files
    from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))  # the checkout's own package, whatever else is installed

import dreamvideo  # noqa: E402
from dreamvideo.curves import expressions, functions  # noqa: E402
from dreamvideo.curves.keyframes import EASES  # noqa: E402
from dreamvideo.recipe import Param, Recipe, parameters, preset_text, presets  # noqa: E402

COMMANDS = ("", "resume", "--batch jobs.toml", "presets", "layers", "sweep", "curves", "measure")
NAMES = {  # what the names in an expression stand for; the build fails where this and the code differ
    "t": "time in seconds, from the first frame of the output",
    "n": "time in frames",
    "fps": "frames per second",
    "length": "length of the film in seconds",
    "still": "1 in a film made of a still, 0 otherwise",
    "beat": "beats so far; passes a whole number on every beat",
    "bar": "bars so far; passes a whole number at the start of every bar",
    "onset": "onsets (notes, drum hits) so far; passes a whole number at each",
    "rms": "loudness, 0 to 1",
    "bass": "loudness below 160 Hz, 0 to 1",
    "mid": "loudness from 160 Hz to 4 kHz, 0 to 1",
    "treble": "loudness above 4 kHz, 0 to 1",
    "flux": "how much the spectrum changes, 0 to 1",
    "pi": "3.14159…",
}
PUBLIC = {
    "Rendering": ("dream_video", "resume", "assemble_now", "preview", "dream_image", "Event", "Result"),
    "Recipes": ("Recipe",),
    "A loop of your own": ("open_source", "Selection", "Engine", "render", "open_sink", "EncoderOptions", "Frame"),
    "Sheets and measurements": ("layers", "sweep", "Sheet", "measure", "Report"),
    "Errors": ("DreamError", "RecipeError", "SourceError", "SinkError", "ModelError"),
}
MARK = re.compile(r"^\*\(filled in by scripts/docs: (.+)\)\*$", re.MULTILINE)
LINKS = re.compile(r"\]\((?:(?:\.\./)+(samples/)|docs/)")  # as they are in the repository
MATHS = ("sin", "cos", "abs", "sqrt", "exp", "floor", "ceil", "min", "max")  # these do what they do in any language


def type_text(kind: Any) -> str:
    """Return a parameter's type in words, like `a whole number, or auto`."""
    if get_origin(kind) is Literal:
        return " · ".join(f"`{value}`" for value in get_args(kind))
    if get_origin(kind) in (Union, UnionType):
        return ", ".join(type_text(part) for part in get_args(kind) if part is not type(None))
    return {int: "whole number", float: "number", bool: "switch", str: "text"}[kind]


def range_text(param: Param) -> str:
    """Return the range a number must lie in; empty where it is not limited."""
    low, high = ("" if math.isinf(x) else f"{x:,g}" if abs(x) < 1e7 else f"{x:,.0f}" for x in (param.low, param.high))
    if low and high:
        return f"{low} to {high}"
    return f"{low} or more" if low else f"at most {high}" if high else ""


def value_text(value: Any) -> str:
    """Return a default as it is written on the command line; a dash for none."""
    if value is None or value == "":
        return "–"
    if isinstance(value, bool):
        return "on" if value else "off"
    return f"`{value:g}`" if isinstance(value, float) else f"`{value}`"


def cell(text: str) -> str:
    """Return a text as it may stand in a cell of a Markdown table."""
    return text.replace("|", "\\|").replace("<", "&lt;").replace("\n", " ")


def parameter_tables() -> str:
    """Return a table of parameters for every section of the recipe."""
    recipe, lines, section = Recipe(), [], ""
    for name, key, kind, param in parameters():
        if name != section:
            section = name
            doc = inspect.getdoc(type(getattr(recipe, name))) or ""
            lines += [
                f"\n## `[{name}]`\n",
                f"{doc}\n",
                "| flag | default | takes | what it does |",
                "|---|---|---|---|",
            ]
        flag = f"`--{key.replace('_', '-')}`{{ #{name}-{key} }}"
        takes = ", ".join(filter(None, (type_text(kind), range_text(param))))
        curve = " :material-chart-bell-curve:" if param.curve else ""
        file = ", a file" if param.file else ""
        default = value_text(getattr(getattr(recipe, name), key))
        lines.append(f"| {flag} | {default} | {cell(takes)}{file}{curve} | {cell(param.help)} |")
    return "\n".join(lines)


def call_text(name: str) -> str:
    """Return how a function is called, like `pulse(x, decay=0.3)`."""
    parts = [str(p) for p in inspect.signature(functions.IMPLEMENTATIONS[name]).parameters.values()]
    plain = [re.sub(r": .*?(?= = |$)", "", part).replace(" = ", "=") for part in parts]
    return f"{name}({', '.join(part for part in plain if part != 'timeline')})"


def function_table() -> str:
    """Return the functions of an expression that are more than arithmetic."""
    rows = ["| function | gives |", "|---|---|"]
    for name in expressions.FUNCTIONS:
        if name in MATHS:
            continue
        doc = inspect.getdoc(functions.IMPLEMENTATIONS[name]) or ""
        first = " ".join(doc.partition("\n\n")[0].split())
        first = re.sub(r"^([XABC])(?=,| to )", lambda found: found[1].lower(), first)  # arguments are lower case
        rows.append(f"| `{call_text(name)}` | {cell(first)} |")
    return "\n".join([*rows, "", f"Also {', '.join(f'`{name}`' for name in MATHS)}, as in any language."])


def name_table() -> str:
    """Return the names that an expression may use."""
    if different := {*expressions.NAMES, "pi"} ^ set(NAMES):
        raise SystemExit(f"scripts/reference.py: NAMES differs from the code in {different}")
    return "\n".join(
        ["| name | stands for |", "|---|---|", *(f"| `{name}` | {cell(text)} |" for name, text in NAMES.items())]
    )


def eases() -> str:
    """Return the ways from one keyframe to the next."""
    return "An ease is " + ", ".join(f"`{name}`" for name in EASES) + " or `bezier(0.4, 0, 0.2, 1)`."


def help_text(command: str) -> str:
    """Return what a command's --help-all prints, without the recipe's parameters."""
    words = [sys.executable, "-m", "dreamvideo", *command.split()]
    wide = {**os.environ, "COLUMNS": "100", "NO_COLOR": "1", "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8"}
    for flag in ("--help-all", "--help"):
        ran = subprocess.run([*words, flag], capture_output=True, text=True, encoding="utf-8", env=wide, check=False)
        if ran.returncode == 0:
            sections = "|".join(vars(Recipe()))
            text = re.sub(rf"^(?:{sections}): .*:\n(?:  .*\n)+\n?", "", ran.stdout, flags=re.MULTILINE)
            return re.sub(r"\n{3,}", "\n\n", text).strip()
    raise SystemExit(f"scripts/reference.py: {' '.join(words)} --help failed: {ran.stderr}")


def command_help() -> str:
    """Return the help of every command."""
    blocks = []
    for command in COMMANDS:
        title = "dreamvideo INPUT OUTPUT" if not command else f"dreamvideo {command}"
        blocks.append(f"## `{title}`\n\n```text\n{help_text(command)}\n```")
    return "\n\n".join(blocks)


def preset_list() -> str:
    """Return the presets: what each is for, and the recipe itself."""
    blocks = []
    for name in presets():
        text = preset_text(name)
        comment = re.match(r"(#.*\n)*", text)
        about = " ".join(line.lstrip("# ") for line in comment[0].splitlines()) if comment else ""
        body = text[comment.end() if comment else 0 :].strip()
        blocks.append(f"## {name}\n\n{about}\n\n{preset_gallery(name)}```toml\n{body}\n```")
    return "\n\n".join(blocks)


def preset_gallery(name: str) -> str:
    """Return a preset's clip and still (see scripts/gallery), for those that have them."""
    if not (ROOT / "samples" / "presets" / f"{name}.mp4").exists():
        return ""
    file = f"../../samples/presets/{name}"
    video = f'src="{file}.mp4" controls loop muted playsinline preload="metadata"'
    clip = f'<video {video} aria-label="a film in the look {name}"></video>'
    return f'<div class="look" markdown>\n{clip}\n![A photo in the look {name}]({file}.jpg)\n</div>\n\n'


def public_names() -> str:
    """Return the public names in groups; mkdocstrings puts a docstring in each one's place."""
    if different := {name for names in PUBLIC.values() for name in names} ^ set(dreamvideo.__all__):
        raise SystemExit(f"scripts/reference.py: PUBLIC differs from dreamvideo.__all__ in {different}")
    blocks = []
    for title, names in PUBLIC.items():
        blocks.append(f"## {title}")
        for name in names:
            members = "\n      members: false" if name == "Engine" else ""  # its methods serve the loop
            blocks.append(f"::: dreamvideo.{name}\n    options:\n      heading_level: 3{members}")
    return "\n\n".join(blocks)


def section_of(file: str, heading: str) -> str:
    """Return a section of one of the repository's files."""
    text = (ROOT / file).read_text(encoding="utf-8")
    found = re.search(rf"^## {re.escape(heading)}\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    if not found:
        raise SystemExit(f"scripts/reference.py: {file} has no section {heading!r}")
    return found[1].strip()


def changelog() -> str:
    """Return CHANGELOG.md without its title."""
    return (ROOT / "CHANGELOG.md").read_text(encoding="utf-8").partition("\n")[2].strip()


PARTS = {
    "parameters": parameter_tables,
    "names": name_table,
    "functions": function_table,
    "eases": eases,
    "commands": command_help,
    "presets": preset_list,
    "public names": public_names,
    "troubleshooting": lambda: section_of("README.md", "Troubleshooting"),
    "changelog": changelog,
}


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pictures of samples/ to the site."""
    from mkdocs.structure.files import File

    for file in sorted((ROOT / "samples").rglob("*")):
        if file.suffix in (".jpg", ".webp") or file.parent.name == "presets":
            name = file.relative_to(ROOT).as_posix()
            files.append(File.generated(config, name, abs_src_path=str(file)))
    return files


def on_page_markdown(markdown: str, page: Page, **_: object) -> str:
    """Fill in what a page asks for, and point its links at where the site has pictures and pages."""
    filled = MARK.sub(lambda mark: PARTS[mark[1]](), markdown)
    up = "../" * page.file.src_uri.count("/")
    return LINKS.sub(lambda link: f"]({up}{link[1] or ''}", filled)
