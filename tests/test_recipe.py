"""The recipe: every parameter is defined once, and bad values are refused."""

from __future__ import annotations

import dataclasses
from fractions import Fraction
from pathlib import Path

import pytest

from dreamvideo import Recipe, RecipeError
from dreamvideo.recipe import parameters, parse_rate, parse_time, preset_tables


def test_toml_gives_the_same_recipe_back() -> None:
    recipe = Recipe().set("dream.octaves=5").set("encoding.crf=20").set("clip.start=1:02.5").set("network.layers=a=1")
    assert Recipe.from_toml(recipe.to_toml()) == recipe
    assert Recipe.from_toml("") == Recipe()


def test_recipes_and_their_sections_are_immutable() -> None:
    recipe = Recipe()
    for section, key, value, _ in parameters():
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(getattr(recipe, section), key, value)
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(recipe, section, getattr(recipe, section))
    assert (recipe.set("clip.start=1").clip.start, recipe.clip.start) == ("1", "")


def test_every_parameter_has_help_and_a_default_within_its_range() -> None:
    seen = [(section, key) for section, key, _, param in parameters() if param.help]
    assert len(seen) == sum(
        len(dataclasses.fields(getattr(Recipe(), f.name))) for f in dataclasses.fields(Recipe) if f.name != "curves"
    )


def test_set_reads_numbers_words_and_times() -> None:
    recipe = Recipe().set("dream.step=0.02").set("temporal.flow=variational").set("clip.end=12")
    assert (recipe.dream.step, recipe.temporal.flow, recipe.clip.end) == (0.02, "variational", "12")


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("[dream]\nstep = -1", "dream.step"),
        ("[dream]\nstep = true", "dream.step"),
        ("[dream]\nstep = nan", "dream.step"),
        ("[dream]\niterations = 1.5", "dream.iterations"),
        ("[dream]\noctaves = 'many'", "dream.octaves"),
        ("[dream]\nsteps = 1", "step"),
        ("[dreams]\nstep = 1", "dream"),
        ("step = 1", "section"),
        ("[dream", "TOML"),
        ("[temporal]\nflow = 'lucas-kanade'", "dis"),
        ("[clip]\nstart = '5'\nend = '5'", "clip.end"),
        ("[clip]\nstart = '-5'", "mm:ss"),
        ("[clip]\nfps = '0'", "frame rate"),
    ],
)
def test_errors_name_the_bad_value(text: str, names: str) -> None:
    with pytest.raises(RecipeError, match=names):
        Recipe.from_toml(text)


def test_a_missing_recipe_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"none\.toml"):
        Recipe.load(tmp_path / "none.toml")


@pytest.mark.parametrize(
    ("text", "seconds"), [("83.5", "83.5"), ("1:23.5", "83.5"), ("1:00:00", "3600"), ("0", "0"), ("0.04", "1/25")]
)
def test_times(text: str, seconds: str) -> None:
    assert parse_time(text) == Fraction(seconds)


@pytest.mark.parametrize("text", ["a", "1:b", "1::2", "1/2", "-1", "nan", "inf"])
def test_bad_times_are_refused(text: str) -> None:
    with pytest.raises(RecipeError):
        parse_time(text)


def test_rates_are_exact() -> None:
    assert parse_rate("30000/1001") == Fraction(30000, 1001)
    assert parse_rate("23.976") == Fraction(2997, 125)


def test_presets_are_complete_recipes() -> None:
    classic = Recipe().merge(preset_tables("classic"))
    assert (classic.dream.octaves, classic.dream.iterations, classic.dream.max_loss) == (3, 20, 10)
    with pytest.raises(RecipeError, match="classic"):
        preset_tables("klassic")
