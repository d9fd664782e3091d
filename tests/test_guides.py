"""Guides: lists of them, films among them, and crossfades between them."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from conftest import ffmpeg
from skimage import data

from dreamvideo import Engine, Recipe, RecipeError, SourceError
from dreamvideo.curves.timeline import Timeline
from dreamvideo.curves.weight_lists import split_guides
from dreamvideo.dream.objective import objective
from dreamvideo.recipe import parse_time

TEN = Fraction(10)


def still(path: Path, pixels: np.ndarray) -> Path:
    small = cv2.resize(pixels, (96, 64), interpolation=cv2.INTER_AREA)
    cv2.imwrite(str(path), cv2.cvtColor(small, cv2.COLOR_RGB2BGR))
    return path


def engine(guide: str, *settings: str) -> Engine:
    recipe = Recipe().merge({"network": {"guide": guide, "layers": "blocks.5=1"}})
    for setting in settings:
        recipe = recipe.set(setting)
    return Engine(recipe, Timeline(TEN, 20, source_start=parse_time(recipe.clip.start) or Fraction(0)))


def objective_at(engine: Engine, index: int) -> objective.Objective:
    engine.aim(engine.animation.at(index), index / TEN)
    return engine.dreamer.objective


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", []),
        ("my=photo.jpg", [("my=photo.jpg", "")]),
        ("a.jpg=1-smooth(t/5),b.mp4=max(rms, 0.5)", [("a.jpg", "1-smooth(t/5)"), ("b.mp4", "max(rms, 0.5)")]),
        ("x/y=2/a.jpg=0.5, b.png", [("x/y=2/a.jpg", "0.5"), ("b.png", "")]),
        ("frames/%05d.png=2", [("frames/%05d.png", "2")]),
        ("a.png=1-pulse(t, decay=0.3),b.png", [("a.png", "1-pulse(t, decay=0.3)"), ("b.png", "")]),
        ("a.png={0s=1, 0.1s=0},b.png=1", [("a.png", "{0s=1, 0.1s=0}"), ("b.png", "1")]),
        ("a.png=t<0.1,b=c.png=t>=0.1,d.png=t==1", [("a.png", "t<0.1"), ("b=c.png", "t>=0.1"), ("d.png", "t==1")]),
    ],
)
def test_a_list_of_guides_is_read(text: str, found: list[tuple[str, str]]) -> None:
    assert split_guides(text) == found


def test_one_guide_fades_into_another(tmp_path: Path) -> None:
    a, b = still(tmp_path / "a.png", data.chelsea()), still(tmp_path / "b.png", data.coffee())
    guided = engine(f"{a}=1-t,{b}=t")
    weights = [
        {term.guide: round(term.weight, 3) for term in objective_at(guided, index).terms} for index in (0, 5, 10)
    ]
    assert weights == [{str(a): 1}, {str(a): 0.5, str(b): 0.5}, {str(b): 1}]
    assert guided.dreamer.objective.fades


def test_a_guide_film_is_synced_with_the_dreamed_film(tmp_path: Path) -> None:
    """A cat for a second, and then coffee: each guides the dream in its second."""
    stills = [still(tmp_path / f"{name}.png", getattr(data, name)()) for name in ("chelsea", "coffee")]
    inputs = [part for path in stills for part in ("-loop", 1, "-t", 1, "-r", 10, "-i", path)]
    film = tmp_path / "guide.mkv"
    ffmpeg(*inputs, "-filter_complex", "[0][1]concat=n=2", "-c:v", "ffv1", "-pix_fmt", "bgr0", film)
    guided, of_stills = engine(str(film)), [engine(str(path)) for path in stills]
    for index, which in ((0, 0), (9, 0), (10, 1), (19, 1), (3, 0)):
        wanted, found = (
            objective_at(of_stills[which], index).terms[0].features,
            objective_at(guided, index).terms[0].features,
        )
        assert torch.allclose(wanted, found, atol=1e-3)
    wanted = objective_at(of_stills[1], 10).terms[0].features
    assert torch.allclose(objective_at(engine(str(film), "clip.start=1"), 0).terms[0].features, wanted, atol=1e-3)


def test_statistics_become_similar_to_the_guides(tmp_path: Path) -> None:
    path = still(tmp_path / "a.png", data.coffee())
    guided = engine(str(path), "network.guide_form=statistics", "dream.octaves=1", "dream.iterations=10").dreamer
    image = torch.from_numpy(cv2.resize(data.astronaut(), (96, 96)).astype(np.float32) / 255).permute(2, 0, 1)
    assert guided.value(image + guided(image)) > 1.5 * guided.value(image)


def test_a_guide_needs_a_layer(tmp_path: Path) -> None:
    path = still(tmp_path / "a.png", data.coffee())
    with pytest.raises(RecipeError, match="name a layer, too"):
        Engine(Recipe().merge({"network": {"guide": str(path), "layers": "class:peacock"}}))


def test_a_missing_guide_is_reported(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="nowhere"):
        engine(str(tmp_path / "nowhere.png"))
