"""The loop: the dream is carried, held, restarted at a cut, and steadier than frames dreamed alone."""

from __future__ import annotations

import hashlib
import itertools
import threading
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction

import clips
import cv2
import numpy as np
import pytest
import torch
from conftest import SAMPLES, tensor
from skimage import data

from dreamvideo import Engine, Frame, Recipe, dream_image, open_source, render
from dreamvideo.analysis.metrics import Stability
from dreamvideo.analysis.motion import exact_motion
from dreamvideo.curves.animate import Animation
from dreamvideo.curves.timeline import Timeline
from dreamvideo.finish.composite import composite
from dreamvideo.jobs.timelines import selection_of
from dreamvideo.media.pixels import luma_8bit
from dreamvideo.recipe import Finish, Temporal, preset_tables, presets
from dreamvideo.video import carry, strength
from dreamvideo.video.flow import Motion
from dreamvideo.video.prefetch import prefetch
from dreamvideo.video.state import State
from dreamvideo.video.strength import StrengthControl

DARK = np.zeros((8, 8), np.uint8)
GREY = torch.full((3, 8, 8), 0.5)


def film(*pictures: np.ndarray) -> list[Frame]:
    return [Frame(k, Fraction(k, 25), picture) for k, picture in enumerate(pictures)]


def shift(h: int, w: int, dx: float, confidence: float = 1) -> Motion:
    field = torch.zeros(2, h, w)
    field[0] = dx
    return Motion(field, torch.full((1, h, w), confidence))


def held(layer: torch.Tensor, convergence: float = 1.0, **control: float) -> State:
    """A state whose control is content with the layer as it is."""
    content = replace(StrengthControl.start(GREY, layer, 1.0), target_color=layer.mean((1, 2), keepdim=True))
    return State(layer, torch.full((1, 8, 8), convergence), replace(content, **control))


def test_a_frame_starts_from_the_warped_layer_a_little_weaker_where_flow_is_unreliable() -> None:
    layer = torch.randn(3, 8, 8, generator=torch.Generator().manual_seed(0)) / 10
    state = held(layer, target_strength=0.0)
    state = replace(state, control=replace(state.control, target_strength=10.0, target_color=torch.zeros(3, 1, 1)))
    whole, none = (
        carry.warp_state(state, GREY, shift(8, 8, 2, confidence), Temporal(persistence=0.5)) for confidence in (1, 0)
    )
    half = 0.5 * strength.RISE * layer[..., 2:]  # raised to its level by so much at most, then halved by persistence
    assert torch.allclose(whole.layer[..., :-2], half, atol=2e-3)  # but for its colour, led back a little
    assert strength.rms(none.layer) == pytest.approx((1 - carry.OCCLUSION_LOSS) * strength.rms(whole.layer), rel=0.02)
    assert torch.allclose(whole.convergence, torch.tensor(1.0))
    assert torch.allclose(none.convergence, torch.tensor(0.0))


def test_a_fill_is_used_in_areas_into_which_nothing_is_carried() -> None:
    layer, fill = torch.full((3, 8, 8), 0.1), torch.linspace(-0.1, 0.1, 192).reshape(3, 8, 8)
    state = replace(held(layer), control=StrengthControl.start(GREY, fill, 1.0))
    seeded = carry.warp_state(state, GREY, shift(8, 8, 0, confidence=0), Temporal(), fill)
    assert torch.allclose(seeded.layer, fill, atol=1e-4)
    assert torch.allclose(seeded.convergence, torch.tensor(1.0))


def test_a_carried_layer_never_outgrows_the_first_dream() -> None:
    state = replace(held(torch.full((3, 8, 8), 0.1)), layer=torch.full((3, 8, 8), 0.5))
    seeded = carry.warp_state(state, GREY, shift(8, 8, 0), Temporal())
    assert strength.rms(seeded.layer) == pytest.approx(0.1, rel=1e-4)


def test_disoccluded_areas_get_larger_steps_and_a_shot_above_its_target_none() -> None:
    state = replace(held(torch.zeros(3, 8, 8)), convergence=torch.tensor([[[0.0, 0.5, 1.0]]]))
    start = carry.effort(state, 0.01, Temporal(refine=4, refine_step=0.2))
    assert start.iterations == start.finest == 8  # half the frame is disoccluded
    gentle = 0.01 * 0.2 * state.control.step_gain
    assert start.step is not None
    assert torch.allclose(start.step, torch.tensor([[[0.0055, (0.0055 + gentle) / 2, gentle]]]))
    converged = carry.effort(held(torch.zeros(3, 8, 8)), 0.01, Temporal(refine=4))
    assert (converged.iterations, converged.finest) == (2, 1)
    usual, hard = (carry.effort(held(torch.zeros(3, 8, 8), step_gain=gain), 0.01, Temporal()) for gain in (1.0, 2.0))
    assert hard.iterations == 2 * usual.iterations  # more steps, and no larger ones
    assert hard.step is not None
    assert usual.step is not None
    assert torch.equal(hard.step, usual.step)
    content = held(torch.zeros(3, 8, 8), objective_ratio=1.1)
    assert carry.effort(content, 0.01, Temporal()).iterations == 0
    assert carry.effort(content, 0.01, Temporal(morph=1.0)).iterations == Temporal().refine  # alive all the same


def test_coarser_octaves_ascend_disoccluded_areas_alone_unless_the_dream_is_to_change() -> None:
    state = held(torch.zeros(3, 8, 8))
    nothing = carry.effort(state, 0.01, Temporal()).coarser
    assert nothing is not None
    assert nothing.turns == 0  # nothing is disoccluded
    strip = replace(state, convergence=torch.cat([torch.zeros(1, 1, 8), torch.ones(1, 7, 8)], dim=1))
    coarser = carry.effort(strip, 0.01, Temporal()).coarser
    assert coarser is not None
    assert coarser.turns == carry.TURNS
    assert float(coarser.step[:, 0].min()) > 0.001
    assert torch.count_nonzero(coarser.step[:, 1:]) == 0
    much = replace(state, convergence=torch.zeros(1, 8, 8))
    feedback = replace(strip, base=torch.zeros(3, 1, 1))
    assert carry.effort(much, 0.01, Temporal()).coarser is None
    assert carry.effort(feedback, 0.01, Temporal()).coarser is None
    assert carry.effort(strip, 0.01, Temporal(morph=0.5)).coarser is None


def test_the_step_gain_rises_the_further_the_objective_falls() -> None:
    control = StrengthControl.start(GREY, torch.full((3, 8, 8), 0.1), 100.0)
    after = {objective: control.after(GREY, objective, 0.0) for objective in (90.0, 95.0, 105.0)}
    assert after[90.0].step_gain > after[95.0].step_gain > control.step_gain > after[105.0].step_gain
    assert after[105.0].demand == 0
    assert control.after(GREY / 4, 100.0 * strength.headroom(GREY / 4) ** 2, 0.0).objective_ratio == pytest.approx(
        1
    )  # darker


def test_the_target_stays_unless_a_shot_outgrows_it() -> None:
    control = StrengthControl.start(GREY, torch.full((3, 8, 8), 0.1), 100.0)
    assert control.after(GREY, 110.0, 0.5).target_objective == control.target_objective == pytest.approx(100)
    assert control.after(GREY, 50.0, 0.5).target_objective == control.target_objective
    assert (
        101 < control.after(GREY, 200.0, 0.0).target_objective < control.after(GREY, 200.0, 0.5).target_objective < 200
    )


def test_an_objective_below_zero_is_left_alone() -> None:
    control = StrengthControl.start(GREY, torch.full((3, 8, 8), 0.1), -3.0)
    assert control.after(GREY, -5.0, 0.1) is control


def test_strength_scales_the_layer_and_zero_gives_the_frame_back(photo: np.ndarray) -> None:
    image, layer = tensor(photo), torch.full((3, 96, 96), 0.2)
    for tone in ("soft", "hard"):
        assert torch.equal(composite(image, layer, Finish(strength=0, tone=tone)), image)
    half = composite(image, layer, Finish(strength=0.5, tone="hard"))
    assert torch.allclose(half, (image + 0.1).clamp(0, 1))


def measured(clip: list[clips.Exact], engine: Engine) -> Stability:
    """Dream a clip whose motion is known, and measure it."""
    stability = Stability()
    for exact, (picture, _) in zip(clip, render([e.frame for e in clip], engine), strict=True):
        motion = None if exact.flow is None else exact_motion(exact.flow, exact.held)
        gray, image = luma_8bit(exact.frame.pixels), engine.image(exact.frame)
        value = engine.dreamer.value(picture)
        stability.add(gray, image, picture, motion=motion, cut=exact.flow is None, objective=value)
    return stability


@pytest.mark.parametrize("morph", [0.0, 0.5])
def test_a_locked_off_shot_neither_burns_in_nor_fades(quick: Recipe, morph: float) -> None:
    engine = Engine(quick.set(f"temporal.morph={morph}"))
    stability = measured(list(clips.static(128, 80, 60)), engine)
    assert abs(stability.strength_drift) < 0.05
    assert morph or abs(stability.objective_drift) < 0.15  # alive, it climbs on, but grows no stronger
    assert stability.colour_drift < 0.02


def test_morph_lets_a_still_surface_change(quick: Recipe) -> None:
    clip = list(clips.static(128, 80, 12))
    frozen, alive = (measured(clip, Engine(quick.set(f"temporal.morph={m}"))).far_flicker for m in (0.0, 1.0))
    assert frozen < 0.5 * alive


@pytest.mark.parametrize(("kind", "share"), [("pan", 1 / 10), ("fast", 1 / 5), ("grain", 1 / 10)])
def test_a_carried_dream_is_steady_and_strong_by_the_exact_motion(kind: str, share: float) -> None:
    recipe = Recipe().set("dream.iterations=10")
    clip = list(clips.KINDS[kind](160, 96, 12))
    alone, carried = (measured(clip, Engine(recipe.set(f"temporal.flow={method}"))) for method in ("none", "dis"))
    assert carried.flicker < share * alone.flicker
    assert carried.objective > 0.85 * alone.objective
    assert carried.strength > 0.85 * alone.strength


def test_a_frame_that_repeats_keeps_its_dream(engine: Engine, photo: np.ndarray) -> None:
    turned = np.ascontiguousarray(photo[:, ::-1])
    pictures = [p for p, _ in render(film(photo, photo, turned, turned), engine)]
    assert torch.equal(pictures[0], pictures[1])
    assert torch.equal(pictures[2], pictures[3])
    assert not torch.equal(pictures[1], pictures[2])


def test_a_second_pass_fills_disoccluded_areas_from_the_future() -> None:
    recipe = Recipe().set("dream.iterations=10")
    clip = list(clips.fast(256, 144, 10))
    once, twice = (measured(clip, Engine(recipe.set(f"temporal.passes={n}"))) for n in (1, 2))
    assert twice.flicker < 0.9 * once.flicker
    assert twice.objective > 0.95 * once.objective


def test_a_shot_that_fades_in_reaches_full_strength(engine: Engine) -> None:
    bright = cv2.resize(data.chelsea(), (96, 64), interpolation=cv2.INTER_AREA)
    fading = film(*((bright * min(1.0, k / 12)).astype(np.uint8) for k in range(1, 30)))
    *_, last = (picture for picture, _ in render(fading, engine))
    fresh = next(render(film(bright), engine))[0]
    assert strength.rms(last - tensor(bright)) > 0.9 * strength.rms(fresh - tensor(bright))
    assert engine.dreamer.value(last) > 0.8 * engine.dreamer.value(fresh)


def test_carrying_is_steadier_than_dreaming_alone_on_real_footage() -> None:
    recipe = Recipe().set("dream.iterations=10").set("clip.size=256x144")
    found = {}
    with open_source(str(SAMPLES / "bunny.mp4"), selection_of(recipe.clip)) as source:
        frames = list(itertools.islice(source, 30, 40))
    for method in ("none", "dis"):
        engine, stability = Engine(recipe.set(f"temporal.flow={method}")), Stability()
        for frame, (picture, _) in zip(frames, render(frames, engine), strict=True):
            value = engine.dreamer.value(picture)
            stability.add(luma_8bit(frame.pixels), engine.image(frame), picture, objective=value)
        found[method] = stability
    assert found["dis"].flicker < 0.1 * found["none"].flicker
    assert found["dis"].objective > 0.85 * found["none"].objective


def test_a_cut_starts_a_new_dream(engine: Engine) -> None:
    one = cv2.resize(data.coffee(), (96, 64), interpolation=cv2.INTER_AREA)
    two = cv2.resize(data.chelsea(), (96, 64), interpolation=cv2.INTER_AREA)
    *_, after = (picture for picture, _ in render(film(one, one, two), engine))
    alone = next(render(film(two), engine))[0]
    assert torch.equal(after, alone)  # no trace of the old shot


def test_without_flow_every_frame_is_dreamed_alone(quick: Recipe, photo: np.ndarray) -> None:
    engine = Engine(quick.set("temporal.flow=none"))
    first, second = (picture for picture, _ in render(film(photo, photo), engine))
    assert torch.equal(first, second)


def test_a_render_resumes_from_a_state_exactly(engine: Engine, photo: np.ndarray) -> None:
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


def test_prefetch_passes_errors_on_and_ends_its_thread() -> None:
    closed = threading.Event()

    def items() -> Iterator[int]:
        try:
            yield 1
            raise ValueError("bad frame")
        finally:
            closed.set()

    ahead = prefetch(items())
    assert next(ahead) == 1
    with pytest.raises(ValueError, match="bad frame"):
        next(ahead)
    assert closed.wait(5)


def test_prefetch_reads_no_further_than_asked_and_closes_its_source() -> None:
    taken, closed = [], threading.Event()

    def items() -> Iterator[int]:
        try:
            for k in itertools.count():
                taken.append(k)
                yield k
        finally:
            closed.set()

    ahead = prefetch(items(), depth=2)
    assert next(ahead) == 0
    ahead.close()
    assert closed.is_set()
    assert len(taken) <= 5
    for thread in threading.enumerate():
        if thread.name == "read-ahead":
            thread.join(5)
            assert not thread.is_alive()


def test_prefetch_interrupted_while_its_thread_starts_leaves_its_source_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    start = threading.Thread.start

    def interrupted(thread: threading.Thread) -> None:
        start(thread)
        raise KeyboardInterrupt

    monkeypatch.setattr(threading.Thread, "start", interrupted)
    source = (k for k in itertools.count() if hashlib.sha256(bytes(10**6)).digest())  # always in the middle of an item
    with pytest.raises(KeyboardInterrupt):
        next(prefetch(source))
    source.close()  # raises ValueError while another thread reads


def test_weights_scaled_alike_give_the_same_dream(quick: Recipe, photo: np.ndarray) -> None:
    film_ = film(*(np.roll(photo, k, 1) for k in range(8)))
    plain, louder = (
        [
            state.control
            for _, state in render(film_, Engine(quick.set(f"network.layers={layers}"), Timeline(Fraction(24), 8)))
        ]
        for layers in ("blocks.9=1", "blocks.9=1 if t < 0.15 else 5")
    )
    assert [g.objective_ratio for g in louder] == pytest.approx(
        [g.objective_ratio for g in plain], rel=0.1
    )  # but for rounding, which grows; five times as loud would show


@pytest.mark.parametrize("weight", ["clamp(4 * t - 1, 0, 1)", "clamp(1 - 4 * t, 0, 1)", "abs(t - 0.4) > 0.2"])
def test_an_objective_of_zero_carries_the_dream_without_ascent(weight: str, quick: Recipe, photo: np.ndarray) -> None:
    """Silence, say: what is dreamed stays as it is, and what is not yet is dreamed as soon as there is a weight."""
    frames = list(film(*[np.roll(photo, shift, 1) for shift in range(10)]))
    timeline = Timeline(Fraction(10), 10)
    strengths = {}
    for written in ("1", weight):
        engine = Engine(quick.set(f"network.layers=blocks.5={written}"), timeline)
        shown = [state.layer for _, state in render(frames, engine)]
        strengths[written] = [float(layer.abs().mean()) for layer in shown]
    asked = [Animation(engine.recipe, timeline).at(index).layers for index in range(10)]
    begun = next(index for index, layers in enumerate(asked) if layers != {"blocks.5": 0})
    assert strengths[weight][:begun] == [0.0] * begun
    for number, usual in zip(strengths[weight][begun:], strengths["1"][begun:], strict=True):
        assert number > 0.6 * usual


MUSICAL = ("breathe", "pulse", "spectrum", "switch")  # these need a song,
LOOKS = sorted(set(presets()) - {"classic", *MUSICAL})  # and classic Inception's weights, which are not here


@pytest.mark.parametrize("name", LOOKS)
def test_every_preset_dreams(name: str, photo: np.ndarray) -> None:
    recipe = Recipe().merge(preset_tables(name)).set("dream.iterations=3")
    picture = dream_image(photo, recipe)
    change = np.abs(picture - photo / 255).mean()
    assert 0.01 < change < 0.3
