"""A film, folder or still that is read along with another film: the right picture at any time, in any order."""

from __future__ import annotations

import math
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from conftest import ffmpeg
from media_files import read
from test_finish import save

from dreamvideo.media.synced_reader import CACHED_FRAMES, SyncedReader

RATE = Fraction(30000, 1001)


@pytest.fixture
def counting(tmp_path: Path) -> Path:
    """A film of 40 frames, each as grey as its number, in a file that rounds their times to milliseconds."""
    levels = "geq=lum='30+5*N':cb=128:cr=128"
    path = tmp_path / "count.mkv"
    ffmpeg(
        "-f", "lavfi", "-i", f"color=s=32x16:r={RATE},format=yuv444p,{levels}", "-frames:v", 40, "-c:v", "ffv1", path
    )
    return path


def test_a_synced_film_can_be_read_at_any_time(counting: Path) -> None:
    truth = [f.pixels for f in read(counting)[1]]
    assert len({int(f[0, 0, 0]) for f in truth}) == 40
    synced = SyncedReader(str(counting), Fraction(24))
    assert synced.lasts == pytest.approx(40 / RATE)
    for index in (0, 1, 1, 2, 5, 30, *range(29, -1, -1), 7, 39, 45):
        found = synced.at(index / RATE)
        assert np.array_equal(found, truth[min(index, 39)]), index
    assert np.array_equal(synced.at(4 / RATE - Fraction(1, 1000)), truth[4])  # early, as rounded times are
    synced.close()
    assert np.array_equal(synced.at(31 / RATE), truth[31])
    synced.close()


def test_reading_a_synced_film_backwards_opens_it_seldom(counting: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced, opened, usual = SyncedReader(str(counting), RATE), [], SyncedReader._read_from
    monkeypatch.setattr(SyncedReader, "_read_from", lambda self, first: (opened.append(first), usual(self, first))[1])
    for index in [*range(32), *range(31, -1, -1)]:
        synced.at(index / RATE)
    synced.close()
    assert len(opened) <= 1 + 32 // CACHED_FRAMES


def test_a_synced_folder_runs_at_the_films_rate_and_a_still_never_ends(tmp_path: Path) -> None:
    for k in range(4):
        save(tmp_path / "m" / f"{k:03d}.png", np.full((8, 8), 40 * k, np.uint8))
    synced = SyncedReader(str(tmp_path / "m"), Fraction(10))
    assert [int(synced.at(Fraction(k, 10))[0, 0, 0]) for k in range(6)] == [0, 40, 80, 120, 120, 120]
    still = SyncedReader(str(tmp_path / "m" / "002.png"), Fraction(10))
    assert still.lasts == math.inf
    assert still.at(Fraction(99)) is still.at(Fraction(0))
