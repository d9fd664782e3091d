"""Sound tracks: copied, re-encoded or left out, cut with the picture and in step with it."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import pytest
import torch
from conftest import ffmpeg
from media_files import MakeClip, copy, packets, read

from dreamvideo import (
    open_sink,
    open_source,
)


@pytest.mark.parametrize(
    ("source", "sound", "target", "copied"),
    [
        ("a.mp4", ("-c:a", "aac"), "o.mp4", True),
        ("a.mp4", ("-c:a", "aac"), "o.mov", True),
        ("a.mp4", ("-c:a", "libmp3lame"), "o.mp4", True),
        ("a.mkv", ("-c:v", "ffv1", "-c:a", "flac"), "o.mkv", True),
        ("a.mkv", ("-c:v", "ffv1", "-c:a", "flac"), "o.mp4", True),
        ("a.mov", ("-c:a", "pcm_s16le"), "o.mov", True),
        ("a.webm", ("-c:v", "libvpx-vp9", "-c:a", "libopus"), "o.webm", True),
        ("a.mov", ("-c:a", "pcm_s16le"), "o.mp4", False),
        ("a.mp4", ("-c:a", "aac"), "o.webm", False),
    ],
)
def test_every_sound_track_is_kept(
    source: str, sound: tuple[str, ...], target: str, copied: bool, clip: MakeClip, tmp_path: Path
) -> None:
    path = clip(source, frames=15, sound=2, tail=sound)
    notices = copy(path, tmp_path / target)
    assert len(packets(tmp_path / target)) == 2
    assert (packets(tmp_path / target) == packets(path)) == copied
    assert any("re-encoded" in notice for notice in notices) != copied


@pytest.mark.parametrize("name", ["o.mp4", "o.mkv", "o.mov"])
def test_sound_is_cut_with_the_picture(name: str, clip: MakeClip, tmp_path: Path) -> None:
    path = clip("a.mp4", rate="25", frames=100, sound=1)  # one key frame, at the beginning
    copy(path, tmp_path / name, start=Fraction(1), end=Fraction(3))
    assert read(tmp_path / name)[0].count == 50
    with av.open(str(tmp_path / name)) as container:
        times = [(p.stream.type, p.pts * p.time_base, p.duration * p.time_base) for p in container.demux() if p.size]
    sound = [(at, at + length) for kind, at, length in times if kind == "audio"]
    assert abs(min(at for kind, at, _ in times if kind == "video")) < 0.05
    assert -0.03 < float(sound[0][0]) < 0.05
    assert abs(float(sound[-1][1]) - 2) < 0.08


def test_sound_and_a_picture_that_starts_late_stay_in_step(clip: MakeClip, tmp_path: Path) -> None:
    path = clip("a.mp4", frames=20, sound=1)
    ffmpeg("-itsoffset", 0.7, "-i", path, "-i", path, "-map", "0:v", "-map", "1:a", "-c", "copy", tmp_path / "late.mp4")
    copy(tmp_path / "late.mp4", tmp_path / "o.mp4")
    with av.open(str(tmp_path / "o.mp4")) as container:
        starts = {s.type: float(s.start_time * s.time_base) for s in container.streams}
    assert starts["video"] - starts["audio"] == pytest.approx(0.7, abs=0.05)


def test_a_film_is_kept_when_its_sound_cannot_be_joined(clip: MakeClip, tmp_path: Path) -> None:
    path = clip("a.mp4", sound=1)
    with open_source(str(path)) as source, open_sink(str(tmp_path / "o.mp4"), source.info) as sink:
        for _ in source:
            sink.write(torch.zeros(3, 48, 64))
        path.unlink()  # gone before the end
        sink.commit(whole=True)
    assert any("could not be joined" in notice for notice in sink.notices)
    assert read(tmp_path / "o.mp4")[0].count == 10


def test_formats_without_sound_leave_it_out_with_a_notice(clip: MakeClip, tmp_path: Path) -> None:
    path = clip("a.mp4", sound=1)
    assert any("no sound" in notice for notice in copy(path, tmp_path / "o.gif"))
    assert any("no sound" in notice for notice in copy(path, tmp_path / "out"))
