"""Gradient ascent on the phases of a still: its magnitudes stay, its objective rises, and films are refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from skimage import data

from dreamvideo import Engine, Recipe, RecipeError, dream_image, dream_video
from dreamvideo.dream import phase
from dreamvideo.dream.gradient import CORRELATED_COLORS

RECIPE = Recipe().merge({"network": {"device": "cpu"}, "dream": {"ascent": "phase", "iterations": 2}})
PHOTO = np.ascontiguousarray(data.chelsea()[100:221:2, 100:291:2])  # 61×96: an odd height


def tensor(pixels: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(pixels).permute(2, 0, 1).float() / 255


def magnitudes(image: torch.Tensor) -> np.ndarray:
    """Of the spectrum of a picture, in Lucid's independent colours, by NumPy; two rows' phases are not free."""
    colors = np.einsum("ij,jhw->ihw", np.linalg.inv(np.array(CORRELATED_COLORS)), image.double().numpy())
    return np.abs(np.fft.fft2(colors))


def test_magnitudes_stay_and_the_objective_rises() -> None:
    engine, image = Engine(RECIPE), tensor(PHOTO)
    dream = image + engine.dreamer(image)
    before, after = magnitudes(image), magnitudes(dream)
    # a real picture's waves of constant columns come in pairs, of which the inverse transform takes the real part
    assert np.allclose(before[:, :, 1:48], after[:, :, 1:48], rtol=1e-3, atol=1e-3 * before.max())
    assert before[:, 0, 0] == pytest.approx(after[:, 0, 0], rel=1e-4)  # the mean colour
    assert engine.dreamer.value(dream.clamp(0, 1)) > 1.3 * engine.dreamer.value(image)


def test_noise_takes_on_natural_colours_and_keeps_its_contrast() -> None:
    noise = 0.5 + 0.1 * torch.randn(3, 64, 64, generator=torch.Generator().manual_seed(0))
    spectrum = phase.Spectrum.of(noise)
    found = spectrum.picture(spectrum.phase)
    assert (found - found.mean(0)).std() < 0.7 * (noise - noise.mean(0)).std()
    assert found.std() == pytest.approx(float(noise.std()), rel=0.1)
    photo = tensor(PHOTO)
    spectrum = phase.Spectrum.of(photo)
    assert torch.allclose(spectrum.picture(spectrum.phase), photo, atol=1e-4)


def test_every_part_of_a_picture_is_ascended() -> None:
    picture = torch.zeros(3, 400, 600, requires_grad=True)
    generator = torch.Generator().manual_seed(0)
    sum(phase._crop(picture, generator).sum() for _ in range(150)).backward()
    seen = picture.grad[0]
    assert seen.min() > 0
    assert seen[:40].mean() > 0.25 * seen[180:220].mean()


def test_the_same_seed_gives_the_same_dream_and_strength_0_the_source() -> None:
    one, same, other = (dream_image(PHOTO, RECIPE.set(f"dream.seed={seed}")) for seed in (1, 1, 2))
    assert np.array_equal(one, same)
    assert not np.allclose(one, other, atol=0.01)
    assert np.array_equal(dream_image(PHOTO, RECIPE.set("finish.strength=0")), (PHOTO / np.float32(255)))


def test_a_film_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="single pictures only: take --ascent pixels"):
        dream_video("noise:", tmp_path / "out.mp4", RECIPE.set("clip.seconds=0.2").set("clip.size=64x48"))
