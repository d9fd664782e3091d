"""Loops: they close, their laps build on each other, a still contains itself, and what is saved fits its state."""

from __future__ import annotations

import math
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace

import clips
import cv2
import numpy as np
import pytest
import torch
from conftest import SAMPLES
from media_files import read
from skimage import data
from test_camera import H, W, path

from dreamvideo import Engine, Frame, Recipe, RecipeError, SourceError, dream_video
from dreamvideo.curves.animate import Animation
from dreamvideo.curves.timeline import Timeline
from dreamvideo.dream.objective.objective import Objective
from dreamvideo.video import camera, carry, flow, strength
from dreamvideo.video.loop import laps, views
from dreamvideo.video.loop.layer_store import LayerStore
from dreamvideo.video.loop.morph import morph
from dreamvideo.video.loop.nested import NestedPicture
from dreamvideo.video.state import State
from dreamvideo.video.temporal_error import LoopErrors, seam_error, temporal_error
from dreamvideo.video.tracker import TrackedFrame


def still() -> np.ndarray:
    """A photo of the camera tests' size."""
    return cv2.resize(data.chelsea()[:, 60:-60], (W, H), interpolation=cv2.INTER_AREA)


# --- loops close ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("settings", [{"zoom": 3.0}, {"zoom": 0.4, "rotate": 40.0}, {"rotate": 360.0}])
def test_a_loop_of_a_still_closes(settings: dict[str, float], quick: Recipe) -> None:
    # smooth areas are not spared here: with steps this large, what counts as smooth changes from frame to frame
    recipe = quick.set("finish.spare_smooth=0").merge({"camera": {**settings, "loop": True}})
    photo = still()
    timeline = Timeline(Fraction(12), 12)
    engine = Engine(recipe, timeline)
    with views.open_loop([Frame(0, Fraction(0), photo)], 1, 0, timeline, engine) as loop:
        pictures, motions = map(list, zip(*laps.render_loop(loop, engine), strict=True))
        strengths = [strength.rms(p - engine.image(loop.step(k, None).frame)) for k, p in enumerate(pictures)]
        first, again = loop.step(0, None).frame.pixels, loop.step(0, 11).frame.pixels
    assert len(pictures) == 12
    assert np.array_equal(first, again)
    errors = [temporal_error(pictures[k], pictures[k - 1], motions[k]) for k in range(12)]
    assert max(errors) <= 1.6 * np.median(errors)  # where a loop is not closed, it is 5 or more
    assert max(strengths) < 1.35 * min(strengths)


def test_the_seam_of_a_loop_is_relative_to_the_median_error() -> None:
    assert seam_error(0.3, [0.4, math.nan, 0.1, 0.2]) == pytest.approx(0.3 / 0.2)
    assert math.isnan(seam_error(0.3, [math.nan]))
    assert math.isnan(LoopErrors().seam)


def test_the_view_after_the_last_is_the_first() -> None:
    photo = still()
    for settings in ({"zoom": 1.5}, {"zoom": 0.6, "rotate": 30.0}, {"zoom": 4.0, "center_x": 0.3}):
        track = path(settings, 4, 6)
        loop = views.StillLoop(photo, track)
        after = loop._picture.view_through(track.view(24)).astype(float)
        before = loop._picture.view_through(track.view(0)).astype(float)
        assert np.abs(after - before).mean() < 2, settings


def test_a_loop_whose_camera_does_not_come_back_is_refused(quick: Recipe) -> None:
    engine = Engine(quick.set("camera.pan_x=0.3"), Timeline(Fraction(12), 24))
    with (
        pytest.raises(RecipeError, match="cannot close"),
        views.open_loop([Frame(0, Fraction(0), data.chelsea())], 1, 0, Timeline(Fraction(12), 24), engine),
    ):
        pass


def test_the_end_of_a_films_loop_blends_into_its_beginning(quick: Recipe, tmp_path: Path) -> None:
    result = dream_video(
        SAMPLES / "bunny.mp4", tmp_path / "loop.mkv",
        quick.set("clip.size=128x72").set("clip.end=1.5").set("camera.loop=true"),
    )  # fmt: skip
    assert result.seam <= 1.1
    info, _ = read(tmp_path / "loop.mkv")
    assert info.count == result.done == 26  # 36 less those that are blended: 0.75 s, at most a third
    with pytest.raises(SourceError, match="too short"):
        dream_video(SAMPLES / "bunny.mp4", tmp_path / "b.mkv", quick.set("clip.end=0.05").set("camera.loop=true"))


# --- laps -------------------------------------------------------------------------------------------------------------


class FakeLoop:
    """Eight frames of 4×4 pixels, without a camera."""

    count, order = 8, range(8)
    animation = Animation(Recipe(), Timeline(Fraction(8), 8))

    def __init__(self, outpainter: object = None):
        self.outpainter = outpainter

    def step(self, index: int, before: int | None) -> TrackedFrame:
        frame = Frame(index, Fraction(index, 8), np.zeros((4, 4, 3), np.uint8))
        return TrackedFrame(frame, np.zeros((4, 4), np.uint8), self.animation.at(index))

    def ahead(self, engine: object) -> object:
        return self.outpainter


class FakeEngine:
    """Dreams a frame as a flat layer whose value is the number of the frames so far, with a step gain of 2."""

    device = torch.device("cpu")

    def __init__(self) -> None:
        self.fills: list[float | None] = []
        self.step_gains: list[float] = []

    def carry(self, step: TrackedFrame, state: State | None) -> tuple[torch.Tensor, torch.Tensor, State]:
        self.fills.append(None if step.fill is None else float(step.fill.mean()))
        layer, image = torch.full((3, 4, 4), len(self.fills) / 100), torch.full((3, 4, 4), 0.5)
        if state is None:
            state = carry.settle(image, layer, 1.0, None, None, Objective(()))
        self.step_gains.append(state.control.step_gain)
        return image, layer, replace(state, layer=layer, control=replace(state.control, step_gain=2.0))


def test_each_lap_starts_from_the_last_and_the_loop_closes_softly(tmp_path: Path) -> None:
    engine, layers = FakeEngine(), LayerStore(tmp_path, 4, 4)
    assert [state.index for state in laps.dream_loop(FakeLoop(), engine, layers)] == list(range(1, 19))
    own = [n / 100 for n in range(1, 19)]  # the layer of each frame dreamed
    assert engine.fills == [None] * 8 + [pytest.approx(value, abs=1e-4) for value in own[:10]]
    assert engine.step_gains[1:8] == [2.0] * 7
    assert max(engine.step_gains[8:]) == laps.GENTLE
    blended = [own[16], (own[17] + own[9]) / 2]  # a quarter of a lap is dreamed once more, and blends into the second
    assert [float(layers[k].mean()) for k in range(8)] == pytest.approx([*blended, *own[10:16]], abs=1e-4)
    layers.close()


def test_the_outpainter_fills_the_first_lap_and_joins_the_second_to_it(tmp_path: Path) -> None:
    outpainter = SimpleNamespace(
        outpainted=None,
        fill=lambda index, state: None if index == 3 else torch.full((3, 4, 4), 0.25),
        join=lambda index, state, kept: kept[index] + 1,
    )
    engine, layers = FakeEngine(), LayerStore(tmp_path, 4, 4)
    list(laps.dream_loop(FakeLoop(outpainter), engine, layers))
    assert engine.fills[:8] == [None, 0.25, 0.25, None, 0.25, 0.25, 0.25, 0.25]
    assert engine.fills[8:16] == [pytest.approx(1 + n / 100, abs=1e-3) for n in range(1, 9)]
    assert engine.fills[16:] == [pytest.approx(n / 100, abs=1e-3) for n in (9, 10)]
    layers.close()


def test_a_sealed_journal_counts_for_the_state_saved_with_it_only(tmp_path: Path) -> None:
    old, new = torch.full((3, 4, 4), 0.25), torch.full((3, 4, 4), 0.75)
    store = LayerStore(tmp_path, 4, 4)
    store[0] = store[1] = old
    store.seal(2)
    store.settle(2)
    assert torch.equal(store[1], old)
    store[0] = new
    assert torch.equal(store[0], new)
    store.seal(4)  # the render ends here, before `settle`, and perhaps before the state after 4 frames was saved
    store.close()
    contents = (tmp_path / "layers-00000004").read_bytes()
    for done, expected in ((4, new), (2, old)):
        (tmp_path / "layers").write_bytes(old.half().numpy().tobytes() * 2)
        (tmp_path / "layers-00000004").write_bytes(contents)
        resumed = LayerStore(tmp_path, 4, 4, done)
        assert torch.equal(resumed[0], expected)
        assert torch.equal(resumed[1], old)
        resumed.close()


# --- the frames of a loop ---------------------------------------------------------------------------------------------


def test_a_nested_picture_lies_in_a_larger_copy_and_holds_a_smaller_one() -> None:
    photo, loop_view = still(), path({"zoom": 1.5}, 4, 6).view(24)  # each copy is 1.5⁴ times as large as the next
    shown = NestedPicture(photo, loop_view).view_through(np.eye(3)).astype(float)
    assert np.array_equal(shown[32:64, 32:62], photo[32:64, 32:62])  # away from its edges and from the next copy
    larger, smaller = (camera.view_through(photo, view).astype(float) for view in (loop_view, np.linalg.inv(loop_view)))
    assert np.abs(shown - larger)[:, 0].max() <= 1  # its edge fades into the larger copy
    middle = np.s_[47:50, 73:77]  # of the smaller copy, beside the one in that
    assert np.abs(shown - smaller)[middle].mean() < 0.3 * np.abs(photo - smaller)[middle].mean()


def test_morphing_follows_the_motion_and_shows_no_ghosts() -> None:
    one, between, other = (e.frame.pixels for e in clips.scene([clips._pan("coffee", H, -4.0)], W, H, 3))
    inner = np.s_[:, 8:-8]

    def error(made: np.ndarray) -> float:
        return float(np.abs(made.astype(float) - between)[inner].mean())

    assert error(morph(one, other, 0.5)) < 0.4 * error((one.astype(float) + other) / 2)
    assert np.abs(morph(one, other, 0.01).astype(float) - one)[inner].mean() < 2
    assert np.abs(morph(one, other, 0.99).astype(float) - other)[inner].mean() < 2


@pytest.mark.parametrize(("confidence", "shown"), [(1.0, [0, 55, 100, 145, 200]), (0.0, [0, 0, 100, 200, 200])])
def test_frames_that_do_not_match_change_over_quickly(
    confidence: float, shown: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = (np.full((24, 32, 3), level, np.uint8) for level in (0, 200))
    monkeypatch.setattr(flow, "flow_confidence", lambda *_: np.full((24, 32), confidence, np.float32))
    assert [int(morph(one, other, share)[12, 16, 0]) for share in (0, 0.275, 0.5, 0.725, 1)] == shown
