"""Masks: from files that are read along with the film, and from the frame's luma, edges or motion."""

from __future__ import annotations

import os
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import clips
import cv2
import numpy as np
import pytest
import torch
from conftest import ffmpeg
from media_files import read
from skimage import data
from test_finish import MODES, H, W, film, half_white, noisy, save

from dreamvideo import Engine, Frame, Recipe, RecipeError, SinkError, SourceError, dream_image, dream_video, render
from dreamvideo.curves.timeline import Timeline
from dreamvideo.finish.composite import composite
from dreamvideo.finish.mask import Mask, edges
from dreamvideo.finish.motion_mask import MotionMask
from dreamvideo.media.pixels import luma_8bit
from dreamvideo.recipe import Finish
from dreamvideo.video import flow, strength
from dreamvideo.video.flow import Motion

LEFT, RIGHT = np.s_[:, : W // 2], np.s_[:, W // 2 :]


def frame_of(pixels: np.ndarray, index: int = 0) -> Frame:
    return Frame(index, Fraction(index, 25), pixels)


def mask_at(finish: Finish, pixels: np.ndarray) -> np.ndarray:
    return Mask(finish, Fraction(25), Fraction(0)).at(frame_of(pixels), finish)


def changes(one: Frame, other: Frame) -> np.ndarray:
    """How much two pictures differ, pixel by pixel."""
    return np.abs(one.pixels.astype(int) - other.pixels).sum(2)


# --- what a mask does -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("keep", [False, True])
def test_where_the_mask_is_black_the_frame_is_left_exactly(mode: str, keep: bool, photo: np.ndarray) -> None:
    image, layer = noisy(photo)
    mask = torch.from_numpy(half_white(96, 96)).float() / 255
    mask[:, 40:56] = 0.25
    finish = Finish(blend=mode, keep_color=keep, strength=1.3)  # type: ignore[arg-type]
    whole, picture = (composite(image, layer, finish, mask=m) for m in (None, mask))
    assert torch.equal(picture[..., :40], image[..., :40])
    assert torch.equal(picture[..., 56:], whole[..., 56:])
    assert torch.allclose(picture[..., 40:56], (image + 0.25 * (whole - image))[..., 40:56], atol=1e-6)
    if not (mode == "color" and keep):  # which leaves the frame as it is
        assert not torch.allclose(whole, image, atol=0.01)


@pytest.mark.parametrize("depth", [8, 16])
@pytest.mark.parametrize("name", ["out", "out.mkv"])
def test_what_is_masked_is_written_as_it_was_read(depth: int, name: str, quick: Recipe, tmp_path: Path) -> None:
    source = film(tmp_path, depth)
    mask = save(tmp_path / "mask.png", half_white(24, 100))  # another size and shape: stretched
    recipe = quick.merge({"finish": {"mask": str(mask), "blend": "screen", "keep_color": True}})
    dream_video(source, tmp_path / name, recipe)
    info, frames = read(tmp_path / name)
    assert (info.depth, len(frames)) == (depth, 3)
    for found, given in zip(frames, read(source)[1], strict=True):
        changed = changes(found, given)
        assert changed[:, : W // 2 - 1].max() == 0
        assert changed[:, W // 2 + 1 :].mean() > 2 * 257 ** (depth == 16)


def test_the_dream_goes_on_where_a_mask_hides_it(quick: Recipe, tmp_path: Path) -> None:
    """A mask that is black until the last frame shows there what a film without one shows."""
    source = film(tmp_path, frames=4)
    for k in range(4):
        save(tmp_path / "m" / f"{k:02d}.png", np.full((H, W), 255 * (k == 3), np.uint8))
    dream_video(source, tmp_path / "free", quick)
    dream_video(source, tmp_path / "masked", quick.set(f"finish.mask={tmp_path / 'm'}"))
    free, masked, given = (read(tmp_path / name)[1] for name in ("free", "masked", "in"))
    assert all(changes(masked[k], given[k]).max() == 0 for k in range(3))
    assert changes(masked[3], free[3]).max() == 0


@pytest.mark.parametrize("settings", [{}, {"temporal": {"passes": 2}}, {"clip": {"start": "0.2"}}])
def test_a_films_mask_is_taken_at_the_films_time(settings: dict, quick: Recipe, tmp_path: Path) -> None:
    """Each frame of the mask dreams another column of the picture; it ends early, and its last picture stays."""
    source, wide = film(tmp_path, frames=6), W // 4
    for k in range(4):
        columns = np.zeros((H, W), np.uint8)
        columns[:, k * wide : (k + 1) * wide] = 255
        save(tmp_path / "m" / f"{k:02d}.png", columns)
    mask, said = tmp_path / "m.mkv", []
    ffmpeg("-framerate", "12", "-i", tmp_path / "m" / "%02d.png", "-c:v", "ffv1", "-pix_fmt", "gray", mask)
    recipe = quick.merge({"finish": {"mask": str(mask)}, **settings}).set("clip.fps=12")
    dream_video(source, tmp_path / "out", recipe, on_event=lambda event: said.append(event.notice))
    assert [notice for notice in said if "stays" in notice] == [
        f"{mask} ends after 0.333 s of the film: its last picture stays"
    ]
    first = 3 if "clip" in settings else 0  # 0.2 s lies after the frame at 2/12 s
    found, given = read(tmp_path / "out")[1], read(source)[1][first:]
    for k, (one, other) in enumerate(zip(found, given, strict=True), first):
        changed = changes(one, other).sum(0)
        own = slice(min(k, 3) * wide, (min(k, 3) + 1) * wide)
        assert changed[own].min() > 0
        changed[own] = 0
        assert changed.sum() == 0, k


def test_a_mask_moves_with_the_camera_over_a_film(quick: Recipe, tmp_path: Path) -> None:
    """After half a turn in a second, black is on the other side."""
    source, mask = film(tmp_path, frames=13), save(tmp_path / "m.png", half_white())
    recipe = quick.merge({"clip": {"fps": "12"}, "camera": {"rotate": 180.0}, "finish": {"mask": str(mask)}})
    for name, made in (("dreamed", recipe), ("plain", recipe.set("finish.strength=0"))):
        dream_video(source, tmp_path / name, made)
    dreamed, plain = (read(tmp_path / name)[1] for name in ("dreamed", "plain"))
    first, last = (changes(dreamed[k], plain[k]) for k in (0, 12))
    assert first[LEFT].max() == 0 < first[RIGHT].mean()
    assert last[:, W // 2 + 6 :].max() == 0 < last[:, : W // 2 - 6].mean()


def test_a_feedback_dream_shows_the_still_where_it_is_masked(quick: Recipe, tmp_path: Path) -> None:
    still = save(tmp_path / "a.png", cv2.resize(data.astronaut(), (W, H), interpolation=cv2.INTER_AREA))
    mask = save(tmp_path / "m.png", half_white())
    settings = {"clip": {"seconds": 0.5}, "camera": {"zoom": 2.0}, "finish": {"mask": str(mask)}}
    dream_video(still, tmp_path / "out", quick.merge(settings))
    given, found = read(still)[1][0], read(tmp_path / "out")[1]
    assert len(found) == 12
    assert all(changes(frame, given)[LEFT].max() == 0 for frame in found)
    assert (
        changes(found[-1], given)[RIGHT].mean() > changes(found[0], given)[RIGHT].mean()
    )  # where it shows, the dream goes on


@pytest.mark.parametrize("settings", [{"blend": "multiply"}, {"blend": "luminosity"}, {"keep_color": True}])
def test_a_blended_feedback_dream_goes_on_from_its_first_frame(
    settings: dict, photo: np.ndarray, quick: Recipe
) -> None:
    """It is blended over the still, so that the second frame is much like the first."""
    frames = [Frame(k, Fraction(k, 24), photo, feedback=k > 0) for k in range(2)]
    engine = Engine(quick.merge({"finish": settings}), Timeline(Fraction(24), 2, still=True))
    first, second = (picture for picture, _ in render(frames, engine))
    assert strength.rms(second - first) < 0.5 * strength.rms(first - engine.image(frames[0]))


def test_loops_are_masked_too(quick: Recipe, tmp_path: Path) -> None:
    source, mask = film(tmp_path, frames=12), save(tmp_path / "m.png", half_white())
    looped = quick.merge({"clip": {"fps": "12"}, "camera": {"loop": True}, "finish": {"mask": str(mask)}})
    assert dream_video(source, tmp_path / "film", looped).done == 8
    for one, other in zip(
        read(tmp_path / "film")[1][4:], read(source)[1][4:8], strict=True
    ):  # the first four are blended
        assert changes(one, other)[LEFT].max() == 0 < changes(one, other)[RIGHT].mean()
    looped = looped.merge({"camera": {"zoom": 3.0}, "clip": {"seconds": 0.5}})
    for name, made in (("dreamed", looped), ("plain", looped.set("finish.strength=0"))):
        dream_video(source / "00001.png", tmp_path / name, made)
    for one, other in zip(read(tmp_path / "dreamed")[1], read(tmp_path / "plain")[1], strict=True):
        assert changes(one, other)[LEFT].max() == 0 < changes(one, other)[RIGHT].mean()


def test_a_mask_blends_into_the_beginning_of_a_loop_as_the_film_does(quick: Recipe, tmp_path: Path) -> None:
    source = film(tmp_path, frames=12)
    for k in range(12):  # it shows the dream from the ninth frame on: those that blend into the first four
        save(tmp_path / "m" / f"{k:02d}.png", np.full((H, W), 255 * (k >= 8), np.uint8))
    looped = quick.merge({"clip": {"fps": "12"}, "camera": {"loop": True}, "finish": {"mask": str(tmp_path / "m")}})
    for name, made in (("dreamed", looped), ("plain", looped.set("finish.strength=0"))):
        dream_video(source, tmp_path / name, made)
    found, plain = (read(tmp_path / name)[1] for name in ("dreamed", "plain"))
    strength = [changes(one, other).mean() for one, other in zip(found, plain, strict=True)]
    assert strength[0] > strength[1] > strength[2] > strength[3] > 0
    assert strength[4:] == [0, 0, 0, 0]


def test_one_picture_is_masked_from_python(photo: np.ndarray, quick: Recipe, tmp_path: Path) -> None:
    mask = save(tmp_path / "m.png", half_white(96, 96))
    dreamed = dream_image(photo, quick.set(f"finish.mask={mask}")) * 255
    assert np.array_equal(np.round(dreamed[:, :48]), photo[:, :48])
    assert np.abs(dreamed[:, 48:] - photo[:, 48:]).mean() > 2
    with pytest.raises(RecipeError, match="no motion"):
        dream_image(photo, quick.set("finish.mask_from=motion"))


def test_a_file_that_cannot_be_a_mask_is_refused_before_any_work(quick: Recipe, tmp_path: Path) -> None:
    source, there = film(tmp_path), tmp_path / "m" / "00002.png"
    (tmp_path / "text.png").write_text("no picture")
    for path, says in (("none.png", "does not exist"), ("text.png", "no picture"), ("none/", "does not exist")):
        with pytest.raises(SourceError, match=says):
            dream_video(source, tmp_path / "out.mkv", quick.set(f"finish.mask={tmp_path}/{path}"))
    with pytest.raises(SourceError, match="does not exist"):
        Engine(quick.set("finish.mask=none.png"))
    kept = save(there, half_white()).read_bytes()
    for output, mask in ((there, there), (tmp_path / "m", there), (tmp_path / "m" / "%05d.png", tmp_path / "m")):
        with pytest.raises(SinkError, match=r"pictures of|input itself"):
            dream_video(source, output, quick.set(f"finish.mask={mask}"), overwrite=True)
    assert there.read_bytes() == kept
    for other in ("temporal.flow=none", "camera.loop=true"):
        with pytest.raises(RecipeError, match="motion"):
            dream_video(film(tmp_path, frames=6), tmp_path / "out.mkv", quick.set("finish.mask_from=motion").set(other))
    assert sorted(os.listdir(tmp_path)) == ["in", "m", "text.png"]


# --- what a mask is made of -------------------------------------------------------------------------------------------


def test_luma_edges_inverting_and_the_product_of_two(tmp_path: Path) -> None:
    pixels = np.zeros((40, 80, 3), np.uint8)
    pixels[:, 40:] = 128
    luma = mask_at(Finish(mask_from="luma"), pixels)
    assert luma[:, :40].max() == 0
    assert luma[0, 60] == pytest.approx(128 / 255)
    deep = mask_at(Finish(mask_from="luma"), pixels.astype(np.uint16) * 257)
    assert np.allclose(deep, luma, atol=1e-4)
    assert np.allclose(mask_at(Finish(mask_from="luma", invert_mask=True), pixels), 1 - luma)
    near = mask_at(Finish(mask_from="edges"), pixels)
    assert near[20, 40] > 0.5 > near[20, 46]
    assert near[:, 60:].max() == near[:, :20].max() == 0
    given = Finish(mask=str(save(tmp_path / "m.png", half_white(20, 30).T.copy())))  # black above
    alone = mask_at(given, pixels)
    assert (alone[0].max(), alone[-1].min()) == (0, 1)
    assert np.allclose(mask_at(replace(given, mask_from="luma"), pixels), alone * luma)


def test_edges_are_told_from_noise(photo: np.ndarray) -> None:
    noise = np.clip(128 + np.random.default_rng(0).normal(0, 3, (90, 160, 3)), 0, 255).astype(np.uint8)
    assert edges(noise).mean() < 0.02
    assert 0.2 < edges(photo).mean() < 0.95


@pytest.mark.parametrize("share", [1.0, 10.0])
@pytest.mark.parametrize("height", [200, 400])
def test_feathering_is_a_share_of_the_short_side(share: float, height: int, tmp_path: Path) -> None:
    """The edge becomes the integral of a Gaussian: 16 and 84 % at one sigma from it."""
    finish = Finish(mask=str(save(tmp_path / "m.png", half_white(height, 2 * height))), feather=share)
    row = mask_at(finish, np.zeros((height, 2 * height, 3), np.uint8))[7]
    sigma = share / 100 * height
    before, after = np.interp([height - 0.5 - sigma, height - 0.5 + sigma], np.arange(2 * height), row)
    assert (before, after) == (pytest.approx(0.159, abs=0.02), pytest.approx(0.841, abs=0.02))
    assert row[0] == 0


def test_a_mask_of_motion_follows_what_moves_however_the_camera_pans() -> None:
    ball = clips._disc("chelsea", 20, lambda n: clips._move(20 + 3 * n, 30))
    moving, last = MotionMask(), None
    x, y = np.meshgrid(np.arange(160), np.arange(96))
    for exact in clips.scene([clips._pan("coffee", 96, -2.0), ball], 160, 96, 14):
        gray, k = luma_8bit(exact.frame.pixels), exact.frame.index
        mask = moving.after(exact.frame, None if last is None else flow.estimate_motion(gray, last))
        last = gray
        away = np.hypot(x - (40 + 3 * k), y - 50)
        if k == 0:
            assert mask.max() == 0
        if k >= 8:
            assert mask[away < 14].mean() > 0.8, k
            assert mask[away > 34].mean() < 0.1, k


def test_a_mask_of_motion_does_not_flicker_where_every_other_frame_repeats() -> None:
    moving, pixels, shares = MotionMask(), np.zeros((40, 60, 3), np.uint8), []
    field = torch.zeros(2, 40, 60)
    field[0, 12:26] = -4.0
    motion = Motion(field, torch.ones(1, 40, 60))
    for k in range(60):
        mask = moving.after(frame_of(pixels, k), motion if k and k % 2 == 0 else None, repeats=k % 2 == 1)
        shares.append(float(mask[17:21].mean()))
    assert min(shares[-20:]) > 0.85
    assert np.abs(np.diff(shares[-20:])).max() < 0.03


def test_a_mask_of_motion_is_warped_along_with_the_picture() -> None:
    """A pan moves nothing, but the mask pans along."""
    moving, pixels = MotionMask(), np.zeros((40, 60, 3), np.uint8)
    recent, mask = np.zeros((40, 60), np.float32), np.zeros((40, 60), np.float32)
    recent[20, 30] = mask[20, 30] = 1
    moving.state = recent, mask, Fraction(0)
    pan = torch.zeros(2, 40, 60)
    pan[0] = -4
    panned = moving.after(frame_of(pixels, 1), Motion(pan, torch.ones(1, 40, 60)))
    assert np.unravel_index(panned.argmax(), panned.shape) == (20, 34)
    assert panned[20, 34] > 0.9
    assert np.count_nonzero(panned) == 1


def test_a_film_is_masked_by_its_own_motion(quick: Recipe, tmp_path: Path) -> None:
    """A disc crosses a photo that rests: in the end the dream shows about it, and nowhere far from it."""
    ball = clips._disc("chelsea", 14, lambda n: clips._move(4 + 4 * n, 20))
    for exact in clips.scene([clips._pan("coffee", 80, 0.0), ball], 128, 80, 10):
        save(tmp_path / "in" / f"{exact.frame.index:02d}.png", exact.frame.pixels)
    dream_video(tmp_path / "in", tmp_path / "out", quick.set("finish.mask_from=motion"))
    found, given = read(tmp_path / "out")[1], read(tmp_path / "in")[1]
    changed, x, y = changes(found[-1], given[-1]), *np.meshgrid(np.arange(128), np.arange(80))
    away = np.hypot(x - (18 + 4 * 9), y - 34)
    assert changed[away < 10].mean() > 10
    assert changed[away > 40].mean() < 0.05 * changed[away < 10].mean()
    assert changes(found[0], given[0]).max() == 0
