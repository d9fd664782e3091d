"""The house: imports point one way, and what the package offers is pinned."""

from __future__ import annotations

import ast
from pathlib import Path

import dreamvideo

PACKAGE = Path(dreamvideo.__file__).parent
ORDER = [  # a room may import from the rows below its own, and from errors
    {"__init__", "__main__", "cli"},
    {"job", "report", "drawing", "forecast", "looks", "sheet"},
    {"loop", "stage", "outputs"},
    {"pipeline", "metrics", "shots", "outpaint", "flash", "mask"},
    {"compose", "dream", "objective", "flow", "camera", "tiles", "graphs", "shaping", "guides", "beside"},
    {"models", "media", "audio", "blend"},
    {"ffmpeg"},
    {"score"},
    {"recipe", "timeline"},
    {"schedule"},
    {"memory"},
    {"errors"},
]
RANK = {room: rank for rank, rooms in enumerate(ORDER) for room in rooms}
WITHIN = {
    ("compose", "flow"), ("camera", "flow"), ("dream", "objective"), ("dream", "tiles"), ("dream", "graphs"),
    ("dream", "shaping"), ("guides", "beside"), ("pipeline", "shots"), ("pipeline", "outpaint"), ("pipeline", "mask"),
    ("metrics", "flash"), ("report", "job"), ("looks", "job"), ("looks", "sheet"),
    ("audio", "media"), ("drawing", "report"), ("__main__", "cli"),
}  # fmt: skip


def room(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported(path: Path) -> set[str]:
    """Every room a file imports when it is loaded (not inside functions, not for types only)."""
    found, depth = set(), len(path.relative_to(PACKAGE).parts)
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.ImportFrom) and node.level == depth:
            found |= {node.module.split(".")[0]} if node.module else {alias.name for alias in node.names}
    return found


def test_imports_point_one_way() -> None:
    files = [f for f in PACKAGE.rglob("*.py") if f.name != "__init__.py" or f.parent != PACKAGE]
    assert {room(f) for f in files} <= RANK.keys()
    for file in files:
        for other in imported(file) - {"__version__"}:
            assert RANK[other] > RANK[room(file)] or (room(file), other) in WITHIN, f"{file.name} imports {other}"


def test_only_one_module_starts_processes() -> None:
    starters = {room(f) for f in PACKAGE.rglob("*.py") if "subprocess" in f.read_text()}
    assert starters == {"ffmpeg"}


def test_what_the_package_offers() -> None:
    assert sorted(dreamvideo.__all__) == [
        "DreamError", "Engine", "Event", "Frame", "ModelError", "Recipe", "RecipeError", "Report", "Result",
        "Sheet", "SinkError", "SourceError", "assemble_now", "dream_image", "dream_video", "layers", "measure",
        "open_sink", "open_source", "preview", "render", "resume", "sweep",
    ]  # fmt: skip
    for name in dreamvideo.__all__:
        assert getattr(dreamvideo, name).__doc__
