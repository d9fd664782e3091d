"""Curves: every frame gets the value that is written, at any frame rate, and bad curves give one clear line."""

from __future__ import annotations

import math
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from dreamvideo import Recipe, RecipeError
from dreamvideo.cli import render
from dreamvideo.curves import expressions, plot, syntax
from dreamvideo.curves.animate import Animation, follows_sound, needs_analysis
from dreamvideo.curves.evaluate import CurveEvaluator
from dreamvideo.curves.functions import IMPLEMENTATIONS
from dreamvideo.curves.timeline import Sound, Timeline
from dreamvideo.jobs.setup import timeline_of
from dreamvideo.recipe import preset_tables


def timeline(rate: int = 24, seconds: float = 4, **given: object) -> Timeline:
    return Timeline(Fraction(rate), round(rate * seconds), **given)  # type: ignore[arg-type]


def at(curve: expressions.Curve, seconds: float, line: Timeline | None = None) -> float:
    line = line or timeline()
    return float(np.interp(seconds, line.t, CurveEvaluator(line).values(curve)))


@pytest.fixture
def song() -> Sound:
    """Two seconds: silence, then loud; a beat every half second from 0.25 s on."""
    level = np.repeat([0.0, 1.0], 100)
    levels = dict.fromkeys(expressions.LEVELS, level)
    beats = np.arange(0.25, 2, 0.5)
    return Sound(100, levels, beats, beats, beats, 120, level)  # bars of one beat


@pytest.mark.parametrize(
    ("written", "seconds", "value"),
    [
        (0.5, 1, 0.5),
        ("1 + 2 * 3 - 8 / 4", 0, 5),
        ("t", 1.5, 1.5),
        ("t / length", 1, 0.25),
        ("n / fps", 2, 2),
        ("-t if t > 1 else t", 0.5, 0.5),
        ("-t if t > 1 else t", 2, -2),
        ("sine(t)", 0.5, 1),
        ("sine(t)", 1, 0),
        ("triangle(t)", 0.25, 0.5),
        ("saw(t)", 2.25, 0.25),
        ("square(t)", 0.75, 0),
        ("clamp(t, 1, 2)", 4, 2),
        ("mix(10, 20, 0.25)", 0, 12.5),
        ("map(t, 1, 3, 0, 100)", 2, 50),
        ("map(t, 1, 3, 0, 100)", 4, 100),
        ("smooth(t)", 0.5, 0.5),
        ("max(t, 3, 1)", 1, 3),
        ("cos(pi)", 0, -1),
        ("pulse(t, decay=0.5)", 1.5, math.exp(-1)),
        ("pulse(t - 0.5)", 0.25, 0),
        ({"0s": 1, "2s": 3}, 1, 2),
        ({"0s": 1, "2s": 3}, 3, 3),
        ({"1.5s": 1, "2.5s": 3}, 2, 2),
        ({"0:01": 0, "0:03": 4}, 2, 2),
        ({"25%": 0, "75%": 2}, 2, 1),
        ({"0s": 0, "2s": 1, "ease": "hold"}, 1.9, 0),
        ({"0s": 0, "4s": 1, "ease": "smooth"}, 1, 0.15625),
        ({"0s": [0, "hold"], "2s": 1, "4s": 3}, 3, 2),
        ({"0s": 0, "4s": 1, "ease": "bezier(0, 0, 1, 1)"}, 1, 0.25),
        ({"0s": 0, "4s": 1, "ease": "bezier(0.42, 0, 0.58, 1)"}, 2, 0.5),
    ],
)
def test_a_curve_has_its_value_at_its_time(written: expressions.Curve, seconds: float, value: float) -> None:
    syntax.check(written)
    assert at(written, seconds) == pytest.approx(value, abs=2e-3)


def test_every_function_can_be_called() -> None:
    assert IMPLEMENTATIONS.keys() == expressions.FUNCTIONS.keys()
    for name, (least, _, _) in expressions.FUNCTIONS.items():
        called = f"{name}({', '.join(['t + 1'] * least)})" if name != "map" else "map(t, 0, 1, 2, 3)"
        assert np.isfinite(CurveEvaluator(timeline()).values(called)).all(), name


def test_a_curve_is_the_same_at_every_frame_rate() -> None:
    written = "0.2 + pulse(beat, decay=0.2) * follow(sine(t), attack=0.1, release=0.4)"
    frames = [Animation(Recipe().set(f"finish.strength={written}"), timeline(rate, bpm=97)) for rate in (24, 30, 60)]
    for seconds in (0.5, 1, 2.5, 3.5):
        values = [animation.at(round(seconds * animation.timeline.rate)).finish.strength for animation in frames]
        assert max(values) - min(values) < 0.01


def test_beats_and_bars_count_up_and_pulses_meet_them(song: Sound) -> None:
    line = timeline(60, 2, sound=song)
    assert at("beat", 0.75, line) == pytest.approx(1)
    assert at("beat", 1.0, line) == pytest.approx(1.5)
    peaks = np.flatnonzero(np.diff(CurveEvaluator(line).values("pulse(beat)")) > 0.2)
    assert np.abs(line.t[peaks + 1] - song.beats).max() <= 1 / 60
    assert at({"0 beats": 0, "2 beats": 1}, 0.75, line) == pytest.approx(0.5, abs=0.01)
    assert at("bar", 0, timeline(bpm=120)) == 0
    assert at("bar", 2, timeline(bpm=120)) == pytest.approx(1)


def test_levels_are_followed_up_fast_and_down_slowly(song: Sound) -> None:
    line = timeline(60, 3, sound=song)
    assert at("rms", 0.5, line) == 0
    assert at("rms", 1.5, line) == 1
    rising = at("follow(rms, attack=0.1, release=0.5)", 1.1, line)
    assert rising == pytest.approx(1 - math.exp(-1), abs=0.05)
    assert at("follow(rms, attack=0.1, release=0.5)", 2.5, line) == pytest.approx(math.exp(-1), abs=0.05)


@pytest.mark.parametrize(
    ("written", "says"),
    [
        ("bet", "did you mean beat"),
        ("puls(t)", "did you mean pulse"),
        ("1 +", "cannot read"),
        ("__import__('os').system('true')", "unknown"),
        ("(1).__class__", "not allowed"),
        ("[t for t in (1,)]", "not allowed"),
        ("lambda: 1", "not allowed"),
        ("f'{t}'", "not allowed"),
        ("t := 1", "cannot read"),
        ("'a' * 9", "not a number"),
        ("9 ** 9 ** 9 ** 9", "not a finite number"),
        ("1 / (t - 1)", "not a finite number at 1 s"),
        ("sqrt(-t - 1)", "not a finite number"),
        ("(" * 500, "cannot read"),
        ("1" + "+1" * 999, "too long"),
        ("1" + "+t" * 2000, "too long"),
        ("pulse(*t)", "wrong arguments"),
        ("clamp(t)", "takes 3 numbers"),
        ("pulse(t, delay=1)", "decay by name"),
        ("1 < t < 2", "compare two"),
        ("rms", "--music"),
        ("beat", "--bpm"),
        ({"4s": 1, "2s": 2}, "out of order"),
        ({"50%": 0.1, "1s": 0.2}, "out of order"),
        ({"0s": "much"}, "give a number"),
        ({"soon": 1}, "cannot read the moment"),
        ({"0s": 1, "4s": 2, "ease": "boing"}, "unknown ease"),
        ({"ease": "hold"}, "no moments"),
        ({"0s": 5, "4s": 0}, "outside"),
        ("t * 3", "outside"),
    ],
)
def test_a_bad_curve_gives_one_line(written: expressions.Curve, says: str) -> None:
    with pytest.raises(RecipeError) as caught:
        Animation(Recipe().merge({"temporal": {"morph": written}}), timeline())
    assert says in str(caught.value)
    assert "temporal.morph" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 350


def test_curves_that_depend_on_themselves_are_refused() -> None:
    recipe = Recipe().merge({"curves": {"a": "b + 1", "b": "2 * a"}, "finish": {"strength": "a"}})
    with pytest.raises(RecipeError, match="depends on itself: a → b → a"):
        Animation(recipe, timeline())
    for name in ("t", "pulse", "no name"):
        with pytest.raises(RecipeError, match="cannot be called"):
            Recipe().merge({"curves": {name: 1}})


def test_any_number_can_be_a_curve_and_named_curves_are_shared() -> None:
    recipe = Recipe().merge(
        {
            "curves": {"half": "t / 2"},
            "network": {"layers": "blocks.9=1,blocks.10=clamp(half, 0, 1)"},
            "dream": {"iterations": "10 + 4 * half", "step": "0.01 * half", "octave_scale": {"0s": 1.2, "4s": 1.6}},
            "finish": {"color": "half"},
            "camera": {"zoom": "1 + half"},
        }
    )
    now = Animation(recipe, timeline()).at(24)
    assert (now.dream.iterations, now.dream.step, now.finish.color) == (12, 0.005, 0.5)
    assert now.dream.octave_scale == pytest.approx(1.3)
    assert now.layers == {"blocks.9": 1, "blocks.10": 0.5}
    assert Recipe.from_toml(recipe.to_toml()) == recipe
    assert not follows_sound(recipe)
    assert follows_sound(recipe.set("dream.step=0.01*pulse(onset)"))


def test_flags_and_assignments_take_curves() -> None:
    _, recipe = render.parse(["a", "b", "--step", "0.01 + 0.01 * sine(t)", "--zoom", "{0s = 1, 1.5s = 2}",
                            "--iterations", "12", "--set", "finish.strength={0s=1, '50%'=0.5}"])  # fmt: skip
    assert recipe.dream.step == "0.01 + 0.01 * sine(t)"
    assert at(recipe.camera.zoom, 0.75) == pytest.approx(1.5)
    assert recipe.dream.iterations == 12
    assert recipe.finish.strength == {"0s": 1, "50%": 0.5}


@pytest.mark.parametrize("name", ["pulse", "breathe", "switch", "spectrum"])
def test_presets_for_music_follow_a_song(name: str, song: Sound) -> None:
    recipe = Recipe().merge(preset_tables(name))
    assert follows_sound(recipe)
    animation = Animation(recipe, timeline(24, 2, sound=song, still=True))
    assert all(np.ptp(values) > 0 for key, values in animation.tracks.items() if key != ("camera", "zoom"))
    with pytest.raises(RecipeError, match="--music"):
        Animation(recipe, timeline(24, 2))


def test_curves_are_drawn(tmp_path: Path) -> None:
    out = str(tmp_path / "curves.png")
    recipe = Recipe().set("dream.step=0.01+0.01*pulse(beat)").set("music.bpm=100")
    plot.plot_curves(Animation(recipe, timeline_of(recipe)), out)
    assert Path(out).read_bytes()[:4] == b"\x89PNG"
    with pytest.raises(Exception, match="exists already"):
        plot.plot_curves(Animation(recipe, timeline_of(recipe)), out)
    with pytest.raises(Exception, match="nothing in the recipe changes"):
        plot.plot_curves(Animation(Recipe(), timeline_of(Recipe())), str(tmp_path / "other.png"))


def test_keyframes_at_fractions_of_seconds_survive_the_file(tmp_path: Path) -> None:
    recipe = Recipe().set("dream.step={0s = 0.005, 0.5s = 0.02, 1s = 0.01, ease = 'smooth'}")
    (tmp_path / "r.toml").write_text(recipe.to_toml())
    assert Recipe.load(tmp_path / "r.toml") == recipe
    assert at(recipe.dream.step, 0.5) == pytest.approx(0.02)
    _, parsed = render.parse(["a", "b", "--recipe", str(tmp_path / "r.toml")])
    assert parsed == recipe
    assert Recipe().set("dream.iterations=12.0") == Recipe().set("dream.iterations=12")


def test_keyframes_on_beats_need_sound() -> None:
    recipe = Recipe().set("dream.step={0s = 0.01, '1 beats' = 0.02}")
    assert follows_sound(recipe)
    assert needs_analysis(recipe)
    assert not needs_analysis(recipe.set("music.bpm=120"))
    assert needs_analysis(recipe.set("music.bpm=120").set("finish.strength=rms"))


def test_a_long_chain_of_curves_is_refused() -> None:
    chain = {f"c{k}": f"c{k + 1} + 1" for k in range(200)} | {"c200": "1"}
    with pytest.raises(RecipeError, match="depends on more than"):
        Animation(Recipe().merge({"curves": chain, "finish": {"strength": "c0"}}), timeline())


def test_effort_follows_a_constant_strength() -> None:
    at = {
        s: Animation(Recipe().set(f"finish.strength={s}"), timeline(24)).at(0)
        for s in ("1", "0.5", "2", "0", "'0.5+0*t'")
    }
    assert at["1"] == Animation(Recipe(), timeline(24)).at(0)
    assert (at["0.5"].dream.iterations, at["0.5"].temporal.refine) == (8, 1)
    assert (at["2"].dream.iterations, at["2"].temporal.refine) == (32, 4)
    assert at["0"].finish.strength == 0
    assert 0.5 < at["0.5"].finish.strength < 1 < at["2"].finish.strength < 2  # the fewer steps weaken the layer, too
    assert (at["'0.5+0*t'"].dream.iterations, at["'0.5+0*t'"].finish.strength) == (16, 0.5)  # a curve is a factor alone
