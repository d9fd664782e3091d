"""What the dream climbs towards."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch
from conftest import tensor
from skimage import data

from dreamvideo import RecipeError, models, objective
from dreamvideo.dream import Dreamer
from dreamvideo.recipe import Dream


def test_energy_leaves_the_border_out_and_divides_by_all() -> None:
    activation = torch.randn(1, 5, 9, 11, generator=torch.Generator().manual_seed(0))
    inside = activation.numpy()[:, :, 2:7, 2:9].astype(np.float64)
    assert float(objective.energy(activation)) == pytest.approx(np.square(inside).sum() / (5 * 9 * 11), rel=1e-5)


def test_energy_of_an_activation_without_an_inside_takes_it_whole() -> None:
    assert float(objective.energy(torch.full((1, 2, 3, 9), 2.0))) == 4.0


def test_an_objective_prints_as_it_is_written() -> None:
    assert str(objective.parse(" blocks.9 = 1, blocks.10=-0.5 ,stem")) == "blocks.9=1,blocks.10=-0.5,stem=1"


@pytest.mark.parametrize("text", ["", " , ", "a=x", "a=nan", "a=inf", "=1", "a=1,a=2"])
def test_a_layer_table_that_cannot_be_read_is_refused(text: str) -> None:
    with pytest.raises(RecipeError):
        objective.parse(text)


@pytest.mark.parametrize("layers", ["blocks.4=1", "blocks.9=1,blocks.10=1", "blocks.12=2", "logits=1", "stem=-1"])
@pytest.mark.parametrize("shaping", ["laplacian", "mean"])
def test_every_objective_rises_under_ascent(layers: str, shaping: str, photo: np.ndarray) -> None:
    goal = objective.parse(layers)
    network = models.load(models.EMBEDDED, goal.layers)
    dreamer = Dreamer(network, goal, Dream(octaves=1, iterations=5, jitter=0, shaping=shaping))  # type: ignore[arg-type]
    image = tensor(photo)
    assert dreamer.value(image + dreamer(image)) > dreamer.value(image) + 0.1 * abs(dreamer.value(image))


def test_a_guide_is_matched_where_it_is_nearest() -> None:
    activation = torch.tensor([[1.0, 0.0], [0.0, 2.0]]).view(1, 2, 1, 2)  # two places: (1, 0) and (0, 2)
    features = torch.tensor([[3.0, 0.0, 1.0], [0.0, 1.0, 1.0]])  # three places of the guide: (3, 0), (0, 1), (1, 1)
    led = objective.Guided("a", features, 0.5)
    assert float(led({"a": activation})) == pytest.approx(0.5 * (3 + 2) / 4)


def test_a_guide_takes_its_share_of_the_objective() -> None:
    goal, features = objective.parse("a=2,b=1"), {"a": torch.ones(3, 4), "b": torch.ones(5, 4)}
    assert str(objective.guided(goal, features, 0)) == "a=2,b=1"
    assert str(objective.guided(goal, features, 1)) == "a~guide=2,b~guide=1"
    assert str(objective.guided(goal, features, 0.5)) == "a=1,b=0.5,a~guide=1,b~guide=0.5"
    assert objective.difference(goal, objective.guided(goal, features, 0.25)) == pytest.approx(0.25)
    assert objective.difference(objective.parse("a=1"), objective.parse("b=7")) == 1
    assert objective.difference(objective.parse("a=1,b=1"), objective.parse("a=3,b=3")) == 0


def test_a_guided_dream_comes_nearer_to_its_guide(photo: np.ndarray) -> None:
    features = models.load(models.EMBEDDED, ["blocks.9"])
    guide = cv2.resize(data.chelsea(), (96, 64), interpolation=cv2.INTER_AREA)
    with torch.no_grad():
        places = {"blocks.9": features(tensor(guide)[None])["blocks.9"][0].flatten(1)}
    match = objective.guided(objective.parse("blocks.9=1"), places, 1)
    image, recipe = tensor(photo), Dream(octaves=1, iterations=6, jitter=0)
    plain, led = (Dreamer(features, goal, recipe)(image) for goal in (objective.parse("blocks.9=1"), match))
    judge = Dreamer(features, match, recipe)
    assert judge.value(image + led) > 1.1 * judge.value(image + plain) > 1.1 * judge.value(image)
