"""The house: imports point one way, and what the package offers is pinned."""

from __future__ import annotations

import ast
from graphlib import TopologicalSorter
from pathlib import Path

import dreamvideo

PACKAGE = Path(dreamvideo.__file__).parent
FLOORS = [  # a room, or a single file of one, may import from its own floor and from those above it in this list
    ("errors",),
    ("media",),
    ("curves.expressions", "curves.keyframes", "curves.toml", "curves.syntax", "curves.weight_lists"),
    ("recipe",),
    ("curves", "networks"),
    ("dream",),
    ("finish",),
    ("video",),
    ("jobs",),
    ("analysis",),
    ("sheets",),
    ("studio",),
    ("cli",),
    ("__main__",),
]


def module(file: Path) -> str:
    return ".".join(file.relative_to(PACKAGE).with_suffix("").parts).removesuffix(".__init__")


def floor(name: str) -> int:
    """The number of the floor that a module stands on: that of the longest name that covers it."""
    fits = [(len(room), k) for k, rooms in enumerate(FLOORS) for room in rooms if f"{name}.".startswith(f"{room}.")]
    return max(fits)[1]


def imported(file: Path) -> set[str]:
    """The package's modules that a file imports anywhere: at its top, inside functions, or for types only."""
    here = file.relative_to(PACKAGE).parts[:-1]
    found = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.ImportFrom) and node.level:
            base = [*here[: len(here) - node.level + 1], *(node.module.split(".") if node.module else [])]
            for alias in node.names:
                path = PACKAGE.joinpath(*base, alias.name)
                inner = path.with_suffix(".py").exists() or path.is_dir()
                found.add(".".join([*base, alias.name] if inner else base))
    return found - {"", module(file)}  # "" is the package itself, which holds the version


def graph() -> dict[str, set[str]]:
    files = [f for f in PACKAGE.rglob("*.py") if f != PACKAGE / "__init__.py"]
    return {module(file): imported(file) for file in files}


def test_imports_point_one_way() -> None:
    for name, others in graph().items():
        for other in others:
            assert floor(other) <= floor(name), f"{name} imports {other}"


def test_media_knows_no_recipe_and_no_curves() -> None:
    for name, others in graph().items():
        if name.startswith("media."):
            assert not [other for other in others if not other.startswith(("media.", "errors"))], name


def test_no_import_leads_back_to_itself() -> None:
    list(TopologicalSorter(graph()).static_order())  # raises CycleError, with the circle


def test_ffmpeg_and_the_renders_of_the_studio_are_the_only_processes_that_are_started() -> None:
    starters = {module(f) for f in PACKAGE.rglob("*.py") if "subprocess" in f.read_text()}
    assert starters == {"media.ffmpeg", "studio.renders"}


def test_every_file_says_in_its_first_line_what_it_holds() -> None:
    for file in PACKAGE.rglob("*.py"):
        doc = ast.get_docstring(ast.parse(file.read_text())) or ""
        assert 10 < len(doc.partition("\n")[0]) <= 120, file


def test_what_the_package_offers() -> None:
    assert sorted(dreamvideo.__all__) == [
        "DreamError", "EncoderOptions", "Engine", "Event", "Frame", "ModelError", "Recipe", "RecipeError",
        "Report", "Result", "Selection", "Sheet", "SinkError", "SourceError", "assemble_now", "dream_image",
        "dream_video", "layers", "measure", "open_sink", "open_source", "preview", "render", "resume", "sweep",
    ]  # fmt: skip
    for name in dreamvideo.__all__:
        assert getattr(dreamvideo, name).__doc__
