"""Choosing by eye: the atlas of layers, sweeps over parameters, the sheets they stand on, and the list of presets."""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest
from conftest import tensor

from dreamvideo import Engine, Recipe, RecipeError, Sheet, dream_image, layers, preview, sweep
from dreamvideo import cli as commands
from dreamvideo.cli import flags
from dreamvideo.cli import sweep as sweep_command
from dreamvideo.cli.layers import COMMAND, with_range
from dreamvideo.cli.main import main
from dreamvideo.cli.render import parse
from dreamvideo.cli.sweep import split_axes
from dreamvideo.jobs.moment import Moment
from dreamvideo.media.metadata import read_recipe
from dreamvideo.media.readers.frame import Frame
from dreamvideo.media.readers.source import open_source
from dreamvideo.networks.load import network_layers
from dreamvideo.recipe import preset_text, presets
from dreamvideo.sheets.contact_sheet import BACKGROUND, CARD, Cell
from dreamvideo.sheets.preset_sheet import preset_sheet
from dreamvideo.video.shots import shots_at

MakeClip = Callable[..., Path]
QUICK = ["--octaves", "1", "--iterations", "1"]


@pytest.fixture
def picture(photo: np.ndarray, tmp_path: Path) -> Path:
    path = tmp_path / "astronaut.png"
    cv2.imwrite(str(path), cv2.cvtColor(cv2.resize(photo, (72, 64)), cv2.COLOR_RGB2BGR))
    return path


@pytest.fixture(scope="module")
def blink() -> Recipe:
    return Recipe().set("dream.octaves=1").set("dream.iterations=1")


def run(*args: object) -> int:
    return main([str(arg) for arg in args])


def pixels(path: Path) -> np.ndarray:
    with open_source(str(path)) as opened:
        return next(iter(opened)).pixels


def same(cell: Cell, source: np.ndarray, *more: str) -> bool:
    """Tell whether a cell holds what dreaming its source with its flag gives."""
    _, recipe = parse(["a", "b", *more, *shlex.split(cell.flag)])
    return np.abs(np.rint(dream_image(source, recipe) * 255) - cell.pixels).max() <= 1


def rgb(colour: str) -> list[int]:
    return [int(colour[i : i + 2], 16) for i in (1, 3, 5)]


def test_the_atlas_shows_every_layer_and_a_cell_is_what_its_flag_makes(picture: Path, blink: Recipe) -> None:
    sheet = layers(picture, blink)
    assert [cell.flag for cell in sheet.cells] == [
        "",
        *(f"--layers {n}=1" for n in network_layers("efficientnet-lite0")),
    ]
    assert len(sheet.cells) == 19
    assert np.array_equal(sheet.cells[0].pixels, pixels(picture))
    assert len({cell.pixels.tobytes() for cell in sheet.cells}) == 19
    for cell in (sheet.cells[1], sheet.cells[9]):
        assert same(cell, sheet.cells[0].pixels, *QUICK)


def test_channels_come_strongest_first_or_as_they_are_named(picture: Path, blink: Recipe) -> None:
    response = Engine(blink.set("network.layers=blocks.5=1")).network(tensor(pixels(picture))[None])["blocks.5"]
    order = np.argsort(-response[0].double().square().mean((1, 2)).numpy())
    top = layers(picture, blink, layer="blocks.5", channels="top:3")
    assert [cell.flag for cell in top.cells[1:]] == [f"--layers blocks.5:{n}=1" for n in order[:3]]
    named = layers(picture, blink, layer="blocks.5", channels="7,2-3")
    assert [cell.flag for cell in named.cells[1:]] == [f"--layers blocks.5:{n}=1" for n in (2, 3, 7)]
    assert all(same(cell, named.cells[0].pixels, *QUICK) for cell in named.cells[1:])


@pytest.mark.parametrize(
    ("words", "channels"),
    [(["--channels"], "top:48"), (["--channels", "--seed", "3"], "top:48"), (["--channels", "0-31"], "0-31"),
     (["--channels", "3,7-9"], "3,7-9"), (["--channels", "bottom:5"], "bottom:5"), ([], "")],
)  # fmt: skip
def test_a_range_of_channels_may_be_left_out(words: list[str], channels: str) -> None:
    line = with_range([*words, "3.jpg", "atlas.png"])
    asked, _ = flags.parse_with_recipe(COMMAND, line)
    assert (asked.channels, asked.input, asked.output) == (channels, "3.jpg", "atlas.png")


def test_the_command_writes_a_sheet_with_every_cell_and_the_recipe(picture: Path, tmp_path: Path) -> None:
    out = tmp_path / "sheet.png"
    assert run("sweep", picture, out, "--step", "0.01,0.02,0.03", "--layers", "blocks.2=1", "stem=1", *QUICK) == 0
    axes = {"step": ["0.01", "0.02", "0.03"], "layers": ["blocks.2=1", "stem=1"]}
    recipe = Recipe().set("dream.octaves=1").set("dream.iterations=1")
    sheet, drawn = sweep(picture, axes, recipe), pixels(out)
    places = []
    for cell in sheet.cells:
        found = cv2.matchTemplate(drawn, cell.pixels, cv2.TM_SQDIFF)
        y, x = np.unravel_index(found.argmin(), found.shape)
        assert np.array_equal(drawn[y : y + 64, x : x + 72], cell.pixels)
        places.append((int(y), int(x)))
    assert places == sorted(places)  # row by row
    assert len({y for y, _ in places}) == 2
    assert len({x for _, x in places}) == 3
    assert Recipe.from_toml(read_recipe(str(out))) == recipe
    assert sorted(os.listdir(tmp_path)) == ["astronaut.png", "sheet.png"]


def test_a_grid_names_its_axes_and_a_cell_is_what_both_flags_make(picture: Path, blink: Recipe) -> None:
    sheet = sweep(picture, {"network.layers": ["blocks.2=1,blocks.4=0.5", "stem"], "strength": [0.5, 1, 2]}, blink)
    assert sheet.across == ("--layers blocks.2=1,blocks.4=0.5", "--layers stem")
    assert sheet.down == ("--strength 0.5", "--strength 1", "--strength 2")
    assert [cell.flag for cell in sheet.cells] == [f"{a} {d}" for d in sheet.down for a in sheet.across]
    assert all(same(cell, pixels(picture), *QUICK) for cell in sheet.cells)
    row = sweep(picture, {"shaping": ["laplacian", "mean"]}, blink)
    assert (row.columns, [cell.flag for cell in row.cells]) == (2, ["--shaping laplacian", "--shaping mean"])


def test_several_values_are_read_off_the_command_line() -> None:
    rest, axes = split_axes(
        ["a.png", "b.png", "--step", "0.01, max(0.01, 0.02*t)", "--layers", "blocks.5:3,7=1,stem", "blocks.9=1",
         "--octaves=2,auto", "--seed", "3", "--overwrite", "--guide", "a,b.jpg=1", "--loop", "--shaping", "mean"]
    )  # fmt: skip
    assert axes == {
        "dream.step": ["0.01", "max(0.01, 0.02*t)"],
        "network.layers": ["blocks.5:3,7=1,stem", "blocks.9=1"],
        "dream.octaves": ["2", "auto"],
    }
    assert rest == ["a.png", "b.png", "--seed", "3", "--overwrite", "--guide", "a,b.jpg=1", "--loop",
                    "--shaping", "mean"]  # fmt: skip
    assert split_axes(["--layers", "blocks.5=1;blocks.9=1"])[1] == {"network.layers": ["blocks.5=1", "blocks.9=1"]}
    assert split_axes(["--loop", "true,false"])[1] == {"camera.loop": ["true", "false"]}


def test_what_shows_in_time_is_dreamed_up_to_the_moment(clip: MakeClip, tmp_path: Path, blink: Recipe) -> None:
    film = clip("a.mkv", frames=6, size="48x32", tail=("-c:v", "ffv1"))
    sheet = sweep(film, {"morph": [0, 1]}, blink, at="0.4")
    preview(film, tmp_path / "look.png", "0.4", blink.set("temporal.morph=1"))
    assert np.array_equal(sheet.cells[1].pixels, pixels(tmp_path / "look.png"))
    assert not np.array_equal(sheet.cells[0].pixels, sheet.cells[1].pixels)


def test_a_moment_of_a_film_is_shown_and_curves_are_read_there(clip: MakeClip, blink: Recipe) -> None:
    film = clip("a.mkv", frames=6, size="48x32", tail=("-c:v", "ffv1"))
    with open_source(str(film)) as opened:
        frames = [frame.pixels for frame in opened]
    atlas = layers(film, blink.set("dream.step=0.1*t"), layer="stem", channels="1", at="0.4")
    assert np.array_equal(atlas.cells[0].pixels, frames[4])
    assert same(atlas.cells[1], frames[4], *QUICK, "--step", "0.04")


def test_a_large_picture_is_shown_small_in_its_own_shape(tmp_path: Path, blink: Recipe) -> None:
    cv2.imwrite(str(tmp_path / "wide.png"), np.random.default_rng(0).integers(0, 255, (500, 1500, 3), np.uint8))
    few = sweep(tmp_path / "wide.png", {"iterations": [0, 0]}, blink).cells[0].pixels
    many = sweep(tmp_path / "wide.png", {"iterations": [0] * 80}, blink).cells[0].pixels
    asked = sweep(tmp_path / "wide.png", {"iterations": [0, 0]}, blink.set("clip.size=90x30")).cells[0].pixels
    assert (few.shape, asked.shape) == ((173, 520, 3), (30, 90, 3))
    assert many.shape[0] * many.shape[1] == pytest.approx(35_000, rel=0.02)
    assert many.shape[1] / many.shape[0] == pytest.approx(3, rel=0.02)


def test_labels_stay_in_their_cells_however_long_they_are() -> None:
    picture = np.full((40, 60, 3), 200, np.uint8)
    long = "--layers " + ",".join(f"features.denseblock4.denselayer{n}.conv2:{n}=0.5" for n in range(4)) + "x" * 90
    cells = tuple(Cell(flag, picture) for flag in (long, "", "--step 1", long))
    grid = {"across": (long, "--step 0.1"), "down": (long, "--layers stem")}
    for sheet in (Sheet("t" * 300, "a" * 300, cells, 2), Sheet("t", "a", cells, 2, **grid)):
        drawn = sheet.draw()
        light = (drawn.max(2) > 60).astype(np.uint8)
        assert not light[:, -18:].any()  # nothing is written across the edges
        assert not light[:, :18].any()
        assert not light[-18:].any()
        card = (drawn == rgb(CARD)).all(2)
        assert card[:, np.flatnonzero(card.any(0))].any()
        columns = np.flatnonzero(card.any(0))
        gutter = [x for x in range(columns[0], columns[-1]) if x not in set(columns)]
        assert len(gutter) == 6
        below = np.flatnonzero(card.any(1))[0]
        assert (drawn[below:, gutter] == rgb(BACKGROUND)).all()


@pytest.mark.parametrize(
    ("args", "code", "says"),
    [
        (["layers", "none.png", "o.png"], 1, "none.png does not exist"),
        (["layers", "a.png", "o.mp4"], 1, "end the sheet's name in .png"),
        (["layers", "a.png", "out"], 1, "end the sheet's name in .png"),
        (["layers", "a.png", "there.png"], 1, "--overwrite"),
        (["layers", "a.png", "a.png", "--overwrite"], 1, "input itself"),
        (["layers", "a.png", "o.png", "--at", "7"], 1, "no frame at 7"),
        (["layers", "a.png", "o.png", "--channels"], 1, "--layer blocks.9"),
        (["layers", "a.png", "o.png", "--layer", "block.9"], 1, "blocks.9"),
        (["layers", "a.png", "o.png", "--layer", "class", "--channels", "3"], 1, "--layer blocks.9"),
        (["layers", "a.png", "o.png", "--layer", "blocks.9", "--channels", "100-120"], 1, "it has 112"),
        (["layers", "a.png", "o.png", "--layer", "head", "--channels", "0-200"], 1, "take up to 99"),
        (["layers", "a.png", "o.png", "--model", "resnet5"], 1, "resnet50"),
        (["layers", "a.png", "o.png", "--layers", "stem"], 2, "--layer"),
        (["sweep", "a.png", "o.png"], 1, "--step 0.005,0.01,0.02"),
        (["sweep", "a.png", "o.png", "--step", "1,2", "--seed", "1,2", "--tv", "1,2"], 1, "dream.tv have several"),
        (["sweep", "a.png", "o.png", "--step", "0.1,7"], 1, "outside 0 … 1"),
        (["sweep", "a.png", "o.png", "--step", "0.1,,0.2"], 1, "empty value"),
        (["sweep", "a.png", "o.png", "--shaping", "mean,laplace"], 1, "'laplacian'"),
        (["sweep", "a.png", "o.png", "--layers", "stem", "block.9"], 1, "blocks.9"),
        (["sweep", "a.png", "o.png", "--layers", "stem", "stem:99"], 1, "no channel 99"),
        (["sweep", "a.png", "o.png", "--seed", ",".join(map(str, range(101)))], 1, "take 1 to 100"),
        (["sweep", "a.png", "o.png", "--size", "10%,20%"], 1, "does not change"),
        (["sweep", "a.png", "o.png", "--morph", "0,1"], 1, "--seconds 4"),
        (["sweep", "a.png", "o.png", "--morph", "0,1", "--seconds", "1"], 1, "--at 2"),
        (["sweep", "a.png", "o.png", "--stop", "0.1,0.2"], 2, "--stop"),
        (["sweep", "--layers", "stem", "blocks.1", "a.png", "o.png"], 2, "INPUT"),
        (["sweep", "a.png", "o.png", "--mask-from", "none,motion"], 1, "mask_from shows only in a film"),
        (["sweep", "a.png", "m.png", "--step", "0.1,0.2", "--mask", "m.png", "--overwrite"], 1, "input itself"),
        (["presets", "puls"], 1, "pulse"),
        (["presets", "a.png", "there.png"], 1, "--overwrite"),
    ],
)
def test_every_error_is_one_line_and_leaves_nothing(
    args: list[str], code: int, says: str, photo: np.ndarray, tmp_path: Path, capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    cv2.imwrite(str(tmp_path / "a.png"), photo[:40, :40])
    cv2.imwrite(str(tmp_path / "m.png"), photo[:40, :40])
    (tmp_path / "there.png").write_text("dear")
    monkeypatch.chdir(tmp_path)
    try:
        assert run(*args) == code
    except SystemExit as stopped:
        assert stopped.code == code
    told = capfd.readouterr().err
    assert says in told
    assert len(told.strip().splitlines()) == 1
    assert sorted(os.listdir(tmp_path)) == ["a.png", "m.png", "there.png"]
    assert (tmp_path / "there.png").read_text() == "dear"
    assert pixels(tmp_path / "a.png").shape == (40, 40, 3)


def test_a_mask_holds_in_every_cell(picture: Path, tmp_path: Path, blink: Recipe) -> None:
    mask = np.zeros((64, 72), np.uint8)
    mask[:, 36:] = 255
    cv2.imwrite(str(tmp_path / "mask.png"), mask)
    masked = blink.set(f"finish.mask={tmp_path / 'mask.png'}")
    for cell in sweep(picture, {"invert_mask": ["false", "true"], "step": [0.02, 0.04]}, masked).cells:
        assert same(cell, pixels(picture), *QUICK, "--mask", str(tmp_path / "mask.png"))
        changed = (cell.pixels != pixels(picture)).any((0, 2))
        left, right = changed[:36].any(), changed[36:].any()
        assert (left, right) == ((True, False) if "--invert-mask" in cell.flag else (False, True))


def test_a_misnamed_axis_is_told_with_its_neighbours(picture: Path) -> None:
    with pytest.raises(RecipeError, match="did you mean step"):
        sweep(picture, {"dream.stepp": [0.1, 0.2]})


def test_ctrl_c_leaves_nothing(tmp_path: Path, photo: np.ndarray) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), cv2.resize(photo, (300, 300)))
    command = [sys.executable, "-m", "dreamvideo", "layers", str(tmp_path / "a.png"), str(tmp_path / "o.png")]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True)
    told, began = "", time.monotonic()
    assert process.stderr is not None
    while not re.search(r" [1-9]/18 cells", told) and time.monotonic() - began < 120:  # the bar says when one is done
        told += process.stderr.read(1)
    os.killpg(process.pid, signal.SIGINT)
    told += process.communicate(timeout=60)[1]
    assert (process.returncode, os.listdir(tmp_path)) == (130, ["a.png"])
    assert "nothing was written" in told


def test_presets_are_listed_with_what_they_are_for_and_printed(capsys: pytest.CaptureFixture[str]) -> None:
    folder = Path(commands.__file__).parent.parent / "presets"
    assert run("presets") == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == sorted(path.stem for path in folder.glob("*.toml")) == presets()
    for line in lines:
        name, words = line.split(maxsplit=1)
        comment = re.sub(r"\s+", " ", preset_text(name).replace("\n#", " "))
        assert comment.startswith(f"# {words}")
        assert len(words) > 20
    assert run("presets", "breathe") == 0
    assert capsys.readouterr().out == (folder / "breathe.toml").read_text()


def test_flags_win_over_a_preset_in_sheets_too() -> None:
    line = ["a", "b", "--preset", "classic", "--model", "googlenet", "--iterations", "3"]
    _, recipe = flags.parse_with_recipe(COMMAND, line)
    assert (recipe.network.model, recipe.dream.iterations, recipe.dream.octaves) == ("googlenet", 3, 3)
    _, recipe = flags.parse_with_recipe(sweep_command.COMMAND, split_axes(line)[0])
    assert (recipe.network.model, recipe.dream.iterations, recipe.dream.octaves) == ("googlenet", 3, 3)


def test_help_of_the_verbs_loads_no_torch() -> None:
    code = (
        "import sys; from dreamvideo.cli.main import main\n"
        "for verb in (['layers'], ['sweep'], ['presets'], []):\n"
        "    try: main([*verb, '--help'])\n"
        "    except SystemExit as stopped: assert not stopped.code\n"
        "assert not {'torch', 'numpy', 'av', 'PIL', 'matplotlib'} & sys.modules.keys()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for said in ("--channels", "--at TIME", "dreamvideo layers photo", "dreamvideo sweep photo", "dreamvideo presets"):
        assert said in done.stdout, said


def test_a_recipe_taken_up_is_the_one_dreamed(photo: np.ndarray, quick: Recipe) -> None:
    other = replace(quick, dream=replace(quick.dream, step=0.03, seed=5))
    engine = Engine(quick)
    engine.take(other)
    image = tensor(photo)
    assert np.array_equal(engine.dreamer(image).numpy(), Engine(other).dreamer(image).numpy())


def test_every_look_stands_on_one_sheet(picture: Path, blink: Recipe, tmp_path: Path) -> None:
    sheet = preset_sheet(picture, blink)
    source, *cells = sheet.cells
    assert source.flag == ""
    named = [cell.flag.removeprefix("--preset ") for cell in cells]
    assert set(presets()) - set(named) == {"classic", "breathe", "pulse", "spectrum", "switch"}  # these need more
    assert len({cell.pixels.tobytes() for cell in sheet.cells}) == len(sheet.cells)
    assert same(cells[named.index("weave")], pixels(picture), *QUICK)
    assert same(cells[named.index("painting")], pixels(picture), *QUICK)  # whose own 24 iterations are overruled
    assert run("presets", picture, tmp_path / "looks.png", *QUICK, "--size", "32x32") == 0
    assert read_recipe(str(tmp_path / "looks.png"))


def test_a_preview_dreams_every_third_frame_and_misses_no_cut() -> None:
    moment = Moment(index=12, first=0, stride=3)
    frames = [Frame(n, Fraction(n, 25), np.zeros((8, 8, 3), np.uint8)) for n in range(13)]
    passed = list(moment.thinned(shots_at({0, 5, 9}))(frames))
    assert [frame.index for frame, _ in passed] == [0, 3, 6, 9, 12]
    assert [begins for _, begins in passed] == [True, False, True, True, False]
    assert moment.dreamed == 5
