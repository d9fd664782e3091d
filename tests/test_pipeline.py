"""The loop: the dream is carried, held, restarted at a cut, and steadier than frames dreamed alone."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator
from fractions import Fraction

import cv2
import numpy as np
import pytest
import torch
from conftest import SAMPLES, tensor
from skimage import data

from dreamvideo import Engine, Frame, Recipe, compose, flow, open_source, render
from dreamvideo.compose import State
from dreamvideo.flow import Motion
from dreamvideo.metrics import Flicker
from dreamvideo.pipeline import read_ahead
from dreamvideo.recipe import Clip, Finish, Temporal

DARK = np.zeros((8, 8), np.uint8)
GREY = torch.full((3, 8, 8), 0.5)


def film(*pictures: np.ndarray) -> list[Frame]:
    return [Frame(k, Fraction(k, 25), picture) for k, picture in enumerate(pictures)]


def shift(h: int, w: int, dx: float, trust: float = 1) -> Motion:
    field = torch.zeros(2, h, w)
    field[0] = dx
    return Motion(field, torch.full((1, h, w), trust))


def test_the_seed_is_the_warped_layer_weighed_by_trust_and_persistence() -> None:
    layer = torch.randn(3, 8, 8, generator=torch.Generator().manual_seed(0))
    state = State(layer, torch.ones(1, 8, 8), 10.0, DARK)
    seeded = compose.seed(state, GREY, shift(8, 8, 2, trust=0.5), Temporal(persistence=0.5))
    assert torch.allclose(seeded.layer[..., :-2], 0.25 * layer[..., 2:], atol=1e-4)
    assert torch.allclose(seeded.ripeness, torch.tensor(0.5))


def test_a_seed_never_outgrows_the_first_dream() -> None:
    state = State(torch.full((3, 8, 8), 0.5), torch.ones(1, 8, 8), 0.1, DARK)
    seeded = compose.seed(state, GREY, shift(8, 8, 0), Temporal())
    assert float(seeded.layer.square().mean().sqrt()) == pytest.approx(0.1, rel=1e-4)


def test_fresh_ground_steps_fully_and_ripe_ground_gently() -> None:
    ripeness = torch.tensor([[[0.0, 0.5, 1.0]]])
    state = State(torch.zeros(3, 1, 3), ripeness, 1.0, DARK)
    assert torch.allclose(
        compose.effort(state, 0.01, Temporal(refine_step=0.2)), torch.tensor([[[0.01, 0.006, 0.002]]])
    )


def test_strength_scales_the_layer_and_zero_gives_the_frame_back(photo: np.ndarray) -> None:
    image, layer = tensor(photo), torch.full((3, 96, 96), 0.2)
    assert torch.equal(compose.finish(image, layer, Finish(strength=0)), image)
    half = compose.finish(image, layer, Finish(strength=0.5))
    assert torch.allclose(half, (image + 0.1).clamp(0, 1))


def test_a_still_scene_does_not_burn_in(engine: Engine, photo: np.ndarray) -> None:
    pictures = [p for p, _ in render(film(*[photo] * 40), engine)]
    image = tensor(photo)
    strength = [compose.rms(p - image) for p in pictures]
    brightness = [float(p.mean()) for p in pictures]
    assert strength[-1] <= 1.15 * strength[0]
    assert abs(brightness[-1] - brightness[0]) < 0.02


def test_a_shot_that_fades_in_reaches_full_strength(engine: Engine) -> None:
    bright = cv2.resize(data.chelsea(), (96, 64), interpolation=cv2.INTER_AREA)
    fading = film(*((bright * min(1.0, k / 12)).astype(np.uint8) for k in range(1, 30)))
    *_, last = (picture for picture, _ in render(fading, engine))
    fresh = next(render(film(bright), engine))[0]
    assert compose.rms(last - tensor(bright)) > 0.9 * compose.rms(fresh - tensor(bright))


def test_carrying_is_steadier_than_dreaming_alone_and_as_strong() -> None:
    recipe = Recipe().set("dream.iterations=10").set("clip.size=256x144")
    measured = {}
    with open_source(str(SAMPLES / "bunny.mp4"), recipe.clip) as source:
        frames = list(itertools.islice(source, 30, 40))
    for carry in ("none", "dis"):
        engine, flicker, values = Engine(recipe.set(f"temporal.flow={carry}")), Flicker(), []
        for frame, (picture, _) in zip(frames, render(frames, engine), strict=True):
            flicker.add(flow.gray(frame.pixels), engine.image(frame), picture)
            values.append(engine.dreamer.value(picture))
        measured[carry] = flicker.index, sum(values)
    assert measured["dis"][0] < 0.2 * measured["none"][0]
    assert measured["dis"][1] > 0.85 * measured["none"][1]


def test_a_cut_starts_a_fresh_dream(engine: Engine) -> None:
    one = cv2.resize(data.coffee(), (96, 64), interpolation=cv2.INTER_AREA)
    two = cv2.resize(data.chelsea(), (96, 64), interpolation=cv2.INTER_AREA)
    *_, after = (picture for picture, _ in render(film(one, one, two), engine))
    alone = next(render(film(two), engine))[0]
    assert torch.equal(after, alone)  # no trace of the old shot


def test_without_flow_every_frame_is_dreamed_alone(quick: Recipe, photo: np.ndarray) -> None:
    engine = Engine(quick.set("temporal.flow=none"))
    first, second = (picture for picture, _ in render(film(photo, photo), engine))
    assert torch.equal(first, second)


def test_render_goes_on_from_a_state_exactly(engine: Engine, photo: np.ndarray) -> None:
    large = cv2.resize(data.astronaut(), (160, 160), interpolation=cv2.INTER_AREA)
    frames = film(*(np.ascontiguousarray(large[:96, 2 * k : 2 * k + 96]) for k in range(5)))
    whole = [picture for picture, _ in render(frames, engine)]
    *_, (_, state) = render(frames[:3], engine)
    rest = [picture for picture, _ in render(frames[3:], engine, state)]
    assert len(whole) == 5
    assert all(p.shape == (3, 96, 96) and p.min() >= 0 and p.max() <= 1 for p in whole)
    assert all(torch.equal(a, b) for a, b in zip(whole[3:], rest, strict=True))


def test_sixteen_bit_frames_dream_like_eight_bit_ones(engine: Engine, photo: np.ndarray) -> None:
    eight = next(render(film(photo), engine))[0]
    sixteen = next(render(film(photo.astype(np.uint16) * 257), engine))[0]
    assert torch.allclose(eight, sixteen, atol=1e-3)


def test_a_stable_measure_tells_steady_from_boiling(photo: np.ndarray) -> None:
    generator = torch.Generator().manual_seed(0)
    large = cv2.resize(data.astronaut(), (192, 192), interpolation=cv2.INTER_AREA)
    noise = torch.randn(3, 192, 220, generator=generator) * 0.1
    steady, boiling = Flicker(), Flicker()
    for k in range(4):
        source = tensor(np.ascontiguousarray(np.roll(large, -3 * k, 1)[:, :150]))
        gray = flow.gray((source.permute(1, 2, 0) * 255).byte().numpy())
        steady.add(gray, source, source + noise[..., 3 * k : 3 * k + 150])
        fresh = torch.randn(source.shape, generator=generator) * 0.1
        boiling.add(gray, source, source + fresh)
    assert steady.index < 0.15
    assert boiling.index > 1.0  # E|a − b| of two independent layers is √2 · E|a|


def test_read_ahead_passes_errors_on_and_ends_its_thread() -> None:
    closed = threading.Event()

    def items() -> Iterator[int]:
        try:
            yield 1
            raise ValueError("bad frame")
        finally:
            closed.set()

    ahead = read_ahead(items())
    assert next(ahead) == 1
    with pytest.raises(ValueError, match="bad frame"):
        next(ahead)
    assert closed.wait(5)


def test_read_ahead_reads_no_further_than_asked_and_closes_its_source() -> None:
    taken, closed = [], threading.Event()

    def items() -> Iterator[int]:
        try:
            for k in itertools.count():
                taken.append(k)
                yield k
        finally:
            closed.set()

    ahead = read_ahead(items(), depth=2)
    assert next(ahead) == 0
    ahead.close()
    assert closed.is_set()
    assert len(taken) <= 5
    assert not [t for t in threading.enumerate() if t.name == "read-ahead"]


def test_clip_is_frozen() -> None:
    with pytest.raises(AttributeError):
        Clip().start = "1"  # type: ignore[misc]
