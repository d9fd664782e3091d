"""Music: beats are found at the right times, pictures follow them, and flashes are limited."""

from __future__ import annotations

import builtins
import wave
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import SAMPLES, ffmpeg

from dreamvideo import DreamError, Recipe, SinkError, SourceError, dream_video
from dreamvideo.cli.main import main
from dreamvideo.curves import audio
from dreamvideo.curves.evaluate import CurveEvaluator
from dreamvideo.curves.timeline import Timeline
from dreamvideo.finish import flash
from dreamvideo.jobs.extent import Song, film, film_with_tail
from dreamvideo.media.info import Info
from dreamvideo.media.probe import probe

BPM, SECONDS = 120, 12


def click_track(path: Path, seconds: float = SECONDS, bpm: float = BPM) -> Path:
    """Write clicks of 30 ms at 1 kHz, every fourth with a kick at 60 Hz."""
    rate = 44_100
    sound = np.zeros(round(seconds * rate))
    for k in range(int(seconds * bpm / 60)):
        first = round(k * 60 / bpm * rate)
        t = np.arange(min(round(0.03 * rate), len(sound) - first)) / rate
        sound[first : first + len(t)] += 0.5 * np.sin(2 * np.pi * 1000 * t) * np.exp(-t / 0.006)
        if k % 4 == 2:
            t = np.arange(min(round(0.15 * rate), len(sound) - first)) / rate
            sound[first : first + len(t)] += 0.5 * np.sin(2 * np.pi * 60 * t) * np.exp(-t / 0.05)
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, rate, 0, "NONE", ""))
        file.writeframes((sound * 32767).astype("<i2").tobytes())
    return path


@pytest.fixture(scope="module")
def clicks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return click_track(tmp_path_factory.mktemp("music") / "clicks.wav")


def test_beats_are_found_within_40_ms_and_bars_where_the_bass_is(clicks: Path) -> None:
    sound = audio.analyse(str(clicks))
    truth = np.arange(0, SECONDS, 60 / BPM)
    for found in (sound.beats, sound.onsets):
        assert np.mean([np.abs(found - beat).min() < 0.04 for beat in truth]) >= 0.95
        assert len(found) <= len(truth) + 1
    assert sound.tempo == pytest.approx(BPM, rel=0.02)
    assert np.abs((sound.bars - 1.0) / 2.0 - np.round((sound.bars - 1.0) / 2.0)).max() * 2 < 0.04
    for rate in (24, 60):
        line = Timeline(Fraction(rate), SECONDS * rate, sound)
        peaks = CurveEvaluator(line).values("pulse(beat, decay=0.1)")[:: line.fine]
        for beat in truth[1:-1]:
            near = range(int(beat * rate) - 4, int(beat * rate) + 5)
            assert abs(max(near, key=lambda k: peaks[k]) / rate - beat) <= 1.5 / rate


def test_levels_separate_bands(tmp_path: Path) -> None:
    t = np.arange(3 * audio.RATE) / audio.RATE
    tone = np.concatenate([0.3 * np.sin(2 * np.pi * hertz * t[: audio.RATE]) for hertz in (80, 1000, 8000)])
    levels = audio.analyse_samples(tone.astype(np.float32)).levels
    seconds = [
        slice(int((k + 0.2) * audio.RATE / audio.HOP), int((k + 0.8) * audio.RATE / audio.HOP)) for k in range(3)
    ]
    for k, band in enumerate(("bass", "mid", "treble")):
        means = [levels[band][second].mean() for second in seconds]
        assert means[k] > 0.8
        assert all(mean < 0.1 for other, mean in enumerate(means) if other != k)
    assert all(len(level) == len(levels["rms"]) for level in levels.values())


def test_silence_has_no_beats() -> None:
    sound = audio.analyse_samples(np.zeros(audio.RATE, np.float32))
    assert not len(sound.beats)
    assert sound.levels["rms"].max() == 0
    assert np.isfinite(
        CurveEvaluator(Timeline(Fraction(24), 24, sound)).values("pulse(beat) + pulse(onset) + rms")
    ).all()


def test_an_analysis_is_cached(clicks: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = audio.analyse(str(clicks), audio_cache=tmp_path)
    (kept,) = tmp_path.iterdir()
    monkeypatch.setattr(audio, "analyse_samples", lambda samples: pytest.fail("analysed again"))
    again = audio.analyse(str(clicks), audio_cache=tmp_path)
    assert np.array_equal(first.beats, again.beats)
    monkeypatch.undo()
    kept.write_bytes(b"damaged")
    assert np.array_equal(audio.analyse(str(clicks), audio_cache=tmp_path).beats, first.beats)


@pytest.mark.parametrize(("song", "kind"), [("clicks.wav", "aac"), ("clicks.mp3", "mp3"), ("clicks.flac", "flac")])
def test_a_song_sets_the_length_and_is_in_the_output(
    clicks: Path, song: str, kind: str, quick: Recipe, tmp_path: Path
) -> None:
    short = tmp_path / song
    ffmpeg("-i", clicks, "-t", 2, f"file:{short}")
    recipe = quick.set("clip.size=64x48").set(f"music.music={short}").set("camera.zoom=1.1+0.5*pulse(beat)")
    out = tmp_path / "o.mp4"
    assert dream_video(SAMPLES / "astronaut.jpg", out, recipe).done == 48
    found = probe(str(out))
    assert found.sound == (kind,)
    seconds = len(audio.decode(str(out))) / audio.RATE
    assert abs(seconds - float(found.end)) <= 1 / 24


def test_a_films_own_sound_is_its_music(quick: Recipe, tmp_path: Path) -> None:
    recipe = quick.set("clip.size=96x54").set("clip.end=0.5").set("music.music=source").set("finish.strength=0.5+rms/2")
    assert dream_video(SAMPLES / "bunny.mp4", tmp_path / "o.mp4", recipe).done == 13
    with pytest.raises(SourceError, match="no sound"):
        dream_video(SAMPLES / "astronaut.jpg", tmp_path / "p.mp4", recipe)


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (["--music", "none.mp3"], "none.mp3"),
        (["--music", "text.mp3"], "song"),
        (["--music", "picture.png"], "no sound"),
        (["--seconds", "1", "--preset", "pulse"], "--music"),
        (["--seconds", "1", "--zoom", "1 + beet", "--bpm", "120"], "did you mean beat"),
        (["--seconds", "1", "--step", "{2s = 0.1, 1s = 0.2}"], "out of order"),
    ],
)
def test_bad_music_and_curves_are_one_line(
    args: list[str], says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "text.mp3").write_text("la la la")
    ffmpeg("-f", "lavfi", "-i", "color=s=16x16", "-frames:v", 1, tmp_path / "picture.png")
    monkeypatch.chdir(tmp_path)
    assert main([str(SAMPLES / "astronaut.jpg"), "o.mp4", "--size", "64x64", *args]) == 1
    message = capfd.readouterr().err
    assert says in message
    assert len(message.strip().splitlines()) == 1
    assert not Path("o.mp4").exists()


def test_without_librosa_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def missing(name: str, *rest: object) -> object:
        if name == "librosa":
            raise ImportError(name)
        return real(name, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(builtins, "__import__", missing)
    with pytest.raises(DreamError, match=r"dreamvideo\[music\]"):
        audio.analyse_samples(np.zeros(1000, np.float32))


def flashing(hertz: float, rate: int = 30, seconds: int = 3, low: float = 0.2, high: float = 0.9) -> list[torch.Tensor]:
    on = [int(k * hertz * 2 / rate) % 2 for k in range(rate * seconds)]
    texture = torch.rand(3, 16, 16, generator=torch.Generator().manual_seed(0)) * 0.1
    return [(texture + (high if lit else low) - 0.05).clamp(0, 1) for lit in on]


@pytest.mark.parametrize(("hertz", "worst"), [(1, 1), (2, 2), (3, 3), (8, 8)])
def test_flashes_are_counted(hertz: float, worst: float) -> None:
    found = flash.worst_second([flash.luminance(p) for p in flashing(hertz)], Fraction(30))
    assert abs(found - worst) <= 0.5
    assert flash.worst_second([0.9, 0.95] * 60, Fraction(30)) == 0  # no tenth of full white
    assert flash.worst_second(list(np.linspace(0, 1, 90)), Fraction(30)) <= 0.5


@pytest.mark.parametrize("hertz", [4, 8, 15])
def test_fast_flashes_are_limited_and_slow_ones_kept(hertz: float) -> None:
    limit = flash.FlashLimiter(Fraction(30))
    shown = [limit(picture) for picture in flashing(hertz)]
    assert flash.worst_second([flash.luminance(p) for p in shown], Fraction(30)) <= flash.MOST
    assert limit.held > 0
    assert all(p.min() >= 0 and p.max() <= 1 for p in shown)
    calm = flash.FlashLimiter(Fraction(30))
    assert all(torch.equal(calm(p), p) for p in flashing(2))
    assert calm.held == 0


def test_a_truncated_analysis_is_made_again(clicks: Path, tmp_path: Path) -> None:
    first = audio.analyse(str(clicks), audio_cache=tmp_path)
    (kept,) = tmp_path.iterdir()
    kept.write_bytes(kept.read_bytes()[:1000])
    assert np.array_equal(audio.analyse(str(clicks), audio_cache=tmp_path).beats, first.beats)


def test_no_input_is_overwritten(clicks: Path, quick: Recipe, tmp_path: Path) -> None:
    for name, key in (("song.mp4", "music.music"), ("guide.png", "network.guide")):
        (tmp_path / name).write_bytes(b"dear")
        recipe = quick.set(f"{key}={tmp_path / name}")
        with pytest.raises(SinkError, match="an input itself"):
            dream_video(SAMPLES / "astronaut.jpg", tmp_path / name, recipe, overwrite=True)
        assert (tmp_path / name).read_bytes() == b"dear"


def test_a_song_sets_the_length_of_a_film_and_its_tail() -> None:
    info = Info("film.mp4", "film", 64, 48, Fraction(24), 48, sound=("aac",))
    song = Song("song.mp3", "mp3", Fraction(3))
    longer = film(info, Recipe(), song)
    assert longer.info.count == longer.source_frames == 48
    assert "cut off" in longer.notices[0]
    tail = film_with_tail(info, Recipe().set("camera.then_zoom=5.0"), song)
    assert (tail.info.count, tail.source_frames) == (72, 48)
    assert film(info, Recipe().set("clip.seconds=1.0"), song).info.count == 24
