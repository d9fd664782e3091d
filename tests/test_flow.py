"""Optical flow: close to the exact motion, in the right direction, confident where it is right; and exact warping."""

from __future__ import annotations

import clips
import cv2
import numpy as np
import pytest
import torch
from conftest import tensor
from skimage import data

from dreamvideo.dream import gradient
from dreamvideo.media.pixels import luma_8bit
from dreamvideo.video import flow
from dreamvideo.video.warp import _sample, warp


@pytest.fixture(scope="module")
def coffee() -> np.ndarray:
    return cv2.resize(data.coffee(), (300, 200), interpolation=cv2.INTER_AREA)


def zoomed(pixels: np.ndarray, scale: float) -> np.ndarray:
    h, w = pixels.shape[:2]
    matrix = cv2.getRotationMatrix2D(((w - 1) / 2, (h - 1) / 2), 0, scale)
    return cv2.warpAffine(pixels, matrix, (w, h), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT)


@pytest.mark.parametrize("sharp", [True, False])
def test_a_whole_shift_is_exact(sharp: bool, photo: np.ndarray) -> None:
    image = tensor(photo)
    field = torch.stack((torch.full((96, 96), 5.0), torch.full((96, 96), -3.0)))
    warped = warp(image, field, sharp)
    assert torch.allclose(warped[:, 3:, :-5], image[:, :-3, 5:], atol=1e-4)
    assert torch.allclose(warped[:, 10:, -1], image[:, 7:-3, -6], atol=1e-4)  # mirrored: 5 beyond is 5 within


@pytest.mark.parametrize(("sharp", "reach"), [(True, 4), (False, 1)])
def test_sampling_off_the_cpu_is_the_same(sharp: bool, reach: int, photo: np.ndarray) -> None:
    image = tensor(photo)
    generator = torch.Generator().manual_seed(0)
    y, x = torch.meshgrid(torch.arange(96.0), torch.arange(96.0), indexing="ij")
    field = torch.randint(-40 * 32, 40 * 32, (2, 96, 96), generator=generator) / 32  # OpenCV's grid of sub-pixels
    elsewhere = _sample(image, x + field[0], y + field[1], reach)
    assert torch.allclose(elsewhere, warp(image, field, sharp), atol=2e-3)


def test_a_layer_stays_sharp_when_it_is_warped_again_and_again(photo: np.ndarray) -> None:
    image = gradient.soften(tensor(photo)[None])[0]  # as soft as the finest octave of a dream
    field = torch.full((2, 96, 96), 0.5)
    sharp = soft = image
    for _ in range(20):
        sharp, soft = warp(sharp, field), warp(soft, field, sharp=False)
    inner = np.s_[:, 20:-20, 20:-20]
    moved = image[:, 10:, 10:][inner]
    assert (sharp[:, :-10, :-10][inner] - moved).abs().mean() < 0.25 * (soft[:, :-10, :-10][inner] - moved).abs().mean()


def test_warp_takes_the_pixel_the_flow_points_to() -> None:
    image = torch.zeros(1, 4, 6)
    image[0, 1, 4] = 1  # at x = 4, y = 1
    field = torch.zeros(2, 4, 6)
    field[:, 2, 1] = torch.tensor([3.0, -1.0])  # from x = 1, y = 2
    assert warp(image, field)[0, 2, 1] == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("method", [flow.dis, flow.coarse_dis, flow.variational])
def test_flow_points_back_to_where_things_were(method: object, coffee: np.ndarray) -> None:
    # zooming in by s, what is at p now was at p / s (from the centre) before: F(p) = p (1/s − 1)
    scale = 1.04
    motion = flow.estimate_motion(luma_8bit(zoomed(coffee, scale)), luma_8bit(coffee), method)
    h, w = coffee.shape[:2]
    y, x = np.mgrid[:h, :w].astype(np.float32)
    exact = np.stack(((x - (w - 1) / 2), (y - (h - 1) / 2))) * (1 / scale - 1)
    inner = np.s_[:, 20:-20, 20:-20]
    error = np.linalg.norm((motion.flow.numpy() - exact)[inner], axis=0)
    assert np.median(error) < 0.35
    assert np.median(np.linalg.norm((motion.flow.numpy() + exact)[inner], axis=0)) > 2  # the other way is far off


def test_warping_along_the_flow_gives_the_current_frame(coffee: np.ndarray) -> None:
    now = zoomed(coffee, 1.04)
    motion = flow.estimate_motion(luma_8bit(now), luma_8bit(coffee))
    confident = motion.confidence[0] > 0.9
    moved = (warp(tensor(coffee), motion.flow) - tensor(now)).abs().mean(0)[confident].mean()
    still = (tensor(coffee) - tensor(now)).abs().mean(0)[confident].mean()
    assert moved < 0.25 * still


def test_a_pan_is_trusted_inside_and_not_where_it_enters(coffee: np.ndarray) -> None:
    before, now = coffee[:, :280], coffee[:, 12:292]
    confidence = flow.estimate_motion(luma_8bit(now), luma_8bit(before)).confidence[0]
    assert confidence[:, 30:-40].mean() > 0.8
    assert confidence[:, -8:].mean() < 0.1  # what was not there before


def still_flow(width: int = 60, height: int = 40) -> tuple[np.ndarray, np.ndarray]:
    """A flow of 0 in both directions."""
    return np.zeros((height, width, 2), np.float32), np.zeros((height, width, 2), np.float32)


def test_confidence_is_0_where_the_flow_leaves_the_frame() -> None:
    backward, forward = still_flow()
    backward[..., 0], forward[..., 0] = 5, -5
    confidence = flow.flow_confidence(backward, forward)
    assert confidence[:, 55:].max() == 0  # up to half a pixel beyond the last one at x = 59
    assert confidence[:, 54].min() > 0.5
    assert confidence[:, :45].min() > 0.999


def test_confidence_is_0_where_the_forward_flow_does_not_lead_back() -> None:
    backward, forward = still_flow()
    forward[10:30, 20:40] = 1.5
    confidence = flow.flow_confidence(backward, forward)
    assert confidence[10:30, 20:40].max() == 0
    assert confidence[20, [10, 50]].min() > 0.999


def test_confidence_is_0_at_motion_edges_and_softened_beside_them() -> None:
    backward, forward = still_flow()
    backward[:, 30:, 1], forward[:, 30:, 1] = 0.6, -0.6  # small enough to lead back everywhere
    row = flow.flow_confidence(backward, forward)[20]
    assert row[[29, 30]].max() == 0
    assert 0.4 < row[28] < row[27] < row[25] < 0.999 < row[20]


def test_a_frame_ends_half_a_pixel_beyond_its_outer_pixels() -> None:
    at = np.array([-0.51, -0.5, 0, 9, 9.5, 9.51], np.float32)
    here = np.zeros_like(at)
    assert flow.in_frame(at, here, 10, 5).tolist() == [False, True, True, True, True, False]
    assert flow.in_frame(here, at, 5, 10).tolist() == [False, True, True, True, True, False]


def test_disoccluded_areas_are_not_trusted(coffee: np.ndarray) -> None:
    chelsea = cv2.resize(data.chelsea(), (80, 80), interpolation=cv2.INTER_AREA)
    before, now = coffee.copy(), coffee.copy()
    before[60:140, 100:180] = chelsea
    now[60:140, 120:200] = chelsea
    confidence = flow.estimate_motion(luma_8bit(now), luma_8bit(before)).confidence[0]
    assert confidence[65:135, 102:116].mean() < 0.3  # disoccluded
    assert confidence[70:130, 135:185].mean() > 0.8  # moved along
    assert confidence[:40].mean() > 0.9  # never moved


def test_sixteen_bit_luma_is_eight_bit_luma(photo: np.ndarray) -> None:
    assert np.array_equal(luma_8bit(photo.astype(np.uint16) * 257), luma_8bit(photo))


@pytest.mark.parametrize(
    ("kind", "size", "median"),
    [
        ("pan", (240, 136), 0.1),
        ("fast", (240, 136), 0.1),
        ("zoom", (240, 136), 0.1),
        ("grain", (240, 136), 0.2),
        ("zoom", (767, 431), 0.1),  # with fewer patches
        ("zoom", (1072, 603), 0.1),  # at half the size
    ],
)
def test_flow_is_near_the_exact_one(kind: str, size: tuple[int, int], median: float) -> None:
    before, now = clips.KINDS[kind](*size, 2)
    motion = flow.estimate_motion(luma_8bit(now.frame.pixels), luma_8bit(before.frame.pixels))
    error = np.hypot(*(motion.flow.numpy() - now.flow.transpose(2, 0, 1)))
    assert np.median(error[now.held]) < median
    assert motion.confidence[0].numpy()[now.held].mean() > 0.8


def test_coding_noise_makes_no_new_frame_but_a_cursor_and_slow_motion_do(photo: np.ndarray) -> None:
    gray = luma_8bit(photo)
    coded = (np.random.default_rng(0).random(gray.shape) < 0.1).astype(np.uint8)
    cursor = gray.copy()
    cursor[40:43, 40:43] ^= 128
    assert cv2.absdiff(cursor, gray).mean() < flow.MEAN_CHANGE  # too small to be seen in the mean
    assert flow.is_repeat(np.where(gray < 255, gray + coded, gray), gray)
    assert not flow.is_repeat(cursor, gray)
    fog = (gray // 64).astype(np.uint8)  # four levels of contrast
    assert not flow.is_repeat(np.roll(fog, 3, 1), fog)
