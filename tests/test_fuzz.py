"""Every text is read or refused with a one-line error: never another exception, and never an endless computation.

FUZZ=20000 tries so many random examples, new ones on every run: FUZZ=20000 pytest tests/test_fuzz.py
"""

from __future__ import annotations

import contextlib
import datetime
import io
import os
import struct
import tempfile
import time
import tracemalloc
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dreamvideo import DreamError, Recipe, errors
from dreamvideo.analysis import flow_truth
from dreamvideo.cli import render, sweep
from dreamvideo.curves import expressions, syntax, weight_lists
from dreamvideo.curves.animate import Animation
from dreamvideo.curves.timeline import Sound, Timeline
from dreamvideo.dream import memory
from dreamvideo.dream.objective import text
from dreamvideo.dream.objective.text import parse_objective
from dreamvideo.media.readers import selection
from dreamvideo.recipe import checks, files, parameters, times
from dreamvideo.video import shots

EXAMPLES = os.environ.get("FUZZ")
FUZZ = settings(
    max_examples=int(EXAMPLES or 25),
    derandomize=not EXAMPLES,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)
SLOW = settings(FUZZ, max_examples=max(int(EXAMPLES or 25) // 10, 15))  # for tests that run many parsers

ANY = st.text(st.characters(), max_size=60)  # lone surrogates and control characters, too
DIGITS = st.sampled_from(["0", "1", "007", "9" * 20, "9" * 400, "9" * 5000, "1.5", "1e999", "1e-999", "1_0", "٣", "²"])


def read(function: Callable[..., Any], *given: Any) -> Any:
    """Return the result of a parser; None if it refuses the text with a proper error."""
    try:
        return function(*given)
    except DreamError as error:
        message = str(error)
        assert message.strip()
        assert message.isprintable()
        assert len(message) <= errors.MAX_MESSAGE
    return None


def joined(*parts: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.tuples(*parts).map("".join)


def words(*parts: str) -> st.SearchStrategy[str]:
    return st.sampled_from(parts)


# --- the grammar of curves, and texts that resemble it

NAMES = words(*expressions.NAMES, *expressions.FUNCTIONS, "pi", "kick", "nope", "__import__", "_", "ﬁ", "None")
LITERALS = DIGITS | words("0x1f", "1j", "nan", "inf", "True", "'a'", "...", "1e308", "5e-324", "b''", "f'{t}'", "{}")
OPERATORS = words("+", "-", "*", "/", "//", "%", "**", "<", ">=", "==", "!=", "and", "is", "in", "@", "<<", ":=", ",")
PIECES = (
    st.integers(-9, 9).map(str) | st.floats(0, 9).map(repr) | words("t", "n", "beat", "rms", "kick") | NAMES | LITERALS
)


def _larger(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    arguments = st.lists(inner | joined(words("decay=", "attack=", "x=", "*", "**"), inner), max_size=5).map(", ".join)
    return st.one_of(
        joined(st.just("("), inner, OPERATORS, inner, st.just(")")),
        joined(words(*expressions.FUNCTIONS), st.just("("), arguments, st.just(")")),
        joined(inner, st.just("("), arguments, st.just(")")),
        joined(words("-", "+", "not ", "~", "lambda: ", "await "), inner),
        joined(inner, st.just(" if "), inner, st.just(" else "), inner),
        joined(inner, words(".real", "[0]", "\n", ".__class__", " for t in t")),
    )


EXPRESSIONS = st.recursive(PIECES, _larger, max_leaves=12)
NESTED = st.builds(
    lambda wrap, depth, inner: wrap[0] * depth + inner + wrap[1] * depth,
    st.sampled_from(
        [("-", ""), ("(", ")"), ("sin(", ")"), ("1+", ""), ("not ", ""), ("[", "]"), ("a.", ""), ("f", "()")]
    ),
    st.integers(1, 3000),
    PIECES,
)
MOMENTS = joined(
    DIGITS | st.integers(0, 99).map(str), words("s", "%", " beats", " bars", ":30", ":1:30", ".5s", "", "x")
)
EASES = words("linear", "hold", "bezier(0.4, 0, 0.2, 1)", "bezier(.,.,.,.)", "bezier" + " " * 999, "boing") | ANY
VALUES = st.integers() | st.floats() | EASES | st.lists(st.floats(0, 1) | EASES, max_size=3) | st.booleans()
KEYFRAMES = st.dictionaries(MOMENTS | st.just("ease") | ANY, VALUES, max_size=5)
CURVES = EXPRESSIONS | NESTED | ANY | KEYFRAMES | st.floats() | st.integers()


@pytest.fixture(scope="module")
def lines() -> list[Timeline]:
    """Timelines of half a second: without sound, with a tempo, and with sound."""
    level, times = np.linspace(0, 1, 50), np.array([0.1, 0.2, 0.4])
    sound = Sound(100, dict.fromkeys(expressions.LEVELS, level), times, times[:1], times[:0], 120, level)
    return [Timeline(Fraction(24), 12), Timeline(Fraction(24), 12, bpm=97), Timeline(Fraction(24), 12, sound)]


@FUZZ
@given(CURVES, CURVES, st.integers(0, 2))
def test_curves(lines: list[Timeline], curve: expressions.Curve, kick: expressions.Curve, which: int) -> None:
    tables = {"finish": {"strength": curve}, "curves": {"kick": kick}}
    if (recipe := read(Recipe().merge, tables)) and (animation := read(Animation, recipe, lines[which])):
        for index in range(13):
            assert 0 <= animation.at(index).finish.strength <= 10
    if isinstance(curve, str):
        read(syntax.read_curve, curve)
        weight_lists.looks_like_curve(curve)


BOMBS = {
    "powers": "9**9**9**9**9",
    "no number": "1/0",
    "a huge integer": "9" * 1999,
    "infinite pulses": "pulse(exp(9999))",
    "deep": "(" + "-" * 140 + "t)()",
    "stars": "max(" + ",".join(["t"] * 60) + ")",
    "long": "1" + "+t" * 9999,
    "layers": "a:" + "1," * 9000,
    "layers with colons": "a" + ":1" * 9000,
    "layers, again and again": "a:" + ",".join(["0-65535"] * 2400),
    "equals signs": "a=" * 9000,
    "brackets": "({[" * 6000,
    "commas": "," * 19_000,
    "keyframes, deep": "{a=" * 4000,
    "keyframes, dotted": "{" + "a." * 9000 + "a=1}",
    "keyframes, spaces": '{"1' + " " * 15_000 + 'x"=1}',
    "ease, spaces": "{0s=[1,'bezier" + " " * 15_000 + "x']}",
    "exponents": "1e999999999",
    "rates": "1e-999999999",
    "digits": "9" * 19_000,
}


@pytest.mark.parametrize("bomb", BOMBS)
def test_nothing_takes_long_or_much_memory(bomb: str, lines: list[Timeline]) -> None:
    text = BOMBS[bomb]
    chain = {f"c{k}": "-" * 130 + f"c{k + 1}" for k in range(25)} | {"c25": "t", "kick": text}
    tracemalloc.start()
    began = time.process_time()
    for key in ("dream.step", "network.layers", "network.guide", "clip.start", "clip.fps", "clip.size", "curves.kick"):
        if recipe := read(Recipe().set, f"{key}={text}"):
            read(Animation, recipe, lines[1])
    if recipe := read(Recipe().merge, {"curves": chain, "dream": {"step": "c0"}}):
        read(Animation, recipe, lines[1])
    for parse in (parse_objective, memory.parse_memory, times.parse_time, times.parse_rate, weight_lists.split_guides):
        read(parse, text)
    took, peak = time.process_time() - began, tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert took < 20  # 2 s on an idle machine; quadratic or worse takes minutes
    assert peak < 2**26


TOMLS = {
    "dotted keys": ".".join("a" * 100_000) + " = 1",
    "dotted keys with spaces": " . ".join("a" * 100_000) + " = 1",
    "quoted keys": '."".'.join("a" * 100_000) + " = 1",
    "a deep section": "[" + ".".join("a" * 50_000) + "]\n" + "b = 1\n" * 50_000,
    "arrays": "a = " + "[" * 100_000,
    "tables": "a = " + "{a = " * 100_000,
    "curves": "[curves]\n" + "\n".join(f"a{k} = 'a{k + 1} + a{k + 2}'" for k in range(40_000)),
    "keyframes": "[dream]\nstep = {" + ", ".join(f'"{k}s" = 0.5' for k in range(60_000)) + "}",
    "a long name": "[" + "a" * 900_000 + "]",
    "a long value": "[clip]\nsize = '" + "1" * 900_000 + "'",
    "a long word": "a" * 1_000_000,
    "hexadecimal": "[dream]\nseed = 0x" + "f" * 900_000,
    "too much": " " * 2_000_000,
}


@pytest.mark.parametrize("bomb", TOMLS)
def test_no_recipe_takes_long(bomb: str) -> None:
    began = time.process_time()
    assert read(Recipe.from_toml, TOMLS[bomb]) is None
    assert time.process_time() - began < 20


# --- recipes

KEYS = [f"{section}.{key}" for section, key, _, _ in parameters()]
TOKENS = words(
    "[dream]", "[curves]", "[dream.step]", "step", "kick", "layers", "=", "=", "{", "}", "[", "]", "'", '"""', ".", ",",
    "\n", "\n", "0s", "ease", "1979-05-27T07:32:00Z", "12:30", "0xff", "inf", "nan", "true", "#",
)  # fmt: skip
TOML_TEXTS = st.lists(TOKENS | DIGITS | ANY | words("dream", "finish", "camera", "clip"), max_size=12).map("".join)
ODD = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | ANY | st.binary(max_size=9) | st.complex_numbers()
    | st.dates() | st.sampled_from([400, 5000]).map(lambda n: -(10**n)) | st.just(np.zeros(3)) | st.just(np.float64(1))
    | st.just(datetime.time()),
    lambda inner: st.lists(inner, max_size=3) | st.tuples(inner)
    | st.dictionaries(ANY | st.integers() | st.none() | MOMENTS, inner, max_size=3),
    max_leaves=6,
)  # fmt: skip


@FUZZ
@given(TOML_TEXTS)
def test_recipe_files(text: str) -> None:
    read(Recipe.from_toml, text)


@FUZZ
@given(words(*KEYS, "curves.kick", "dream", ".", "a.b") | ANY, EXPRESSIONS | TOML_TEXTS | DIGITS | ANY)
def test_assignments(key: str, value: str) -> None:
    read(Recipe().set, f"{key}={value}")
    read(Recipe().set, value)


@FUZZ
@given(words(*KEYS), ODD, ODD, ODD)
def test_tables_of_odd_types(path: str, value: Any, name: Any, whole: Any) -> None:
    section, _, key = path.partition(".")
    read(Recipe().merge, {section: {key: value}})
    read(Recipe().merge, {"curves": {"kick": value}})
    read(Recipe().merge, {section: value})
    read(Recipe().merge, whole)
    if isinstance(name, (str, int, tuple, bytes, type(None))):
        with contextlib.suppress(TypeError):  # unhashable, so no table can have such a key
            hash(name)
            read(Recipe().merge, {section: {name: value}})
            read(Recipe().merge, {name: {}})


@FUZZ
@given(st.one_of(ANY, DIGITS, joined(DIGITS, words(":", "/", "x", "p", "%", "GB", " kib"), DIGITS | st.just(""))))
def test_times_rates_sizes_and_memory(text: str) -> None:
    moment, rate = read(times.parse_time, text), read(times.parse_rate, text)
    assert moment is None or moment >= 0
    assert rate is None or times.MIN_RATE <= rate <= 1000
    if len(text) <= checks.MAX_TEXT:
        size = read(selection.parse_size, text, 64, 48)
        assert size is None or all(1 <= side <= 32768 for side in size)
    room = read(memory.memory_budget, text, torch.device("cpu"))
    assert room is None or room[0] > 0


# --- layers and guides

LAYERS = words("blocks.9", "logits", "inception_4c/output", "class:84", "class:peacock", "class:²", "class:") | ANY
CHANNELS = words("", ":42", ":42,70-77", ":9-1", ":99999", ":top:10", ":bottom:0", ":top:", ":1,", ":-") | st.builds(
    ":{}".format, DIGITS
)
PLACES = words("", "@0.5x0.25", "@.x.", "@2x2", "@x", "@", "@1.2.3x4") | st.builds("@{}x{}".format, DIGITS, DIGITS)
FORMS = words("", "~mean", "~cosine", "~l2", "~", "~maen")
WEIGHTS = joined(words("=", "", "=="), EXPRESSIONS | KEYFRAMES.map(str) | DIGITS | words("1", "-0.5", "pulse(beat)"))
TERMS = st.lists(joined(LAYERS, CHANNELS, PLACES, FORMS, WEIGHTS), max_size=4).map(",".join) | ANY


@FUZZ
@given(TERMS)
def test_layers(text: str) -> None:
    if objective := read(parse_objective, text):
        assert parse_objective(str(objective)) == objective
    read(Recipe().merge, {"network": {"layers": text}})


@FUZZ
@given(TERMS | st.lists(joined(ANY, WEIGHTS), max_size=4).map(",".join))
def test_guides(text: str) -> None:
    for path, _ in weight_lists.split_guides(text):
        assert path in text
    read(Recipe().merge, {"network": {"guide": text}})


# --- files

CELLS = ANY | DIGITS | words("0:01.5", "Start Time (seconds)", "Timecode List:", '"', "\ufeff", "-1")
LISTS = st.lists(st.lists(CELLS, max_size=4).map(",".join), max_size=5).map(
    lambda lines: "\n".join(lines).encode("utf-8", "replace")
)


@FUZZ
@given(LISTS | st.binary(max_size=60))
def test_lists_of_cuts(data: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "cuts.csv"
        file.write_bytes(data)
        times = read(shots.read_cuts, str(file))
    assert times is None or times == sorted(times)


def test_an_endless_file_is_neither_a_list_nor_a_recipe() -> None:
    assert read(shots.read_cuts, "/dev/zero") is None
    assert read(files.read_tables, "/dev/zero") is None
    assert read(shots.read_cuts, "a\0b") is None


SIDES = st.integers(-(2**31), 2**31 - 1) | st.integers(0, 4)
HEADS = st.builds(lambda *head: struct.pack("<fii", *head), st.sampled_from([202021.25, 0.0]), SIDES, SIDES)


@FUZZ
@given(HEADS, st.binary(max_size=80), st.integers(1, 4), st.integers(1, 4))
def test_flow_files(head: bytes, data: bytes, height: int, width: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "00001.flo"
        file.write_bytes(head + data)
        file.with_suffix(".png").write_bytes(data)
        read(flow_truth.known_motion, {1: file}, 1, torch.Size((height, width)))
        file.with_suffix(".png").unlink()
        file.write_bytes(struct.pack("<fii", 202021.25, width, height) + (data * 9)[: 8 * width * height])
        known = read(flow_truth.known_motion, {1: file}, 1, torch.Size((height, width)))
    assert known is None or torch.isfinite(known.flow).all()


# --- the command line

FLAGS = words(
    *(f"--{key.rpartition('.')[2].replace('_', '-')}" for key in KEYS), "--set", "--preset", "--recipe", "--at"
)
ARGUMENTS = (
    FLAGS
    | DIGITS
    | ANY
    | EXPRESSIONS
    | words("in.mp4", "out.mp4", "pulse", "{0s = 1}", "-1", "--", "-", "dream.step=t")
)


@SLOW
@given(st.lists(ARGUMENTS, max_size=6))
def test_the_command_line(argv: list[str]) -> None:
    with contextlib.redirect_stderr(io.StringIO()) as printed, contextlib.redirect_stdout(io.StringIO()):
        try:
            read(render.parse, ["in.mp4", "out.mp4", *argv])
        except SystemExit as usage:
            assert usage.code in (0, 2)
            assert not usage.code or printed.getvalue().removesuffix("\n").isprintable()
    read(sweep.split_axes, argv)


# --- what is written can be read again


def _valid(kind: Any, param: parameters.Param, key: str) -> st.SearchStrategy[Any]:
    texts = {
        "layers": GOOD_LAYERS, "guide": GOOD_LAYERS, "start": words("", "0.5", "0:01.25"), "end": words("", "2:00"),
        "fps": words("", "24", "30000/1001", "23.976"), "background": words("black", "#ff8800", "rgb(1, 2, 3)"),
    }  # fmt: skip
    if kind is str:
        return texts.get(key, st.text(max_size=20).filter(lambda text: "\0" not in text))
    low, high = max(param.low, -1e9), min(param.high, 1e9)
    ranged = {int: st.integers(int(np.ceil(low)), int(high)), float: st.floats(low, high), bool: st.booleans()}
    values = st.one_of(*(ranged[c] if isinstance(c, type) else st.just(c) for c in checks.choices(kind)))
    if not param.curve:
        return values
    frames = st.lists(ranged[kind], min_size=1, max_size=4).map(lambda v: {f"{k / 2}s": x for k, x in enumerate(v)})
    return values | frames | GOOD_CURVES


GOOD_CURVES = words("t", "0.5*pulse(beat, decay=0.2)", "1 if t<2 else kick", "max(rms,  0.1)", "sine(t)\t+ 1")
GOOD_LAYERS = words(
    "", "blocks.9:42,70-77@0.25x0.125~mean=0.5,class:84", "a.jpg=t/10,b = {0s = 1, '1.5s' = 2}", "é/1=kick"
)
TABLES: dict[str, dict[str, st.SearchStrategy[Any]]] = {}
for _section, _key, _kind, _param in parameters():
    TABLES.setdefault(_section, {})[_key] = _valid(_kind, _param, _key)
RECIPES = st.fixed_dictionaries(
    {"curves": st.fixed_dictionaries({"kick": GOOD_CURVES.filter(lambda c: "kick" not in c) | st.floats(-1e9, 1e9)})},
    optional={section: st.fixed_dictionaries({}, optional=keys) for section, keys in TABLES.items()},
)


@SLOW
@given(RECIPES)
def test_recipes_survive_writing_and_reading(tables: dict[str, dict[str, Any]]) -> None:
    recipe = Recipe().merge(tables)
    assert Recipe.from_toml(recipe.to_toml()) == recipe
    assert Recipe.from_toml(errors.escaped(recipe.to_toml())) == recipe
    assert Recipe().merge(recipe.differences()) == recipe


@FUZZ
@given(st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(2**53), 2**53) | KEYFRAMES)
def test_curves_survive_writing_and_reading(curve: expressions.Curve) -> None:
    try:
        syntax.check(curve)
    except DreamError:
        return
    assert syntax.read_curve(expressions.curve_text(curve)) == curve


@pytest.mark.parametrize("number", range(0, 1000, 37))
def test_classes_survive_writing_and_reading(number: int) -> None:
    objective = text.parse_objective(f"class:{number}=0.1234567")
    assert text.parse_objective(str(objective)) == objective
