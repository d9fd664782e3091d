"""Renders that are cut off: nothing is lost, and what comes out is what would have come out."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest
from clips import KINDS
from conftest import SAMPLES
from media_files import read

import dreamvideo
from dreamvideo import DreamError, Event, Recipe, Result, SinkError, SourceError, dream_video
from dreamvideo.cli.main import main
from dreamvideo.jobs.api import assemble_now, resume
from dreamvideo.video.loop.layer_store import LayerStore

MakeClip = Callable[..., Path]
SIZE = (80, 64)  # px, at which the film below is dreamed


class Cut(Exception):
    """What ends a render as a crash would: nothing is saved on the way out."""


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two shots of five and seven frames, in which something moves."""
    folder = tmp_path_factory.mktemp("film") / "in"
    folder.mkdir()
    shots = [list(KINDS[kind](*SIZE, 8)) for kind in ("pan", "zoom")]
    for number, exact in enumerate([*shots[0][:5], *shots[1][:7]], 1):
        cv2.imwrite(str(folder / f"{number:05d}.png"), cv2.cvtColor(exact.frame.pixels, cv2.COLOR_RGB2BGR))
    (folder.parent / "cuts.csv").write_text("0.2083\n")  # the sixth frame, at 24 a second
    return folder


@pytest.fixture(scope="module")
def recipe(film: Path) -> Recipe:
    """A quick dream of that film."""
    quick = Recipe().set("dream.octaves=2").set("dream.iterations=2").set("temporal.refine=2")
    return quick.set(f"temporal.cuts={film.parent / 'cuts.csv'}")


def cut_at(frame: int, error: type[BaseException] = Cut) -> Callable[[Event], None]:
    """Return a listener that ends the render once so many frames are dreamed."""

    def listen(event: Event) -> None:
        if not event.phase and not event.notice and event.done >= frame:
            raise error

    return listen


def dreamed(heard: list[Event]) -> list[int]:
    """Return how many frames were done, each time one was dreamed."""
    return [event.done for event in heard if event.done and not event.phase and not event.notice]


def pixels(path: Path) -> list[np.ndarray]:
    return [frame.pixels for frame in read(path)[1]]


def same(one: Path, other: Path) -> bool:
    a, b = pixels(one), pixels(other)
    return len(a) == len(b) and all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))


RECIPES = {
    "as it is": {},
    "two passes": {"temporal": {"passes": 2}},
    "frames alone": {"temporal": {"flow": "none"}},
    "a mask of motion": {"finish": {"mask_from": "motion"}},
    "a guide that comes in": {"network": {"guide": f"{SAMPLES / 'hubble.jpg'}=min(t * 3, 1)", "layers": "blocks.9=1"}},
    "a moving camera": {"camera": {"zoom": 1.3}},
    "a tail that zooms": {"camera": {"then_zoom": 0.4, "zoom": 0.5}},
}


@pytest.mark.parametrize("kind", RECIPES)
def test_a_render_goes_on_as_if_it_had_not_been_cut_off(kind: str, film: Path, recipe: Recipe, tmp_path: Path) -> None:
    made = recipe.merge(RECIPES[kind])
    dream_video(film, tmp_path / "whole.mkv", made)
    for frame in (4, 8):  # within a shot, beyond the checkpoint before
        with pytest.raises(Cut):
            dream_video(film, tmp_path / "cut.mkv", made, checkpoint=3, on_event=cut_at(frame))
    assert not (tmp_path / "cut.mkv").exists()
    heard: list[Event] = []
    dream_video(film, tmp_path / "cut.mkv", made, checkpoint=3, on_event=heard.append)
    assert dreamed(heard)[0] >= 6  # no more than three frames are dreamed twice
    assert same(tmp_path / "whole.mkv", tmp_path / "cut.mkv")
    assert sorted(os.listdir(tmp_path)) == ["cut.mkv", "whole.mkv"]


@pytest.mark.parametrize("source", ["still", "film"])
def test_a_loop_goes_on_as_if_it_had_not_been_cut_off(source: str, film: Path, recipe: Recipe, tmp_path: Path) -> None:
    made = recipe.merge({"camera": {"loop": True}, "temporal": {"cuts": "none"}})
    given = film if source == "film" else film / "00001.png"
    if source == "still":
        made = made.merge({"camera": {"zoom": 3.0}, "clip": {"seconds": 0.25}})
    dream_video(given, tmp_path / "whole.mkv", made)
    count = read(tmp_path / "whole.mkv")[0].count
    for frame in (2, count + 2, 2 * count + 1):  # in every round
        with pytest.raises(Cut):
            dream_video(given, tmp_path / "cut.mkv", made, checkpoint=2, on_event=cut_at(frame))
    dream_video(given, tmp_path / "cut.mkv", made)
    assert same(tmp_path / "whole.mkv", tmp_path / "cut.mkv")


def test_a_loops_layers_are_those_of_its_last_state(film: Path, recipe: Recipe, tmp_path: Path) -> None:
    """Cut off between any two of the writes that save it, a loop still goes on from a state with its own layers."""
    made = recipe.merge({"camera": {"loop": True}, "temporal": {"cuts": "none"}})
    dream_video(film, tmp_path / "whole.mkv", made)
    real, calls = os.replace, [0]

    def failing(source: str | Path, target: str | Path) -> None:
        calls[0] += 1
        if calls[0] in (9, 14, 16):
            raise Cut
        real(source, target)

    for _ in range(4):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(os, "replace", failing)
            try:
                dream_video(film, tmp_path / "cut.mkv", made, checkpoint=2)
            except Cut:
                continue
            break
    assert calls[0] > 16
    assert same(tmp_path / "whole.mkv", tmp_path / "cut.mkv")


def test_killed_at_once_the_same_command_goes_on(
    film: Path, recipe: Recipe, tmp_path: Path, started: list[subprocess.Popen[str]]
) -> None:
    slow = recipe.set("dream.iterations=8").set("temporal.refine=24")
    (tmp_path / "r.toml").write_text(slow.to_toml())
    command = [sys.executable, "-m", "dreamvideo", str(film), "cut.mkv", "--recipe", "r.toml", "--checkpoint", "3"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, cwd=tmp_path, text=True)
    started.append(process)
    wait_for(process, r"[\r\n] +\d+%\|.* [78]/12")
    process.kill()
    process.communicate()
    assert sorted(os.listdir(tmp_path)) == ["cut.mkv.dream", "r.toml"]
    done = subprocess.run(command, capture_output=True, cwd=tmp_path, text=True, check=True)
    assert "continuing: 6 of 12 frames are done" in done.stderr
    dream_video(film, tmp_path / "whole.mkv", slow)
    assert same(tmp_path / "whole.mkv", tmp_path / "cut.mkv")
    assert sorted(os.listdir(tmp_path)) == ["cut.mkv", "r.toml", "whole.mkv"]


@pytest.fixture
def started() -> Iterator[list[subprocess.Popen[str]]]:
    """A list for renders that a test starts, which do not outlive it."""
    processes: list[subprocess.Popen[str]] = []
    yield processes
    for process in processes:
        process.kill()
        process.wait()


def wait_for(process: subprocess.Popen[str], words: str) -> str:
    """Read what a command says until it says so, a regular expression."""
    told, began = "", time.monotonic()
    assert process.stderr is not None
    while not re.search(words, told) and time.monotonic() - began < 120 and (more := process.stderr.read(1)):
        told += more
    assert re.search(words, told)
    return told


def test_a_signal_keeps_what_is_done_and_says_how_to_go_on(
    clip: MakeClip, tmp_path: Path, started: list[subprocess.Popen[str]]
) -> None:
    path = clip("a.mp4", rate="25", frames=250, size="160x120", sound=1)
    command = [sys.executable, "-m", "dreamvideo", str(path), "it's.mp4", "--octaves", "2"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True, cwd=tmp_path)
    started.append(process)
    wait_for(process, r"[\r\n] +\d+%\|.* ([3-9]|\d\d)/250")  # of dreaming: what goes before has a name
    os.killpg(process.pid, signal.SIGTERM)  # Ctrl-C does the same, see below
    told = process.communicate(timeout=60)[1]
    assert process.returncode == 130
    assert "go on with: dreamvideo resume " in told
    folder = tmp_path / "it's.mp4.dream"
    assert f"{folder}".replace("'", "'\"'\"'") in told
    done = sum(len(json.loads(file.read_text())["checksums"]) for file in folder.glob("0*.json"))
    assert f"stopped after {done} of 250 frames" in told
    assert not (tmp_path / "it's.mp4").exists()
    result = assemble_now(folder)
    info, frames = read(tmp_path / "it's.partial.mp4")
    assert len(frames) == info.count == result.done == done >= 3
    assert info.sound == ("aac",)


def test_a_second_signal_stops_at_once(clip: MakeClip, tmp_path: Path, started: list[subprocess.Popen[str]]) -> None:
    path = clip("a.mp4", frames=20, size="320x240")
    command = [sys.executable, "-m", "dreamvideo", str(path), "o.mp4", "--iterations", "2000"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True, cwd=tmp_path)
    started.append(process)
    wait_for(process, r"\n  0%\|")
    os.killpg(process.pid, signal.SIGINT)
    printed = wait_for(process, "once more to stop at once")
    os.killpg(process.pid, signal.SIGINT)
    printed += process.communicate(timeout=30)[1]
    assert process.returncode == 130, printed
    assert "Traceback" not in printed
    assert os.listdir(tmp_path) == ["a.mp4"]  # neither an output nor an empty run folder


def test_a_render_outlives_its_terminal(
    film: Path, recipe: Recipe, tmp_path: Path, started: list[subprocess.Popen[str]]
) -> None:
    (tmp_path / "r.toml").write_text(recipe.to_toml())
    command = [sys.executable, "-m", "dreamvideo", str(film), "o.mkv", "--recipe", "r.toml"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, cwd=tmp_path)
    started.append(process)
    assert process.stderr is not None
    process.stderr.close()
    assert process.wait(timeout=120) == 0
    assert read(tmp_path / "o.mkv")[0].count == 12


def begin(film: Path, output: Path, recipe: Recipe, frame: int = 8, checkpoint: int = 3) -> Path:
    """Dream so many frames, and return the run folder."""
    with pytest.raises(Cut):
        dream_video(film, output, recipe, checkpoint=checkpoint, on_event=cut_at(frame))
    return output.with_name(output.name + ".dream")


def test_another_recipe_is_refused_and_the_difference_named(
    film: Path, recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = begin(film, tmp_path / "o.mkv", recipe)
    kept = sorted(os.listdir(folder))
    with pytest.raises(DreamError, match=r"dream.step was 0.011, and is 0.02.*--from.*--restart"):
        dream_video(film, tmp_path / "o.mkv", recipe.set("dream.step=0.02"))
    with pytest.raises(DreamError, match=r"clip.start was '', and is '0.1'"):
        dream_video(film, tmp_path / "o.mkv", recipe.set("clip.start=0.1"))
    monkeypatch.setattr("dreamvideo.jobs.fingerprint.__version__", "9.9")
    with pytest.raises(DreamError, match=f"dreamvideo was {dreamvideo.__version__}, and is 9.9"):
        resume(folder)
    assert sorted(os.listdir(folder)) == kept
    monkeypatch.undo()
    assert dream_video(film, tmp_path / "o.mkv", recipe.set("dream.step=0.02"), restart=True).done == 12


def test_how_it_is_encoded_may_change(film: Path, recipe: Recipe, tmp_path: Path) -> None:
    begin(film, tmp_path / "o.mkv", recipe)
    heard: list[Event] = []
    changed = recipe.set("encoding.codec=libx264").set("encoding.crf=0").set("encoding.pix_fmt=yuv444p")
    dream_video(film, tmp_path / "o.mkv", changed, on_event=heard.append)
    assert dreamed(heard)[0] >= 6
    assert read(tmp_path / "o.mkv")[0].count == 12


def test_another_input_is_refused(film: Path, recipe: Recipe, tmp_path: Path) -> None:
    shutil.copytree(film, tmp_path / "in")
    shutil.copy(SAMPLES / "hubble.jpg", tmp_path / "guide.jpg")
    made = recipe.set(f"network.guide={tmp_path / 'guide.jpg'}")
    begin(tmp_path / "in", tmp_path / "o.mkv", made)
    shutil.copy(SAMPLES / "astronaut.jpg", tmp_path / "guide.jpg")
    with pytest.raises(DreamError, match=r"guide.jpg has changed"):
        dream_video(tmp_path / "in", tmp_path / "o.mkv", made)
    shutil.copy(SAMPLES / "hubble.jpg", tmp_path / "guide.jpg")
    shutil.copy(tmp_path / "in" / "00003.png", tmp_path / "in" / "00007.png")
    with pytest.raises(DreamError, match=r"/in has changed"):
        dream_video(tmp_path / "in", tmp_path / "o.mkv", made)


def test_from_keeps_what_lies_before_and_dreams_the_rest_anew(film: Path, recipe: Recipe, tmp_path: Path) -> None:
    out, other = tmp_path / "o.mkv", recipe.set("finish.color=0.0")
    dream_video(film, out, recipe, checkpoint=3, keep_work=True)
    before = pixels(out)
    with pytest.raises(DreamError, match="exists already"):
        dream_video(film, out, other, since="0.3")
    dream_video(film, out, other, since="0.3", checkpoint=3, overwrite=True, keep_work=True)
    after = pixels(out)
    first = 8  # the first frame at 0.3 s or later, at 24 a second
    assert all(np.array_equal(a, b) for a, b in zip(before[:first], after[:first], strict=True))
    assert not any(np.array_equal(a, b) for a, b in zip(before[first:], after[first:], strict=True))
    out.unlink()
    assert resume(tmp_path / "o.mkv.dream", keep_work=True).done == 12  # of both parts
    assert all(np.array_equal(a, b) for a, b in zip(pixels(out), after, strict=True))
    for changed, says in (
        (other.set("camera.zoom=1.4"), "camera would jump"),
        (other.set("clip.size=40x32"), "same film"),
        (other.set("temporal.cuts=none"), "same film"),
    ):
        with pytest.raises(DreamError, match=says):
            dream_video(film, out, changed, since="0.3", overwrite=True)
    with pytest.raises(DreamError, match="lies outside"):
        dream_video(film, out, other, since="7", overwrite=True)
    with pytest.raises(DreamError, match="nothing before"):
        dream_video(film, tmp_path / "new.mkv", other, since="0.3")


@pytest.mark.parametrize("frame", [8])
def test_another_recipe_goes_on_from_the_frame_before(frame: int, film: Path, recipe: Recipe, tmp_path: Path) -> None:
    """Wherever it is cut off: before the moment, at it, behind it; given again, it throws nothing away."""
    other = recipe.set("dream.step=0.03")
    folders = [begin(film, tmp_path / f"{name}.mkv", recipe, frame=7, checkpoint=2) for name in ("a", "b")]
    assert len(folders) == 2
    dream_video(film, tmp_path / "a.mkv", other, since="0.3", checkpoint=2)
    with pytest.raises(Cut):
        dream_video(film, tmp_path / "b.mkv", other, since="0.3", checkpoint=2, on_event=cut_at(frame))
    heard: list[Event] = []
    dream_video(film, tmp_path / "b.mkv", other, since="0.3", checkpoint=2, on_event=heard.append)
    assert dreamed(heard)[0] >= min(frame, 6) - 1
    assert same(tmp_path / "a.mkv", tmp_path / "b.mkv")
    dream_video(film, tmp_path / "old.mkv", recipe)
    jump = [np.abs(one.astype(int) - other).mean() for one, other in pairwise(pixels(tmp_path / "a.mkv")[5:])]
    was = [np.abs(one.astype(int) - other).mean() for one, other in pairwise(pixels(tmp_path / "old.mkv")[5:])]
    assert jump[2] < 2 * was[2]  # from the seventh to the eighth frame: the dream goes on from what it was


def test_frames_before_the_moment_stay_even_if_what_they_were_made_of_is_another(
    film: Path, recipe: Recipe, tmp_path: Path
) -> None:
    guide, out = tmp_path / "guide.jpg", tmp_path / "o.mkv"
    shutil.copy(SAMPLES / "hubble.jpg", guide)
    made = recipe.set(f"network.guide={guide}")
    dream_video(film, out, made, checkpoint=3, keep_work=True)
    before = pixels(out)
    shutil.copy(SAMPLES / "astronaut.jpg", guide)
    said: list[str] = []
    dream_video(film, out, made, since="0.3", overwrite=True, on_event=lambda event: said.append(event.notice))
    told = next(notice for notice in said if "has changed" in notice)
    first = int(told.split("frames ")[1].split()[0])  # where it says that it begins anew
    assert all(np.array_equal(a, b) for a, b in zip(before[:first], pixels(out)[:first], strict=True))
    assert not any(np.array_equal(a, b) for a, b in zip(before[8:], pixels(out)[8:], strict=True))


def test_a_folder_of_the_users_own_is_left_alone(film: Path, recipe: Recipe, tmp_path: Path) -> None:
    own = tmp_path / "o.mkv.dream"
    own.mkdir()
    (own / "thesis.txt").write_text("years of work")
    with pytest.raises(SinkError, match="holds other files"):
        dream_video(film, tmp_path / "o.mkv", recipe)
    assert os.listdir(own) == ["thesis.txt"]
    (own / "thesis.txt").rename(tmp_path / "thesis.txt")
    folder = begin(film, tmp_path / "o.mkv", recipe)
    (tmp_path / "thesis.txt").rename(folder / "thesis.txt")
    dream_video(film, tmp_path / "o.mkv", recipe)
    assert os.listdir(own) == ["thesis.txt"]


def test_pieces_that_a_cleaning_up_has_left_are_not_taken_for_others(
    film: Path, recipe: Recipe, tmp_path: Path
) -> None:
    (begin(film, tmp_path / "o.mkv", recipe) / "plan.json").unlink()
    dream_video(film, tmp_path / "o.mkv", recipe.set("finish.strength=0"))
    given = read(film)[1]
    assert all(np.array_equal(a, b.pixels) for a, b in zip(pixels(tmp_path / "o.mkv"), given, strict=True))


def test_words_that_name_no_file_are_none_even_if_there_is_one(
    film: Path, recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "none").mkdir()
    assert dream_video(film, "o.mkv", recipe.set("temporal.cuts=none")).done == 12


def test_a_plan_of_another_version_says_so(film: Path, recipe: Recipe, tmp_path: Path) -> None:
    folder = begin(film, tmp_path / "o.mkv", recipe)
    plan = json.loads((folder / "plan.json").read_text())
    plan["made_with"]["dreamvideo"] = "0.0.7"
    del plan["threads"]
    (folder / "plan.json").write_text(json.dumps(plan))
    with pytest.raises(DreamError, match=r"begun with dreamvideo 0\.0\.7, and this is"):
        dream_video(film, tmp_path / "o.mkv", recipe)


def test_a_mistake_costs_nothing_even_with_restart(film: Path, recipe: Recipe, tmp_path: Path) -> None:
    folder = begin(film, tmp_path / "o.mkv", recipe)
    kept = sorted(os.listdir(folder))
    with pytest.raises(DreamError, match="no layer"):
        dream_video(film, tmp_path / "o.mkv", recipe.set("network.layers=blok.9"), restart=True)
    assert sorted(os.listdir(folder)) == kept


def test_the_same_command_goes_on_with_a_recipe_that_is_saved(film: Path, recipe: Recipe, tmp_path: Path) -> None:
    (tmp_path / "r.toml").write_text(recipe.to_toml())
    command = [str(film), str(tmp_path / "o.mkv"), "--recipe", str(tmp_path / "r.toml")]
    assert main([*command, "--save-recipe", str(tmp_path / "s.toml"), "--keep-work"]) == 0
    (tmp_path / "o.mkv").unlink()
    assert main([*command, "--save-recipe", str(tmp_path / "s.toml")]) == 0


def test_a_part_of_a_loop_is_seen_while_it_is_saved(film: Path, recipe: Recipe, tmp_path: Path) -> None:
    made = recipe.merge({"camera": {"loop": True}, "temporal": {"cuts": "none"}})
    with pytest.MonkeyPatch.context() as patch, pytest.raises(Cut):
        patch.setattr(LayerStore, "settle", raising(Cut))  # its state is saved, and its layers lie in the journal
        dream_video(film, tmp_path / "o.mkv", made, checkpoint=2)
    assert assemble_now(tmp_path / "o.mkv.dream").done == len(pixels(tmp_path / "o.partial.mkv")) == 2


def raising(error: type[BaseException]) -> Callable[..., None]:
    def fail(*args: object) -> None:
        raise error

    return fail


def flip(path: Path, at: int) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 0x10
    path.write_bytes(data)


@pytest.mark.parametrize("damage", ["a state", "all states", "a segment", "a cut segment", "a record"])
def test_damaged_work_is_noticed_and_done_again(damage: str, film: Path, recipe: Recipe, tmp_path: Path) -> None:
    dream_video(film, tmp_path / "whole.mkv", recipe)
    folder = begin(film, tmp_path / "o.mkv", recipe, frame=10)
    segments, states = sorted(folder.glob("*.mkv")), sorted(folder.glob("*.state"))
    segments = [segment for segment in segments if segment.name[0] == "0"]
    if damage == "a segment":
        flip(segments[1], segments[1].stat().st_size // 2)
    elif damage == "a cut segment":
        segments[1].write_bytes(segments[1].read_bytes()[:-9])
    elif damage == "a record":
        segments[0].with_suffix(".json").write_text('{"first": 0, "si')
    for state in states if damage == "all states" else states[-1:] if damage == "a state" else []:
        flip(state, state.stat().st_size // 2)
    assert dream_video(film, tmp_path / "o.mkv", recipe).done == 12
    assert same(tmp_path / "whole.mkv", tmp_path / "o.mkv")


def test_a_plan_that_cannot_be_read_is_one_line(film: Path, recipe: Recipe, tmp_path: Path) -> None:
    folder = begin(film, tmp_path / "o.mkv", recipe)
    (folder / "plan.json").write_text('{"source": 1')
    with pytest.raises(DreamError, match=r"holds no render that can be continued: remove it"):
        resume(folder)
    with pytest.raises(DreamError, match="is no run folder"):
        resume(tmp_path)


def test_two_cannot_work_on_the_same_render(
    film: Path, recipe: Recipe, tmp_path: Path, capfd: pytest.CaptureFixture[str], started: list[subprocess.Popen[str]]
) -> None:
    (tmp_path / "r.toml").write_text(recipe.set("dream.iterations=8").set("temporal.refine=8").to_toml())
    command = [str(film), str(tmp_path / "o.mkv"), "--recipe", str(tmp_path / "r.toml")]
    other = subprocess.Popen(
        [sys.executable, "-m", "dreamvideo", *command], stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    started.append(other)
    wait_for(other, r"[\r\n] +\d+%\|.* [2-9]/12")
    os.killpg(other.pid, signal.SIGSTOP)
    try:
        assert main(command) == 1
        assert "another dreamvideo is working on" in capfd.readouterr().err
    finally:
        os.killpg(other.pid, signal.SIGCONT)
    other.communicate(timeout=120)
    assert other.returncode == 0


def test_an_input_that_vanishes_costs_nothing_that_is_done(film: Path, recipe: Recipe, tmp_path: Path) -> None:
    dream_video(film, tmp_path / "whole.mkv", recipe)
    shutil.copytree(film, tmp_path / "in")

    def vanish(event: Event) -> None:
        if event.done == 6 and not event.phase and (tmp_path / "in").exists():
            (tmp_path / "in").rename(tmp_path / "gone")

    with pytest.raises(
        SourceError, match=r"(does not exist|has changed).* of 12 frames are kept: continue with dreamvideo resume"
    ):
        dream_video(tmp_path / "in", tmp_path / "o.mkv", recipe, on_event=vanish)
    (tmp_path / "gone").rename(tmp_path / "in")
    heard: list[Event] = []
    resume(tmp_path / "o.mkv.dream", on_event=heard.append)
    assert dreamed(heard)[0] >= 6  # no checkpoint was reached, and yet nothing is dreamed twice
    assert same(tmp_path / "whole.mkv", tmp_path / "o.mkv")


def kill_ffmpeg(word: bytes, where: Path) -> None:
    """Kill every ffmpeg with a word among its arguments that works on a file in a folder."""
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            told = entry.read_bytes()
        except OSError:
            continue
        if word in told and str(where).encode() in told:
            os.kill(int(entry.parent.name), signal.SIGKILL)


@pytest.mark.parametrize("word", [b"pipe:0", b"pipe:1"])
def test_an_ffmpeg_that_is_killed_costs_nothing_that_is_done(
    word: bytes, clip: MakeClip, recipe: Recipe, tmp_path: Path
) -> None:
    path = clip("a.mkv", frames=20, size="160x120", tail=("-c:v", "ffv1", "-pix_fmt", "bgr0"))
    made = recipe.set("temporal.cuts=none").set("dream.iterations=1").set("temporal.refine=1")

    def kill(event: Event) -> None:
        if event.done == 5 and not event.phase:
            kill_ffmpeg(word, tmp_path)

    dream_video(path, tmp_path / "whole.mkv", made)
    with pytest.raises((SinkError, SourceError), match="of 20 frames are kept: continue with dreamvideo resume"):
        dream_video(path, tmp_path / "o.mkv", made, checkpoint=3, on_event=kill)
    assert dream_video(path, tmp_path / "o.mkv", made).done == 20
    assert same(tmp_path / "whole.mkv", tmp_path / "o.mkv")


def test_a_film_that_is_cut_off_while_its_shots_are_found_is_not_taken_for_a_short_one(
    clip: MakeClip, recipe: Recipe, tmp_path: Path
) -> None:
    path = clip("a.mkv", frames=60, size="160x120", tail=("-c:v", "ffv1", "-pix_fmt", "bgr0"))

    def kill(event: Event) -> None:
        if event.phase:
            kill_ffmpeg(b"pipe:1", tmp_path)

    with pytest.raises(SourceError, match="was cut off"):
        dream_video(path, tmp_path / "o.mkv", recipe, on_event=kill)


def test_an_encoder_that_fails_costs_no_frame(clip: MakeClip, recipe: Recipe, tmp_path: Path) -> None:
    path = clip("a.mp4", frames=12, size="96x64")
    (tmp_path / "out").mkdir()

    def kill(event: Event) -> None:
        if event.phase == "writing":
            kill_ffmpeg(b"libx264", tmp_path / "out")

    with pytest.raises(SinkError, match="12 of 12 frames are kept"):
        dream_video(path, tmp_path / "out" / "o.mp4", recipe.set("temporal.cuts=none"), on_event=kill)
    assert os.listdir(tmp_path / "out") == ["o.mp4.dream"]
    assert resume(tmp_path / "out" / "o.mp4.dream").done == 12
    assert os.listdir(tmp_path / "out") == ["o.mp4"]


def test_a_disk_that_fills_up_costs_nothing_that_is_done(film: Path, recipe: Recipe, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=330k", "tmpfs", str(disk)], check=False).returncode:
        pytest.skip("mounting a small disk needs root")
    try:
        with pytest.raises(
            SinkError, match=r"is the disk full(, or the folder protected)?\?; \d+ of 12 frames are kept"
        ):
            dream_video(film, disk / "o.mkv", recipe, checkpoint=2)
        assert os.listdir(disk) == ["o.mkv.dream"]
        subprocess.run(["mount", "-o", "remount,size=20m", str(disk)], check=True)
        resume(disk / "o.mkv.dream")
        dream_video(film, tmp_path / "whole.mkv", recipe)
        assert same(tmp_path / "whole.mkv", disk / "o.mkv")
        assert os.listdir(disk) == ["o.mkv"]
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_frames_that_are_half_assembled_are_the_renders_own(film: Path, recipe: Recipe, tmp_path: Path) -> None:
    def cut(event: Event) -> None:
        if event.phase == "writing" and event.done == 6:
            raise Cut

    out = tmp_path / "out"
    with pytest.raises(Cut):
        dream_video(film, out, recipe, on_event=cut)
    assert 3 < len(os.listdir(out)) < 12
    assert dream_video(film, out, recipe).done == len(os.listdir(out)) == 12
    assert not (tmp_path / "out.dream").exists()


def test_work_lies_where_it_is_asked_for_and_stays_if_it_is(film: Path, recipe: Recipe, tmp_path: Path) -> None:
    result: Result = dream_video(film, tmp_path / "o.mkv", recipe, work=tmp_path / "w", keep_work=True)
    assert Path(result.folder).parent == tmp_path / "w"
    assert len(pixels(Path(result.folder) / "00000000.mkv")) == 12  # any player shows a segment
    assert sorted(os.listdir(tmp_path)) == ["o.mkv", "w"]


def test_a_part_of_a_loop_can_be_seen(film: Path, recipe: Recipe, tmp_path: Path) -> None:
    made = recipe.merge({"camera": {"loop": True, "zoom": 3.0}, "clip": {"seconds": 0.25}})
    folder = begin(film / "00001.png", tmp_path / "o.mkv", made, frame=4, checkpoint=3)
    assert assemble_now(folder).done == len(pixels(tmp_path / "o.partial.mkv")) == 3
    with pytest.raises(SinkError, match="exists already"):
        assemble_now(folder)


def test_film_frames_are_found_again_where_seeking_leads_elsewhere(
    clip: MakeClip, recipe: Recipe, tmp_path: Path
) -> None:
    """A film whose index is wrong is read from its beginning; one that seeks well is not."""
    made = recipe.set("temporal.cuts=none")
    good = clip("a.mp4", frames=14, tail=("-g", "5", "-bf", "2"))
    odd = clip("b.mkv", frames=14, tail=("-c:v", "mpeg4", "-g", "300", "-bf", "2", "-cues_to_front", "1"))
    for path in (good, odd):
        dream_video(path, tmp_path / "whole.mkv", made, overwrite=True)
        begin(path, tmp_path / "o.mkv", made, frame=11)
        dream_video(path, tmp_path / "o.mkv", made)
        assert same(tmp_path / "whole.mkv", tmp_path / "o.mkv")
        (tmp_path / "o.mkv").unlink()
