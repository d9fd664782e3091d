"""Shots begin where the picture changes at once or comes out of black, and nowhere else; or where a list says."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import clips
import numpy as np
import pytest
import torch
from conftest import tensor

from dreamvideo import Engine, Frame, Recipe, RecipeError, render
from dreamvideo.video import shots


def begins(frames: list[Frame], cuts: str = "auto") -> list[int]:
    marked = list(shots.shot_rule(cuts)(frames))
    assert [frame.index for frame, _ in marked] == [frame.index for frame in frames]  # late, but all, and in order
    return [frame.index for frame, cut in marked if cut]


def frames_of(kind: str, count: int = 24) -> list[Frame]:
    return [exact.frame for exact in clips.KINDS[kind](160, 96, count)]


def test_a_hard_cut_is_found() -> None:
    assert begins(frames_of("cut")) == [12]


@pytest.mark.parametrize("kind", ["pan", "fast", "static", "zoom", "grain"])
def test_motion_is_no_cut(kind: str) -> None:
    assert begins(frames_of(kind)) == []


def test_a_shot_begins_where_it_comes_out_of_black() -> None:
    lit = frames_of("pan", 30)
    level = [max(0.0, 1 - k / 10) if k < 14 else min(1.0, (k - 15) / 8) for k in range(30)]
    faded = [Frame(f.index, f.time, (f.pixels * max(v, 0.0)).astype(np.uint8)) for f, v in zip(lit, level, strict=True)]
    found = begins(faded)
    assert 15 < found[-1] < 19
    assert all(pixels.mean() < 20 for pixels in (faded[k].pixels for k in found))  # none while it is lit


@pytest.mark.parametrize("dim", [1, 2, 3])
def test_a_shot_that_appears_out_of_black_in_two_steps_begins_once(dim: int) -> None:
    """It comes out of black at frame 9, and cuts to its full brightness fewer frames later than a shot may last."""
    first, then = frames_of("fast"), frames_of("static")
    lit = [*first[: 9 + dim], *then[9 + dim :]]
    level = [0.0] * 9 + [0.15] * dim + [1.0] * (15 - dim)
    shown = [Frame(f.index, f.time, (f.pixels * v).astype(np.uint8)) for f, v in zip(lit, level, strict=True)]
    assert begins(shown) == [9]


def test_shots_begin_at_the_times_of_a_list(tmp_path: Path) -> None:
    listed = tmp_path / "cuts.csv"
    listed.write_text("time\n0:00.2\n0.4\n")
    assert begins(frames_of("pan"), str(listed)) == [5, 10]
    detected = tmp_path / "scenes.csv"
    detected.write_text(
        "Timecode List:,00:00:00.320\nScene Number,Start Frame,Start Timecode,Start Time (seconds),End Frame\n"
        "1,1,00:00:00.000,0.000,8\n2,9,00:00:00.320,0.320,24\n"
    )
    assert begins(frames_of("pan"), str(detected)) == [0, 8]
    shifted = [frame.index for frame, cut in shots.shot_rule(str(listed), Fraction(1, 5))(frames_of("pan")) if cut]
    assert shifted == [0, 5]  # the film is taken from 0.2 s on
    assert begins(frames_of("cut"), "none") == []


def test_a_bad_list_says_which_line(tmp_path: Path) -> None:
    listed = tmp_path / "cuts.csv"
    listed.write_text("0.2\n1;5\n")
    with pytest.raises(RecipeError, match="line 2"):
        shots.shot_rule(str(listed))
    with pytest.raises(RecipeError, match=r"auto, none, or a CSV file"):
        shots.shot_rule(str(tmp_path / "missing.csv"))


def test_the_first_frame_of_a_shot_is_fully_dreamed_and_holds_nothing_of_the_last_shot(quick: Recipe) -> None:
    clip = list(clips.cut(160, 96, 12))
    engine = Engine(quick)
    pictures = [picture for picture, _ in render([e.frame for e in clip], engine)]
    alone = next(render([clip[6].frame], engine))[0]
    assert torch.equal(pictures[6], alone)
    strength = [float((p - tensor(e.frame.pixels)).abs().mean()) for p, e in zip(pictures, clip, strict=True)]
    assert strength[6] > 0.95 * np.mean(strength[7:])
