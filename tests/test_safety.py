"""Safety: recipes, weights, films and file names from strangers are data; none runs code or opens a connection."""

from __future__ import annotations

import ast
import hashlib
import pickle
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
import torchvision
from conftest import ffmpeg
from torchvision.models._api import Weights, WeightsEnum
from torchvision.models.squeezenet import SqueezeNet1_1_Weights

import dreamvideo
from dreamvideo import DreamError, ModelError, Recipe, RecipeError, open_source
from dreamvideo.cli.main import main
from dreamvideo.curves import expressions
from dreamvideo.errors import escaped, one_line
from dreamvideo.media.metadata import read_recipe, with_comment
from dreamvideo.networks.load import load_network

PACKAGE = Path(dreamvideo.__file__).parent
RUNS = {"eval", "exec", "compile", "__import__", "breakpoint"}  # names that run code when they are called
CODE = {"pickle", "marshal", "shelve", "dill", "cloudpickle", "joblib", "runpy", "code", "importlib.util"}
NETWORK = {
    "socket",
    "socketserver",
    "http",
    "urllib",
    "ftplib",
    "smtplib",
    "xmlrpc",
    "requests",
    "httpx",
    "aiohttp",
    "ssl",
}
STARTS = {"subprocess", "multiprocessing", "pty", "asyncio"}
ALLOWED = {  # what starts processes and listens, and is tested for that by itself
    "media/ffmpeg.py": {"subprocess"},
    "studio/renders.py": {"subprocess"},
    "studio/server.py": {"asyncio", "socket"},
    "studio/previews.py": {"asyncio", "multiprocessing"},
    "studio/analysis.py": {"asyncio", "multiprocessing"},
    "studio/preview_process.py": {"multiprocessing"},
    **{f"studio/{name}.py": {"asyncio"} for name in ("app", "pages", "footage", "dreaming", "rendering")},
}
OF_OS = {"system", "popen", "fork", "forkpty", "posix_spawn", "startfile"}
TITLE = "\x1b]0;owned\x07\x1b[2J"  # sets the title of a terminal, and empties it


def modules() -> Iterator[tuple[str, ast.Module]]:
    for file in PACKAGE.rglob("*.py"):
        yield str(file.relative_to(PACKAGE)), ast.parse(file.read_text())


def calls(tree: ast.Module) -> Iterator[tuple[str, dict[str | None, ast.expr]]]:
    """Every call, as it is written, and what it is given by name."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func), {given.arg: given.value for given in node.keywords}


def imports(tree: ast.Module) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            found |= {node.module or "", *(f"{node.module}.{alias.name}" for alias in node.names)}
    return {part for name in found for part in (name, name.partition(".")[0])}


def test_nothing_in_the_package_runs_code_or_speaks_to_a_network() -> None:
    for name, tree in modules():
        assert imports(tree) & (CODE | NETWORK | STARTS) <= ALLOWED.get(name, set()), name
        for called, given in calls(tree):
            assert called not in RUNS, f"{name}: {called}"
            assert not (called.startswith("os.") and called[3:].startswith((*OF_OS, "exec", "spawn"))), (
                f"{name}: {called}"
            )
            assert not {"shell", "allow_pickle"} & given.keys(), f"{name}: {called}"
            if called in ("torch.load", "published.get_state_dict"):
                assert ast.unparse(given["weights_only"]) == "True", name
            if called == "published.get_state_dict":
                assert ast.unparse(given["check_hash"]) == "True", name


class Trap:
    """An object that makes a file when it is unpickled."""

    def __init__(self, sprung: Path):
        self._sprung = sprung

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self._sprung,)


def _zipped(path: Path, trap: Trap) -> None:
    torch.save({"features.0.weight": trap}, path)


def _older(path: Path, trap: Trap) -> None:
    torch.save({"features.0.weight": trap}, path, _use_new_zipfile_serialization=False)


def _bare(path: Path, trap: Trap) -> None:
    path.write_bytes(pickle.dumps({"state_dict": trap}))


@pytest.mark.parametrize("saved", [_zipped, _older, _bare])
@pytest.mark.parametrize("name", ["w.pth", "w.safetensors", "w.tar"])
def test_hostile_weights_are_refused_and_do_not_run(
    saved: Callable[[Path, Trap], None], name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    saved(tmp_path / name, Trap(tmp_path / "sprung"))
    cv2.imwrite(str(tmp_path / "in.png"), np.zeros((48, 64, 3), np.uint8))
    flags = ["--model", "squeezenet1_1", "--layers", "features.3=1", "--weights", str(tmp_path / name)]
    assert main([str(tmp_path / "in.png"), str(tmp_path / "out.png"), *flags]) == 1
    assert not (tmp_path / "sprung").exists()
    assert not (tmp_path / "out.png").exists()
    told = capsys.readouterr().err
    assert "is not a PyTorch weights file, or holds more than weights" in told
    assert told.count("\n") == 1


def test_the_trap_works(tmp_path: Path) -> None:
    _bare(tmp_path / "w.pth", Trap(tmp_path / "sprung"))
    pickle.loads((tmp_path / "w.pth").read_bytes())
    assert (tmp_path / "sprung").exists()


@pytest.fixture
def offered(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[str], Path]:
    """Return a function that has torchvision offer weights from a folder, under a name with so much of a hash; and
    returns where torch's hub keeps what it downloads.
    """
    torch.manual_seed(0)
    file = tmp_path / "weights"
    torch.save(torchvision.models.squeezenet1_1(weights=None).state_dict(), file)

    def offer(digest: str) -> Path:
        name = f"squeezenet1_1-{digest or hashlib.sha256(file.read_bytes()).hexdigest()[:8]}.pth"
        (tmp_path / name).write_bytes(file.read_bytes())
        usual = SqueezeNet1_1_Weights.DEFAULT.value
        here = Weights(url=(tmp_path / name).as_uri(), transforms=usual.transforms, meta={})
        kind = WeightsEnum("Offered", {"DEFAULT": here})
        monkeypatch.setattr(torchvision.models, "get_model_weights", lambda name: kind)
        monkeypatch.setattr(torch.hub, "_hub_dir", str(tmp_path / "hub"))
        return tmp_path / "hub" / "checkpoints" / name

    return offer


def test_a_download_of_the_right_hash_is_taken(offered: Callable[[str], Path], tmp_path: Path) -> None:
    kept = offered("")
    network = load_network("squeezenet1_1", ["features.3"])
    assert kept.read_bytes() == (tmp_path / "weights").read_bytes()
    own = load_network("squeezenet1_1", ["features.3"], str(tmp_path / "weights"))
    picture = torch.rand(1, 3, 64, 64)
    assert torch.equal(network(picture)["features.3"], own(picture)["features.3"])


def test_a_download_of_another_hash_is_refused(offered: Callable[[str], Path]) -> None:
    kept = offered("0123abcd")
    with pytest.raises(ModelError, match=r"invalid hash value.*--weights FILE"):
        load_network("squeezenet1_1", ["features.3"])
    assert not kept.exists()


def test_code_in_the_cache_of_downloads_does_not_run(offered: Callable[[str], Path], tmp_path: Path) -> None:
    kept = offered("")
    kept.parent.mkdir(parents=True)
    _zipped(kept, Trap(tmp_path / "sprung"))
    with pytest.raises(ModelError, match="squeezenet1_1"):
        load_network("squeezenet1_1", ["features.3"])
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize(
    "nasty",
    [
        "__import__('os').system('touch sprung')",
        "().__class__.__bases__[0].__subclasses__()",
        "t.__class__",
        "(t).real",
        "sin.__globals__",
        "getattr(t, 'real')",
        "open('sprung', 'w')",
        "eval('1')",
        "exec('1')",
        "globals()",
        "[c for c in ().__class__.__mro__]",
        "(lambda: (yield))()",
        "(lambda f: f(f))(lambda f: f(f))",
        "f'{t.__class__}'",
        "(x := 1)",
        "t[0]",
        "{**t}",
        "max(*[1, 2])",
        "pulse(**{'decay': 1})",
        "not t",
        "t and t",
        "1 << 9999999999",
        "'a' * 10**9",
        "sin(decay=1)",
        "pulse(t, __class__=1)",
        "print(1)",
        "breakpoint()",
        "t; import os",
        "import os",
        "await t",
        "...",
    ],
)
def test_expressions_reach_nothing(nasty: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for key in ("dream.step", "network.layers", "curves.kick"):
        with pytest.raises(RecipeError):
            Recipe().set(f"{key}=a={nasty}" if key == "network.layers" else f"{key}={nasty}")
    with pytest.raises(RecipeError):
        expressions.parse_expression(nasty)
    assert not list(tmp_path.iterdir())


HOSTILE = f"""[dream]
step = "__import__('os').system('touch sprung')" # {TITLE}
[network]
model = "{TITLE}\x9b2J\u202e"
"""


def _png(path: Path, comment: str) -> None:
    encoded = cv2.imencode(".png", np.zeros((16, 16, 3), np.uint8))[1].tobytes()
    path.write_bytes(with_comment(encoded, "[network]\n" + comment))


def _film(path: Path, comment: str) -> None:
    ffmpeg("-f", "lavfi", "-i", "testsrc2=s=64x48:r=10:d=0.2", "-metadata", f"comment={comment}", f"file:{path}")


@pytest.mark.parametrize(("made", "name"), [(_png, "a.png"), (_film, "a.mkv")])
def test_a_hostile_recipe_in_a_file_is_printed_and_read_as_data(
    made: Callable[[Path, str], None], name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    made(tmp_path / name, HOSTILE)
    assert "\x1b" in read_recipe(str(tmp_path / name))
    assert main(["show", str(tmp_path / name)]) == 0
    shown = capsys.readouterr().out
    assert "system('touch sprung')" in shown
    assert all(c.isprintable() for c in shown.replace("\n", ""))
    with pytest.raises(RecipeError):
        Recipe.from_toml(read_recipe(str(tmp_path / name)))
    assert [file.name for file in tmp_path.iterdir()] == [name]


def test_what_is_shown_is_the_same_recipe() -> None:
    recipe = Recipe().merge({"finish": {"mask": f"a{TITLE}\u200d\U000e0001\x9b\x7f.png"}})
    shown = escaped(recipe.to_toml())
    assert all(c.isprintable() for c in shown.replace("\n", ""))
    assert Recipe.from_toml(shown) == recipe


@pytest.mark.parametrize(
    "words",
    [
        [f"{TITLE}.mp4", "out.mp4"],
        ["show", f"{TITLE}.mp4"],
        ["in.mp4", "out.mp4", "--recipe", f"{TITLE}.toml"],
        ["in.mp4", "out.mp4", "--preset", TITLE],
        ["in.mp4", "out.mp4", "--set", f"dream.{TITLE}=1"],
        ["in.mp4", "out.mp4", "--cuts", TITLE],
        ["in.mp4", "out.mp4", "--step", TITLE],
        ["in.mp4", "out.mp4", "--save-recipe", f"{TITLE}.mp4"],
        ["measure", f"{TITLE}.mp4", "b.mp4"],
        ["curves", f"{TITLE}.toml", "--out", "c.png"],
    ],
)
def test_no_name_reaches_the_terminal_raw(
    words: list[str], capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(words) == 1
    told = capsys.readouterr()
    assert not told.out
    assert told.err.endswith("\n")
    assert told.err[:-1].isprintable()


def test_bad_usage_reaches_the_terminal_in_one_plain_line(capsys: pytest.CaptureFixture[str]) -> None:
    for argv in (
        ["in.mp4", "out.mp4", f"--{TITLE}"],
        ["in.mp4", "out.mp4", "--seconds", TITLE],
        ["a", "b", f"c{TITLE}"],
    ):
        with pytest.raises(SystemExit):
            main(argv)
        assert capsys.readouterr().err[:-1].isprintable()


def test_no_flag_of_the_parser_replaces_a_file(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("mine")
    assert main(["--tyro-write-completion", "bash", str(tmp_path / "mine")]) == 1
    assert (tmp_path / "mine").read_text() == "mine"


def test_an_error_is_one_line_of_plain_text() -> None:
    assert str(DreamError(f"no\nsuch\t{TITLE} file")) == r"no such \u001b]0;owned\u0007\u001b[2J file"
    assert one_line("ö, 日本, 🐶") == "ö, 日本, 🐶"
    assert len(str(DreamError("x" * 10**6))) < 10**4


@pytest.mark.parametrize("name", ["a.m3u8", "a.mp4", "a.ffconcat", "a.sdp"])
def test_opening_a_film_opens_no_connection(name: str, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        url = f"http://127.0.0.1:{server.getsockname()[1]}/a.ts"
        lists: dict[str, Any] = {
            ".ffconcat": f"ffconcat version 1.0\nfile {url}\n",
            ".sdp": f"v=0\nc=IN IP4 127.0.0.1\nm=video {server.getsockname()[1]} RTP/AVP 96\na=rtpmap:96 H264/90000\n",
        }
        playlist = f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{url}\n#EXT-X-ENDLIST\n"
        (tmp_path / name).write_text(lists.get(Path(name).suffix, playlist))
        for reads in (lambda path: open_source(path).__enter__(), read_recipe):
            with pytest.raises(DreamError):
                reads(str(tmp_path / name))
        with pytest.raises(DreamError):
            open_source(url).__enter__()
        with pytest.raises(BlockingIOError):  # nothing has connected
            server.accept()
