"""Motion: exact where it can be known, in the right direction, and distrusted where it should be."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch
from conftest import tensor
from skimage import data

from dreamvideo import flow


@pytest.fixture(scope="module")
def coffee() -> np.ndarray:
    return cv2.resize(data.coffee(), (300, 200), interpolation=cv2.INTER_AREA)


def zoomed(pixels: np.ndarray, scale: float) -> np.ndarray:
    h, w = pixels.shape[:2]
    matrix = cv2.getRotationMatrix2D(((w - 1) / 2, (h - 1) / 2), 0, scale)
    return cv2.warpAffine(pixels, matrix, (w, h), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT)


@pytest.mark.parametrize("mode", ["bicubic", "bilinear"])
def test_a_whole_shift_is_exact(mode: str, photo: np.ndarray) -> None:
    image = tensor(photo)
    field = torch.stack((torch.full((96, 96), 5.0), torch.full((96, 96), -3.0)))
    warped = flow.warp(image, field, mode)
    assert torch.allclose(warped[:, 3:, :-5], image[:, :-3, 5:], atol=1e-4)


def test_warp_takes_the_pixel_the_flow_points_to() -> None:
    image = torch.zeros(1, 4, 6)
    image[0, 1, 4] = 1  # at x = 4, y = 1
    field = torch.zeros(2, 4, 6)
    field[:, 2, 1] = torch.tensor([3.0, -1.0])  # from x = 1, y = 2
    assert flow.warp(image, field)[0, 2, 1] == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("method", [flow.dis, flow.farneback])
def test_flow_points_back_to_where_things_were(method: object, coffee: np.ndarray) -> None:
    # zooming in by s, what is at p now was at p / s (from the centre) before: F(p) = p (1/s − 1)
    scale = 1.04
    motion = flow.estimate(flow.gray(zoomed(coffee, scale)), flow.gray(coffee), method)
    h, w = coffee.shape[:2]
    y, x = np.mgrid[:h, :w].astype(np.float32)
    exact = np.stack(((x - (w - 1) / 2), (y - (h - 1) / 2))) * (1 / scale - 1)
    inner = np.s_[:, 20:-20, 20:-20]
    error = np.linalg.norm((motion.flow.numpy() - exact)[inner], axis=0)
    assert np.median(error) < 0.35
    assert np.median(np.linalg.norm((motion.flow.numpy() + exact)[inner], axis=0)) > 2  # the other way is far off


def test_warping_along_the_flow_gives_the_current_frame(coffee: np.ndarray) -> None:
    now = zoomed(coffee, 1.04)
    motion = flow.estimate(flow.gray(now), flow.gray(coffee))
    held = motion.trust[0] > 0.9
    moved = (flow.warp(tensor(coffee), motion.flow) - tensor(now)).abs().mean(0)[held].mean()
    still = (tensor(coffee) - tensor(now)).abs().mean(0)[held].mean()
    assert moved < 0.25 * still


def test_a_pan_is_trusted_inside_and_not_where_it_enters(coffee: np.ndarray) -> None:
    before, now = coffee[:, :280], coffee[:, 12:292]
    trust = flow.estimate(flow.gray(now), flow.gray(before)).trust[0]
    assert trust[:, 30:-40].mean() > 0.8
    assert trust[:, -8:].mean() < 0.1  # what was not there before


def test_uncovered_ground_is_not_trusted(coffee: np.ndarray) -> None:
    chelsea = cv2.resize(data.chelsea(), (80, 80), interpolation=cv2.INTER_AREA)
    before, now = coffee.copy(), coffee.copy()
    before[60:140, 100:180] = chelsea
    now[60:140, 120:200] = chelsea
    trust = flow.estimate(flow.gray(now), flow.gray(before)).trust[0]
    assert trust[65:135, 102:116].mean() < 0.3  # uncovered
    assert trust[70:130, 135:185].mean() > 0.8  # moved along
    assert trust[:40].mean() > 0.9  # never moved


def test_sixteen_bit_luma_is_eight_bit_luma(photo: np.ndarray) -> None:
    assert np.array_equal(flow.gray(photo.astype(np.uint16) * 257), flow.gray(photo))
