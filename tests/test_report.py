"""The stability report: its measures on dreams whose steadiness is known, and the report it makes of them."""

from __future__ import annotations

import json
import math
from pathlib import Path

import clips
import cv2
import numpy as np
import pytest
import torch
from conftest import tensor

from dreamvideo import Engine, Recipe, SinkError, SourceError, dream_video, measure
from dreamvideo.analysis.metrics import Stability
from dreamvideo.analysis.motion import chain, exact_motion, reference_motion
from dreamvideo.cli.main import main
from dreamvideo.media.pixels import luma_8bit
from dreamvideo.video import flow
from dreamvideo.video.warp import warp


def noise(shape: tuple[int, ...], seed: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed)) * 0.1


def layers(kind: str, clip: list[clips.Exact]) -> list[torch.Tensor]:
    """Layers of noise: carried along the exact motion, new on every frame, growing, or tinted more and more."""
    first = cv2.GaussianBlur(noise((*clip[0].frame.pixels.shape,), 0).numpy(), (0, 0), 1.5) * 4
    layer, made = torch.from_numpy(first).permute(2, 0, 1), []
    for k, exact in enumerate(clip):
        if exact.flow is not None:
            layer = warp(layer, exact_motion(exact.flow, exact.held).flow)
        grown = layer * (1 + 0.02 * k) if kind == "growing" else layer + 0.001 * k if kind == "tinted" else layer
        made.append(noise(tuple(layer.shape), k + 1) if kind == "boiling" else grown)
    return made


def judged(kind: str, clip: list[clips.Exact], exactly: bool = True) -> Stability:
    stability = Stability()
    for exact, layer in zip(clip, layers(kind, clip), strict=True):
        source = tensor(exact.frame.pixels)
        motion = exact_motion(exact.flow, exact.held) if exact.flow is not None and exactly else None
        stability.add(luma_8bit(exact.frame.pixels), source, source + layer, motion=motion, cut=exact.flow is None)
    return stability


@pytest.mark.parametrize("exactly", [True, False])
def test_flicker_tells_steady_from_boiling(exactly: bool) -> None:
    clip = list(clips.zoom(160, 96, 6))
    assert abs(judged("steady", clip, exactly).flicker) < 0.06
    # the mean difference of two independent normal layers is √2 of their mean magnitude; the judge's own resampling
    # takes a little of the noise away
    assert judged("boiling", clip, exactly).flicker == pytest.approx(math.sqrt(2), rel=0.15)


def test_the_judge_is_sure_only_of_what_is_so() -> None:
    before, now = clips.fast(240, 136, 2)
    motion = reference_motion(luma_8bit(now.frame.pixels), luma_8bit(before.frame.pixels))
    sure = motion.confidence[0].numpy() > 0.9
    error = np.hypot(*(motion.flow.numpy() - now.flow.transpose(2, 0, 1)))
    assert sure.mean() > 0.3
    assert (error[sure & now.held] < 0.5).mean() > 0.97


def test_the_judge_is_never_the_flow_that_carried() -> None:
    before, now = (luma_8bit(exact.frame.pixels) for exact in clips.zoom(160, 96, 2))
    assert np.array_equal(
        reference_motion(now, before, "variational").flow.numpy().transpose(1, 2, 0), flow.dis(now, before)
    )
    assert not np.array_equal(
        reference_motion(now, before, "dis").flow.numpy().transpose(1, 2, 0), flow.dis(now, before)
    )


def test_a_judge_is_sure_of_nothing_across_a_cut() -> None:
    clip = list(clips.cut(160, 96, 4))
    motion = reference_motion(luma_8bit(clip[2].frame.pixels), luma_8bit(clip[1].frame.pixels))
    assert (motion.confidence > 0.9).float().mean() < 0.05


def test_motions_chain() -> None:
    clip = list(clips.zoom(160, 96, 3))
    one, two = (exact_motion(e.flow, e.held) for e in clip[1:])
    both = chain(two, one)
    about, at, turn = np.array([78.4, 48.0]), np.array([30, 20]), -2 * 0.002  # what the clip zooms and turns about
    dx, dy = at - about
    was = np.array([np.cos(turn) * dx - np.sin(turn) * dy, np.sin(turn) * dx + np.cos(turn) * dy]) / 1.01**2
    assert both.flow[:, at[1], at[0]].numpy() == pytest.approx(was - [dx, dy], abs=0.02)


def test_drifts_are_those_of_the_layer() -> None:
    clip = list(clips.static(96, 64, 20))
    assert judged("growing", clip).strength_drift == pytest.approx((1.37 / 1.01) - 1, abs=0.02)
    assert judged("tinted", clip).colour_drift == pytest.approx(0.018, abs=1e-3)
    assert abs(judged("steady", clip).strength_drift) < 0.01


def test_nothing_is_compared_across_a_cut_and_a_weak_start_shows() -> None:
    clip = list(clips.cut(160, 96, 12))
    made = layers("steady", clip)
    stability = Stability()
    for k, (exact, layer) in enumerate(zip(clip, made, strict=True)):
        source = tensor(exact.frame.pixels)
        weak = 0.5 if k == 6 else 1.0
        motion = exact_motion(exact.flow, exact.held) if exact.flow is not None else None
        stability.add(luma_8bit(exact.frame.pixels), source, source + weak * layer, motion=motion, cut=motion is None)
    assert len(stability.shots) == 2
    assert math.isnan(stability.frames[6].error)
    assert stability.first_frame == pytest.approx(0.5, rel=0.05)
    assert stability.cut_recovery == pytest.approx((0.5 + 1 + 1) / 3, rel=0.05)


def test_the_seam_of_a_loop_is_seen() -> None:
    photo = clips.KINDS["pan"](160, 96, 1)
    still = next(iter(photo)).frame.pixels
    closed, open_ = Stability(), Stability()
    for k in range(8):
        picture = tensor(np.ascontiguousarray(np.roll(still, 2 * min(k, 8 - k), 1)))
        for loop, layer in ((closed, 0.02 * (k % 2)), (open_, 0.02 * (k % 2) + 0.1 * (k == 7))):
            loop.add(luma_8bit((picture.permute(1, 2, 0) * 255).byte().numpy()), picture, picture + layer)
    closed.measure_seam()
    open_.measure_seam()
    assert closed.seam < 1.5
    assert open_.seam > 3


@pytest.fixture(scope="module")
def dreamed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a made clip, its exact flow, and its dream by the command's own function."""
    folder = tmp_path_factory.mktemp("measured")
    clips.write("cut", folder / "clip", 96, 64, 12)
    recipe = Recipe().set("dream.octaves=1").set("dream.iterations=3").set("clip.fps=25")
    dream_video(folder / "clip", folder / "dream.mkv", recipe)
    return folder


def test_the_command_measures_and_reports(dreamed: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    numbers, page, picture = tmp_path / "r.json", tmp_path / "r.html", tmp_path / "r.png"
    clip, dream = str(dreamed / "clip"), str(dreamed / "dream.mkv")
    truth = str(dreamed / "clip" / "flow")
    assert main(["measure", clip, dream, "--json", str(numbers), "--report", str(page), "--flow-truth", truth]) == 0
    told = capsys.readouterr().out
    for name in ("flicker index", "objective ratio", "strength drift", "colour drift", "cut recovery", "gap 8"):
        assert (name in told) == (name != "gap 8")  # no shot is as long
    found = json.loads(numbers.read_text())
    assert found["summary"]["shots"] == 2
    assert found["summary"]["objective ratio"] == pytest.approx(1, abs=0.2)
    assert [f["index"] for f in found["frames"] if f["cut"]] == [0, 6]
    assert found["frames"][6]["error"] is None
    html = page.read_text()
    assert "<svg" in html
    assert html.count("data:image/png;base64,") == 4
    assert main(["measure", clip, dream, "--alone", "0", "--report", str(picture)]) == 0
    assert "objective ratio" not in capsys.readouterr().out
    image = cv2.imread(str(picture))
    assert image.shape[1] > 1000
    assert image.std() > 20
    assert main(["measure", clip, dream, "--report", str(picture)]) == 1  # never overwritten unasked
    assert "exists already" in capsys.readouterr().err


def test_without_a_recipe_all_but_the_objective_is_measured(dreamed: Path, tmp_path: Path) -> None:
    plain = tmp_path / "plain"
    plain.mkdir()
    for file in sorted((dreamed / "clip").glob("*.png")):
        cv2.imwrite(str(plain / file.name), 255 - cv2.imread(str(file)))
    report = measure(dreamed / "clip", plain)
    assert math.isnan(report.stability.objective)
    assert report.stability.strength > 0.05
    assert "no objective" in report.notices[0]
    (plain / "00011.png").unlink()
    assert "11 are measured" in measure(dreamed / "clip", plain).notices[1]


def test_bad_flow_and_bad_names_are_refused(dreamed: Path, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="holds no flow"):
        measure(dreamed / "clip", dreamed / "dream.mkv", truth=tmp_path)
    clips.write("pan", tmp_path / "other", 32, 32, 2)
    with pytest.raises(SourceError, match="96×64"):
        measure(dreamed / "clip", dreamed / "dream.mkv", truth=tmp_path / "other" / "flow")
    with pytest.raises(SourceError, match="another shape"):
        measure(dreamed / "clip", tmp_path / "other")
    with pytest.raises(SinkError, match=r"\.html"):
        measure(dreamed / "clip", dreamed / "dream.mkv").save(str(tmp_path / "report.pdf"))


def test_a_dream_is_measured_at_its_own_size_and_part(tmp_path: Path, engine: Engine) -> None:
    clips.write("pan", tmp_path / "clip", 96, 64, 10)
    recipe = engine.recipe.set("clip.fps=25").set("clip.start=0.12").set("clip.size=48x32")
    dream_video(tmp_path / "clip", tmp_path / "part.mkv", recipe)
    stability = measure(tmp_path / "clip", tmp_path / "part.mkv").stability
    assert len(stability.frames) == 7
    off = measure(tmp_path / "clip", tmp_path / "part.mkv", recipe.set("clip.start=0")).stability
    assert stability.strength < off.strength  # the right frames are compared


def test_no_dream_at_all_is_measured_too(dreamed: Path) -> None:
    report = measure(dreamed / "clip", dreamed / "clip", truth=dreamed / "clip" / "flow")
    assert report.stability.strength == 0
    assert math.isnan(report.stability.strength_drift)
    assert "strength" in report.text()


def test_a_recipe_from_elsewhere_is_made_to_fit_here(dreamed: Path, tmp_path: Path) -> None:
    cuts = tmp_path / "cuts.csv"
    cuts.write_text("0.24\n")
    recipe = Recipe().set("dream.octaves=1").set("dream.iterations=1").set("clip.fps=25").set(f"temporal.cuts={cuts}")
    dream_video(dreamed / "clip", tmp_path / "dream.mkv", recipe)
    cuts.unlink()
    report = measure(dreamed / "clip", tmp_path / "dream.mkv")
    assert report.stability.objective > 0
    assert not report.notices
