"""The command as a user types it: what it makes, and one clear line for everything that goes wrong."""

from __future__ import annotations

import dataclasses
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest
from conftest import SAMPLES
from media_files import packets, read

from dreamvideo import Recipe, SinkError, dream_image, dream_video
from dreamvideo.cli import render
from dreamvideo.cli.main import SUBCOMMANDS, main
from dreamvideo.jobs.events import Event
from dreamvideo.media.metadata import read_recipe
from dreamvideo.recipe import parameters

MakeClip = Callable[..., Path]
QUICK = ["--octaves", "1", "--iterations", "2", "--refine", "1"]


def dreamvideo(*args: object, **kwargs: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "dreamvideo", *map(str, args)]
    return subprocess.run(command, capture_output=True, text=True, timeout=240, check=False, **kwargs)  # type: ignore


def run(*args: object) -> int:
    """Run the command in this process, where torch is loaded already."""
    return main([str(arg) for arg in args])


def test_the_sample_is_dreamed_by_the_command(tmp_path: Path) -> None:
    sample = SAMPLES / "bunny.mp4"
    done = dreamvideo(sample, tmp_path / "out.mp4", "--size", "160x90", "--end", "1", *QUICK,
                      "--save-recipe", tmp_path / "r.toml")  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert re.search(r"25/25 frames, +[\d.]+s/frame, [\d:]+ left", done.stderr)
    info, frames = read(tmp_path / "out.mp4")
    assert (info.width, info.height, info.rate, info.count, info.sound) == (160, 90, 25, 25, ("aac",))
    original = read(sample, size="160x90", end=Fraction(1))[1]
    change = [np.abs(a.pixels.astype(int) - b.pixels).mean() for a, b in zip(frames, original, strict=True)]
    assert min(change) > 2  # every frame is dreamed
    shown = dreamvideo("show", tmp_path / "out.mp4")
    assert shown.stdout == (tmp_path / "r.toml").read_text()
    recipe = Recipe.from_toml(shown.stdout)
    assert (recipe.clip.size, recipe.dream.iterations, recipe.dream.step) == ("160x90", 2, Recipe().dream.step)


def test_a_saved_recipe_makes_the_same_film(clip: MakeClip, tmp_path: Path) -> None:
    path = clip("a.mp4", frames=4)
    assert run(path, tmp_path / "a.mkv", "--strength", "0.7", *QUICK, "--save-recipe", tmp_path / "r.toml") == 0
    assert run(path, tmp_path / "b.mkv", "--recipe", tmp_path / "r.toml") == 0
    assert packets(tmp_path / "a.mkv", "video") == packets(tmp_path / "b.mkv", "video")


def pages(*commands: list[str]) -> list[str]:
    """Return the help pages of command lines at 100 columns, from one process that must not load torch and the like."""
    code = (
        "import sys; from dreamvideo.cli.main import main\n"
        f"for argv in {[list(command) for command in commands]!r}:\n"
        "    try: main(argv)\n"
        "    except SystemExit as stopped: assert not stopped.code\n"
        "    print('\\f', end='')\n"
        "assert not {'torch', 'numpy', 'av', 'PIL', 'matplotlib', 'tyro'} & sys.modules.keys()"
    )
    environment = {**os.environ, "COLUMNS": "100"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, env=environment)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.split("\f")[:-1]


def test_help_is_quick_grouped_and_loads_no_torch() -> None:
    code = (
        "import sys; sys.argv = ['dreamvideo', '--help-all']; from dreamvideo.__main__ import run\n"
        "try: run()\nfinally: assert not {'torch', 'numpy', 'av'} & sys.modules.keys()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for flag in ("model", "weights", "layers", "octaves", "octave-scale", "iterations", "step", "jitter", "strength",
                 "persistence", "flow", "seed", "device", "precision", "threads", "memory", "recipe", "set", "codec",
                 "crf", "pix-fmt", "size", "start", "end", "fps", "preview", "save-recipe", "overwrite"):  # fmt: skip
        assert f"--{flag} " in done.stdout, flag
    for section in dataclasses.fields(Recipe):
        assert section.name == "curves" or f"\n{section.name}: " in done.stdout


def test_help_fits_a_screen_and_names_every_subcommand() -> None:
    (page,) = pages(["--help"])
    lines = page.splitlines()
    assert len(lines) <= 45
    assert max(map(len, lines)) <= 100
    for flag in ("preset", "layers", "strength", "size", "seconds", "zoom", "music", "mask", "guide", "preview", "plan",
                 "overwrite", "help-all", "batch"):  # fmt: skip
        assert f"--{flag}" in page, flag
    for name, command in SUBCOMMANDS.items():
        assert any(line.startswith(f"  {name} ") and command.summary in line for line in lines), name
    helps = {key: param.help for _, key, _, param in parameters()}
    joined = " ".join(page.split())
    assert helps["layers"] in joined
    assert helps["seconds"] in joined  # the recipe's own words, wrapped


def test_the_full_help_names_every_parameter_once_and_only_defaults_that_say_something() -> None:
    (page,) = pages(["in.mp4", "--help-all"])
    flags = re.findall(r"^  --([a-z-]+)", page, re.MULTILINE)
    for _, key, _, _ in parameters():
        assert flags.count(key.replace("_", "-")) == 1, key
    for field in dataclasses.fields(render.RenderArguments):
        flag = {"since": "from"}.get(field.name, field.name.replace("_", "-"))
        assert flags.count(flag) == (field.name not in ("input", "output")), flag
    assert len(flags) == len(set(flags))
    assert max(map(len, page.splitlines())) <= 100
    joined = " ".join(page.split())
    assert "(default: )" not in joined
    assert "(default: '')" not in joined
    assert not re.search(r"\(default: (False|None|inf|\(\))\)", joined)
    assert "(default: 1.4)" in joined
    assert "(default: auto)" in joined


def test_every_subcommand_has_a_help_of_its_own() -> None:
    names = [name for name in SUBCOMMANDS if name != "--batch"]
    found = pages(
        *([name, "--help"] for name in names), ["--batch", "jobs.toml", "-h"], ["presets", "x", "y", "--help"]
    )
    for name, page in zip([*names, "--batch", "presets"], found, strict=True):
        assert page.startswith(f"usage: dreamvideo {name} "), page
        assert len(page.splitlines()) <= 45, name
        assert max(map(len, page.splitlines())) <= 100, name
        assert "(default: '')" not in page
    (everything,) = pages(["layers", "--help-all"])
    assert "--octave-scale " in everything
    assert "--layers " not in everything  # which vary from picture to picture
    assert "--zoom " not in everything


def test_a_bare_command_says_what_to_type(capfd: pytest.CaptureFixture[str]) -> None:
    assert run() == 2
    printed = capfd.readouterr()
    assert printed.out == ""
    assert len(printed.err.splitlines()) <= 5
    assert "dreamvideo in.mp4 out.mp4" in printed.err
    assert "dreamvideo --help" in printed.err


def test_a_file_called_like_a_subcommand_is_given_with_its_folder(
    clip: MakeClip, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    clip("a.mkv", frames=2).rename(tmp_path / "show")
    clip("a.mkv", frames=2).rename(tmp_path / "resum")
    monkeypatch.chdir(tmp_path)
    assert run("./show", "out.mkv", *QUICK) == 0
    assert run("resum", "out2.mkv", *QUICK) == 0  # what exists is an input, whatever it looks like
    capfd.readouterr()
    assert run("show", "out.mkv") == 0
    assert "[dream]" in capfd.readouterr().out
    assert "./show" in pages(["--help"])[0]


def test_flags_win_over_set_over_recipe_over_preset(tmp_path: Path) -> None:
    (tmp_path / "r.toml").write_text("[dream]\nstep = 0.1\niterations = 7\nseed = 3\n")
    _, recipe = render.parse(
        ["a", "b", "--preset", "classic", "--recipe", str(tmp_path / "r.toml"), "--set", "dream.seed=4",
         "--set", "dream.iterations=8", "--iterations", "9", "--layers", "blocks.9=1,blocks.10=1"]
    )  # fmt: skip
    assert (recipe.dream.octaves, recipe.dream.step, recipe.dream.seed, recipe.dream.iterations) == (3, 0.1, 4, 9)
    assert (recipe.network.model, recipe.network.layers) == ("inception_v3", "blocks.9=1,blocks.10=1")


def test_a_still_and_a_sequence_and_a_preview(
    clip: MakeClip, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run(SAMPLES / "astronaut.jpg", tmp_path / "still.png", "--size", "96x96", *QUICK) == 0
    assert cv2.imread(str(tmp_path / "still.png")).shape == (96, 96, 3)
    path = clip("a.mp4", rate="10", frames=12)
    capfd.readouterr()
    assert run(path, tmp_path / "frames" / "%03d.png", *QUICK) == 0
    assert "WARN" not in capfd.readouterr().err
    assert len(os.listdir(tmp_path / "frames")) == 12
    assert run(tmp_path / "frames", tmp_path / "again.webm", "--fps", "25", *QUICK) == 0
    assert read(tmp_path / "again.webm")[0].rate == 25
    assert run(path, tmp_path / "look.png", "--preview", "0.7", *QUICK) == 0
    look, frame = (cv2.imread(str(tmp_path / name)).astype(int) for name in ("look.png", "frames/008.png"))
    film = read(path)[1][7].pixels[..., ::-1].astype(int)
    assert np.abs(look - frame).mean() < 0.5 * np.abs(frame - film).mean()  # nearly as it is in the film
    assert "[dream]" in read_recipe(str(tmp_path / "look.png"))


def test_a_preview_of_a_camera_move_is_the_very_frame(clip: MakeClip, tmp_path: Path) -> None:
    path = clip("a.mp4", rate="10", frames=5)
    assert run(path, tmp_path / "frames" / "%03d.png", "--rotate", "20", *QUICK) == 0
    assert run(path, tmp_path / "look.png", "--rotate", "20", "--preview", "0.4", *QUICK) == 0
    look, frame = (cv2.imread(str(tmp_path / name)) for name in ("look.png", "frames/005.png"))
    assert np.array_equal(look, frame)


ERRORS = [
    (["none.mp4", "o.mp4"], 1, "none.mp4 does not exist"),
    (["none/", "o.mp4"], 1, "none/"),
    (["text.mp4", "o.mp4"], 1, "text.mp4"),
    (["sound.m4a", "o.mp4"], 1, "no video"),
    (["a.mp4", "a.mp4"], 1, "input itself"),
    (["a.mp4", "there.mp4"], 1, "--overwrite"),
    (["a.mp4", "text.mp4/o.mp4"], 1, "folder"),
    (["a.mp4", "/proc/o.mp4"], 1, "choose another folder"),
    (["a.mp4", "o.xyz"], 1, ".mp4"),
    (["a.mp4", "o.mp4", "--layers", "block.9"], 1, "blocks.9"),
    (["a.mp4", "o.mp4", "--model", "resnet5"], 1, "resnet50"),
    (["a.mp4", "o.mp4", "--model", "vgg16", "--weights", "none.pth"], 1, "none.pth"),
    (["a.mp4", "o.mp4", "--device", "cuda:77"], 1, "--device cpu"),
    (["a.mp4", "o.mp4", "--codec", "nonesuch"], 1, "codec"),
    (["a.mp4", "o.mp4", "--start", "99"], 1, "no frame"),
    (["a.mp4", "o.mp4", "--size", "huge"], 1, "1280x720"),
    (["a.mp4", "o.mp4", "--step", "7"], 1, "dream.step"),
    (["a.mp4", "o.png", "--preview", "99"], 1, "no frame at 99"),
    (["a.mp4", "o.mp4", "--recipe", "none.toml"], 1, "none.toml"),
    (["a.mp4", "o.mp4", "--set", "dream.stop=1"], 1, "step"),
    (["a.mp4", "o.mp4", "--preset", "klassic"], 1, "classic"),
    (["a.mp4", "o.mp4", "--save-recipe", "o.mp4"], 1, ".toml"),
    (["a.mp4", "o.mp4", "--save-recipe", "a.mp4", "--overwrite"], 1, ".toml"),
    (["a.mp4", "o.mp4", "--save-recipe", "none/r.toml"], 1, "another folder"),
    (["a.mp4", "o.mp4", "--mask", "none.png"], 1, "none.png does not exist"),
    (["a.mp4", "o.mp4", "--mask", "a.mp4", "--layer-out", "l.mp4"], 1, "alpha"),
    (["a.mp4", "o.mp4", "--blend", "dodge"], 2, "soft-light"),
    (["show", "a.mp4"], 1, "no recipe"),
    (["show", "none.mp4"], 1, "does not exist"),
    (["a.mp4", "o.mp4", "--nonesuch", "1"], 2, "--nonesuch"),
    (["a.mp4", "o.mp4", "--iterations", "many"], 1, "dream.iterations"),
    (["a.mp4"], 2, "OUTPUT"),
    (["show"], 2, "FILE"),
    (["resum", "x"], 2, "no subcommand and no file called resum: did you mean `dreamvideo resume`?"),
    (["shows", "a.mp4"], 2, "`dreamvideo show`"),
    (["batch", "jobs.toml"], 2, "`dreamvideo --batch`"),
    (["nonesuch"], 2, "dreamvideo --help"),
    (["nonesuch", "o.mp4"], 1, "nonesuch does not exist"),
    (["resum/", "o.mp4"], 1, "resum"),
    (["a.mp4", "o.mp4", "--save-recipe", "folder.toml", "--overwrite"], 1, "folder.toml is a folder"),
    (["a.mp4", "o.mp4", "--plan", "--preview", "1"], 1, "leave out --preview"),
    (["a.mp4", "o.mp4", "--workers", "-1"], 1, "--workers -1"),
]


@pytest.mark.parametrize(("args", "code", "says"), ERRORS, ids=[" ".join(args) for args, _, _ in ERRORS])
def test_every_mistake_gets_one_clear_line(
    args: list[str], code: int, says: str, clip: MakeClip, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    clip("a.mp4", frames=3, sound=1)
    clip("sound.m4a", frames=3, sound=1, tail=("-vn",))
    (tmp_path / "text.mp4").write_text("I am no film")
    (tmp_path / "there.mp4").write_text("dear")
    (tmp_path / "folder.toml").mkdir()
    monkeypatch.chdir(tmp_path)
    before = sorted(os.listdir(tmp_path))
    try:
        assert main(args) == code
    except SystemExit as stopped:  # usage, told by the library that reads the flags
        assert stopped.code == code
    told = capfd.readouterr().err
    assert says in told
    assert "Traceback" not in told
    assert len(told.strip().splitlines()) == 1
    assert sorted(os.listdir(tmp_path)) == before
    assert (tmp_path / "there.mp4").read_text() == "dear"


def test_a_truncated_film_is_dreamed_as_far_as_it_goes(
    clip: MakeClip, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    data = clip("a.mp4", frames=30, size="160x120", tail=("-movflags", "+faststart", "-g", "5")).read_bytes()
    (tmp_path / "cut.mp4").write_bytes(data[: len(data) // 2])
    assert run(tmp_path / "cut.mp4", tmp_path / "o.mkv", *QUICK) == 0
    told = capfd.readouterr().err
    got = read(tmp_path / "o.mkv")[0].count
    assert 3 < got < 30
    assert re.search(rf"declares 30 frames and holds \d+|{got} of 30", told)


def test_an_encoder_killed_in_the_middle_leaves_nothing(clip: MakeClip, tmp_path: Path) -> None:
    path = clip("a.mp4", frames=20)
    (tmp_path / "out").mkdir()

    def kill(event: Event) -> None:
        for entry in Path("/proc").glob("[0-9]*/cmdline"):
            if b"pipe:0" in entry.read_bytes() and str(tmp_path).encode() in entry.read_bytes():
                os.kill(int(entry.parent.name), signal.SIGKILL)

    recipe = Recipe().set("dream.octaves=1").set("dream.iterations=1")
    with pytest.raises(SinkError, match="could not be written"):
        dream_video(path, tmp_path / "out" / "o.mp4", recipe, on_event=kill)
    assert os.listdir(tmp_path / "out") == []


def test_a_full_disk_is_one_clear_line(clip: MakeClip, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=200k", "tmpfs", str(disk)], check=False)
    if mounted.returncode:
        pytest.skip("mounting a small disk needs root")
    try:
        capfd.readouterr()
        path = clip("a.mp4", frames=30, size="320x240")
        assert run(path, disk / "o.mkv", "--octaves", "1", "--iterations", "0", "--refine", "0") == 1
        told = capfd.readouterr().err.strip().splitlines()[-1]
        assert "o.mkv" in told
        assert "full" in told
        assert os.listdir(disk) == []
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_notices_are_given_once(clip: MakeClip, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = clip("a.mkv", frames=2, sound=1, tail=("-vf", "scale=63:47", "-c:v", "ffv1", "-pix_fmt", "bgr0"))
    assert run(path, tmp_path / "o.gif", *QUICK) == 0
    assert capfd.readouterr().err.count("no sound") == 1


def test_dream_image_returns_a_picture_of_the_same_shape(photo: np.ndarray, quick: Recipe) -> None:
    dreamed = dream_image(photo, quick)
    assert dreamed.shape == photo.shape
    assert dreamed.dtype == np.float32
    assert 0.01 < np.abs(dreamed - photo / 255).mean() < 0.3
    with pytest.raises(ValueError, match="RGB"):
        dream_image(photo[..., 0], quick)


def test_two_passes_give_every_frame_and_say_how_the_bar_moves(
    clip: MakeClip, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    source = clip("a.mp4", frames=7)
    assert run(source, tmp_path / "out.mkv", "--passes", "2", *QUICK) == 0
    assert len(read(tmp_path / "out.mkv")[1]) == 7
    assert "in two passes" in capfd.readouterr().err


def test_a_bad_list_of_cuts_is_one_line_and_leaves_nothing(
    clip: MakeClip, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    source = clip("a.mp4")
    assert run(source, tmp_path / "out.mp4", "--cuts", tmp_path / "none.csv", *QUICK) == 1
    assert "give auto, none, or a CSV file" in capfd.readouterr().err
    assert [file.name for file in tmp_path.iterdir()] == ["a.mp4"]


def test_measuring_what_does_not_belong_together_is_one_line(
    clip: MakeClip, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    source, other = clip("a.mp4"), clip("b.mp4", size="48x64")
    assert run("measure", source, other) == 1
    assert "another shape" in capfd.readouterr().err
    assert run("measure", source, tmp_path / "missing.mp4") == 1
    assert "does not exist" in capfd.readouterr().err
    with pytest.raises(SystemExit) as usage:
        run("measure", source)
    assert usage.value.code == 2
