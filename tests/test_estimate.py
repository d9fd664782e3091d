"""What a render is said to take, compared with what it takes."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import SAMPLES

from dreamvideo import Recipe, SinkError, dream_video
from dreamvideo.jobs import estimate as estimates
from dreamvideo.jobs.estimate import Estimate, estimate

SMALL = Recipe().set("clip.size=160x90").set("clip.end=0.4")
FILM = str(SAMPLES / "bunny.mp4")
GROWTH = """
import resource, sys
from pathlib import Path
import psutil
from dreamvideo import Engine, Recipe, dream_video
from dreamvideo.jobs.estimate import estimate
source, output = sys.argv[1:]
settings = {"clip": {"size": "1280x720"}, "network": {"precision": "fp32"}}
recipe = Recipe().merge({**settings, "dream": {"octaves": 1, "iterations": 2}})
engine = Engine(recipe)
before = psutil.Process().memory_info().rss
told = estimate(source, output, recipe).memory - engine.base_memory
dream_video(source, output, recipe)
status = Path("/proc/self/status")  # where there is none, the most that a parent process took may count, too
highest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
if status.exists():
    highest = next(int(line.split()[1]) * 1024 for line in status.read_text().splitlines() if line.startswith("VmHWM"))
print(told, highest - before)
"""


@pytest.mark.parametrize("name", ["o.mkv", "o.png"])
def test_size_and_disk_space_are_those_of_the_render(name: str, tmp_path: Path) -> None:
    settings = {"clip": {"size": "320x180", "end": "0.12"}, "dream": {"iterations": 2, "octaves": 2}}
    recipe, source = Recipe().merge(settings), str(SAMPLES / "astronaut.jpg") if name == "o.png" else FILM
    told = estimate(source, str(tmp_path / name), recipe)
    assert not os.listdir(tmp_path)
    result = dream_video(source, tmp_path / name, recipe, keep_work=True)
    assert (told.width, told.height, told.count, told.octaves, told.tiles) == (320, 180, result.done, 2, 1)
    segments = sum(segment.stat().st_size for segment in tmp_path.glob("*.dream/*.mkv"))
    assert told.scratch / 2.5 <= segments <= told.scratch * 2.5
    assert told.disk / 2.5 < (tmp_path / name).stat().st_size < told.disk * 2.5


def test_memory_is_what_dreaming_takes_more_than_the_idle_process(tmp_path: Path) -> None:
    """In a process of its own, since the most that this one has taken is known only as a whole."""
    command = [sys.executable, "-c", GROWTH, SAMPLES / "astronaut.jpg", tmp_path / "o.png"]
    told, taken = map(float, subprocess.run(command, check=True, capture_output=True, text=True).stdout.split())
    assert taken < told < 2 * taken


def test_a_smaller_memory_is_told_as_more_tiles(tmp_path: Path) -> None:
    """In a process of its own, since what this one has taken by now counts."""
    asked = ["--plan", "--size", "1920x1080", "--device", "cpu", "--precision", "fp32", "--memory", "2GB"]
    command = [sys.executable, "-m", "dreamvideo", SAMPLES / "astronaut.jpg", tmp_path / "o.png", *asked]
    told = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert re.search(r"in \d+ tiles", told)
    taken, allowed = re.search(r"up to ([\d.]+) GB of ([\d.]+) GB", told).groups()  # type: ignore[union-attr]
    assert float(taken) <= float(allowed) <= 2
    assert not os.listdir(tmp_path)


def test_time_counts_every_gradient(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(estimates, "_seconds_per_pixel", lambda *_: 1e-6)

    def told(**dream: int) -> Estimate:
        return estimate(FILM, str(tmp_path / "o.mp4"), SMALL.merge({"dream": dream}))

    one, more = told(octaves=1, iterations=10), told(octaves=1, iterations=30)
    assert more.first - one.first == pytest.approx(20 * 160 * 90 * 1e-6)
    assert one.first == pytest.approx(10 * 160 * 90 * 1e-6, rel=0.1)  # and the rest takes little
    assert told(octaves=2, iterations=10).first > 1.3 * one.first
    least, most = one.seconds
    assert 10 * one.each[0] < least < most < 10 * one.first  # of ten frames, of which one is the first
    twice = estimate(FILM, str(tmp_path / "o.mp4"), SMALL.set("temporal.passes=2"))
    assert twice.each == pytest.approx([2 * s for s in estimate(FILM, str(tmp_path / "o.mp4"), SMALL).each])


def test_what_cannot_be_rendered_is_not_estimated(tmp_path: Path) -> None:
    (tmp_path / "o.mp4").write_text("mine")
    with pytest.raises(SinkError, match="--overwrite"):
        estimate(FILM, str(tmp_path / "o.mp4"), SMALL)


def test_it_reads_well() -> None:
    told = Estimate(
        1280, 720, 1441, "film", 6, "n in fp32 on cpu", 2, 1.64e9, 4e9, 12.3, (1.5, 5.25), 99.96e6, 2e3, 1.2e12
    )
    assert told.text().splitlines() == [
        "picture  1441 frames of 1280x720, 6 octaves, dreamed in 2 tiles",
        "network  n in fp32 on cpu",
        "memory   up to 1.64 GB of 4 GB",
        "time     36 min to 2 h 06 min: 12 s for the first frame of a shot, then 1.5 to 5.2 s each, by how much moves",
        "disk     about 100 MB, and 2 kB of temporary files until it is complete; 1.2 TB are free",
    ]
