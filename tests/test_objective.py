"""What the dream climbs towards."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from conftest import tensor

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
