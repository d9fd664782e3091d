"""Objectives: their text form, their values, and that gradient ascent raises them."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch
from conftest import tensor
from skimage import data

from dreamvideo import RecipeError
from dreamvideo.dream.objective import objective, response, terms, text
from dreamvideo.dream.objective.text import parse_objective
from dreamvideo.dream.octaves import Dreamer
from dreamvideo.networks import network
from dreamvideo.networks.load import load_network
from dreamvideo.networks.network import EMBEDDED
from dreamvideo.recipe import Dream


def test_energy_ignores_the_border_and_divides_by_all_activations() -> None:
    activation = torch.randn(1, 5, 9, 11, generator=torch.Generator().manual_seed(0))
    inside = activation.numpy()[:, :, 2:7, 2:9].astype(np.float64)
    assert float(response.energy(activation)) == pytest.approx(np.square(inside).sum() / (5 * 9 * 11), rel=1e-5)


def test_energy_takes_an_activation_without_an_inside_whole() -> None:
    assert float(response.energy(torch.full((1, 2, 3, 9), 2.0))) == 4.0


def test_an_objective_prints_as_it_is_written() -> None:
    assert str(text.parse_objective(" blocks.9 = 1, blocks.10=-0.5 ,stem")) == "blocks.9=1,blocks.10=-0.5,stem=1"
    written = "a:3,7-9=1.5,a:top:10=1,b:bottom:2~mean=-2,c:4@0.25x0.75=1,c~cosine=1,class:peacock=0.5"
    assert str(text.parse_objective(written)) == written
    assert str(text.parse_objective("a:9,7,8,3 = 1.5,class:84,class:Great_White_Shark")) == (
        "a:3,7-9=1.5,class:peacock=1,class:great white shark=1"
    )
    assert (
        str(text.parse_objective("class:Cardigan,class:cardigan")) == "class:Cardigan=1,class:cardigan=1"
    )  # dog, jacket
    assert str(2 * text.parse_objective("a=1") + text.parse_objective("b=-1") * 0.5) == "a=2,b=-0.5"


@pytest.mark.parametrize(
    "text",
    ["", " , ", "a=x", "a=nan", "a=inf", "=1", "a=1,a=2", "a:1,2,a:1-2", "a:x", "a:", "a:5-2", "a@2x0", "a@.x.",
     "a~cubic", "a:top:x", "class:unicorn pegasus", "class:1000", "a:99999999"],
)  # fmt: skip
def test_an_unreadable_objective_is_refused(text: str) -> None:
    with pytest.raises(RecipeError):
        parse_objective(text)


@pytest.mark.parametrize(
    "layers",
    [
        "blocks.4=1",
        "blocks.9=1,blocks.10=1",
        "blocks.12=2",
        "logits=1",
        "stem=-1",
        "blocks.9:42,70-77=1",
        "blocks.9:top:10=1",
        "blocks.9:bottom:5=1",
        "blocks.9:7~mean=1",
        "blocks.9:7~cosine=1",
        "blocks.9~cosine=1",
        "class:84=1",
    ],
)
@pytest.mark.parametrize("shaping", ["laplacian", "gaussian", "mean"])
def test_every_objective_rises_under_ascent(layers: str, shaping: str, photo: np.ndarray) -> None:
    target = text.parse_objective(layers)
    network = load_network(EMBEDDED, target.layers)
    recipe = Dream(octaves=1, iterations=5, jitter=0, shaping=shaping, colors="rgb")  # type: ignore[arg-type]
    dreamer = Dreamer(network, target, recipe)
    image = tensor(photo)
    assert dreamer.value(image + dreamer(image)) > dreamer.value(image) + 0.1 * abs(dreamer.value(image))


def activation() -> torch.Tensor:
    return torch.randn(1, 5, 9, 11, generator=torch.Generator().manual_seed(3))


def test_values_of_layer_terms() -> None:
    a = activation()
    inside = a.numpy()[0, :, 2:7, 2:9].astype(np.float64)
    values = {
        name: float(text.parse_objective(name)({"a": a})) for name in ("a:1,3", "a~mean", "a:1,3~mean", "a:top:2")
    }
    assert values["a:1,3"] == pytest.approx(np.square(inside[[1, 3]]).sum() / (2 * 9 * 11), rel=1e-4)
    assert values["a~mean"] == pytest.approx(inside.sum() / a.numel(), rel=1e-4)
    assert values["a:1,3~mean"] == pytest.approx(inside[[1, 3]].sum() / (2 * 9 * 11), rel=1e-4)
    strongest = np.argsort(np.square(a.numpy()[0]).sum((1, 2)))[-2:]
    assert values["a:top:2"] == pytest.approx(np.square(inside[strongest]).sum() / (2 * 9 * 11), rel=1e-4)
    weakest = int(np.argmin(np.square(a.numpy()[0]).sum((1, 2))))
    assert text.parse_objective("a:bottom:1")({"a": a}) == text.parse_objective(f"a:{weakest}")({"a": a})
    with pytest.raises(RecipeError, match="no channel 5: it has 5, counted from 0"):
        text.parse_objective("a:5")({"a": a})


def test_cosine_form_prefers_a_channel_alone() -> None:
    """Of two places with the same activation of a channel, the one without other activations has the greater value."""
    pure, mixed = torch.zeros(1, 3, 1, 1), torch.ones(1, 3, 1, 1)
    pure[0, 1] = 1.0
    target = text.parse_objective("a:1~cosine")
    assert float(target({"a": pure})) == pytest.approx(1.0)
    assert float(target({"a": mixed})) == pytest.approx(1 / 3**0.5)


@pytest.mark.parametrize(("origin", "size"), [((0, 0), (90, 110)), ((20, 50), (60, 60))])
def test_a_place_is_found_in_shifted_pictures_and_tiles(origin: tuple[int, int], size: tuple[int, int]) -> None:
    picture = torch.zeros(1, 1, 90, 110)
    picture[0, 0, 36:45, 66:77] = 1.0  # the place 0.65, 0.45
    target = text.parse_objective("a@0.65x0.45")
    for shift in ((0, 0), (13, -4), (-300, 512)):
        rolled = picture.roll(shift, (-2, -1))[..., origin[0] : origin[0] + size[0], origin[1] : origin[1] + size[1]]
        view = terms.View((90, 110), size, origin, torch.tensor(shift))
        there = float(target({"a": rolled}, view)) > 0
        y, x = (0.45 * 90 + shift[0]) % 90, (0.65 * 110 + shift[1]) % 110
        assert there == (origin[0] <= y < origin[0] + size[0] and origin[1] <= x < origin[1] + size[1])


def test_a_place_is_dreamed_and_nothing_far_away(photo: np.ndarray) -> None:
    target = text.parse_objective("blocks.5@0.25x0.25")
    dreamer = Dreamer(load_network(network.EMBEDDED, target.layers), target, Dream(octaves=1, iterations=10))
    image = tensor(photo)
    layer = dreamer(image)
    assert dreamer.value(image + layer) > 2 * dreamer.value(image)
    size = layer.abs().mean(0)
    assert size[:48, :48].mean() > 5 * size[48:, 48:].mean()


@pytest.mark.parametrize("photo_of", ["astronaut", "chelsea"])
def test_a_class_is_dreamed_into_a_photo(photo_of: str) -> None:
    image = tensor(cv2.resize(getattr(data, photo_of)(), (224, 224), interpolation=cv2.INTER_AREA))
    target = text.parse_objective("class:peacock")
    network = load_network(EMBEDDED, target.layers)

    def confidence(picture: torch.Tensor) -> float:
        with torch.no_grad():
            return float(network(picture.clamp(0, 1)[None])["logits"].flatten().softmax(0)[84])

    layer = Dreamer(network, target, Dream(octaves=2, iterations=12, jitter=16))(image)
    assert confidence(image) < 0.01
    assert confidence(image + layer) > 0.9


def test_guide_statistics_ignore_where_things_are() -> None:
    features = activation()[0].flatten(1)
    target = terms.GuideStatistics("a", features)
    moved = features[:, torch.randperm(features.shape[1], generator=torch.Generator().manual_seed(1))]
    as_is, elsewhere = (float(target({"a": f.view(1, 5, 9, 11)})) for f in (features, moved))
    assert as_is == pytest.approx(elsewhere, rel=1e-5)
    gram = (features @ features.T).numpy() / features.shape[1]
    assert as_is == pytest.approx(np.linalg.norm(gram) / 5, rel=1e-4)  # it is proportional to itself
    other = torch.randn(5, 99, generator=torch.Generator().manual_seed(2)) * torch.tensor([[3.0], [0], [0], [0], [0]])
    assert float(target({"a": other.view(1, 5, 9, 11)})) < 0.6 * float(
        terms.GuideStatistics("a", other)({"a": other.view(1, 5, 9, 11)})
    )


def test_a_guide_is_matched_at_its_most_similar_place() -> None:
    activation = torch.tensor([[1.0, 0.0], [0.0, 2.0]]).view(1, 2, 1, 2)  # two places: (1, 0) and (0, 2)
    features = torch.tensor([[3.0, 0.0, 1.0], [0.0, 1.0, 1.0]])  # three places of the guide: (3, 0), (0, 1), (1, 1)
    guided = terms.GuideMatch("a", features, 0.5)
    assert float(guided({"a": activation})) == pytest.approx(0.5 * (3 + 2) / 4)


def test_a_guide_takes_its_share_of_the_objective() -> None:
    target, features = text.parse_objective("a=2,b=1"), {"a": torch.ones(3, 4), "b": torch.ones(5, 4)}
    guides = {"x.jpg": (features, 3.0)}
    assert str(objective.guided_objective(target, guides, 0)) == "a=2,b=1"
    assert str(objective.guided_objective(target, guides, 1)) == "a~x.jpg=2,b~x.jpg=1"
    assert str(objective.guided_objective(target, guides, 0.5)) == "a=1,b=0.5,a~x.jpg=1,b~x.jpg=0.5"
    two = guides | {"y.jpg": (features, 1.0)}
    assert str(objective.guided_objective(target, two, 1)) == "a~x.jpg=1.5,b~x.jpg=0.75,a~y.jpg=0.5,b~y.jpg=0.25"
    assert objective.share_changed(
        target.shares, objective.guided_objective(target, guides, 0.25).shares
    ) == pytest.approx(0.25)
    assert objective.share_changed(text.parse_objective("a=1").shares, text.parse_objective("b=7").shares) == 1
    assert objective.share_changed(text.parse_objective("a=1,b=1").shares, text.parse_objective("a=3,b=3").shares) == 0


def test_a_guided_dream_becomes_more_similar_to_its_guide(photo: np.ndarray) -> None:
    features = load_network(network.EMBEDDED, ["blocks.9"])
    guide = cv2.resize(data.chelsea(), (96, 64), interpolation=cv2.INTER_AREA)
    with torch.no_grad():
        places = {"blocks.9": features(tensor(guide)[None])["blocks.9"][0].flatten(1)}
    match = objective.guided_objective(text.parse_objective("blocks.9=1"), {"cat": (places, 1.0)}, 1)
    image, recipe = tensor(photo), Dream(octaves=1, iterations=6, jitter=0)
    plain, guided = (Dreamer(features, target, recipe)(image) for target in (text.parse_objective("blocks.9=1"), match))
    judge = Dreamer(features, match, recipe)
    assert judge.value(image + guided) > 1.1 * judge.value(image + plain) > 1.1 * judge.value(image)
