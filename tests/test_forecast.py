"""What a render is said to take, beside what it takes."""

from __future__ import annotations

import os
import re
import resource
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import SAMPLES

from dreamvideo import Recipe, SinkError
from dreamvideo.jobs.estimate import Estimate, estimate

SMALL = Recipe().set("clip.size=160x90").set("clip.end=0.4")


def test_what_is_told_is_what_the_render_makes(tmp_path: Path) -> None:
    told = estimate(str(SAMPLES / "bunny.mp4"), str(tmp_path / "o.mp4"), SMALL)
    assert (told.width, told.height, told.count, told.kind, told.octaves, told.tiles) == (160, 90, 10, "film", 1, 1)
    assert not os.listdir(tmp_path)
    assert (
        told.scratch > told.disk > 0
    )  # beside the film lie its segments, and the picture until its sound has joined it
    assert 0 < told.each[0] < told.each[1] < told.first
    assert told.seconds == (told.first + 9 * told.each[0], told.first + 9 * told.each[1])


@pytest.mark.parametrize("name", ["o.mkv", "o.png"])
def test_disk_and_memory_are_told_to_the_order_of_magnitude(name: str, tmp_path: Path) -> None:
    recipe = SMALL.set("clip.size=640x360").set("clip.end=0.1").set("dream.iterations=2")
    source = str(SAMPLES / ("astronaut.jpg" if name == "o.png" else "bunny.mp4"))
    told = estimate(source, str(tmp_path / name), recipe)
    save = tmp_path / "r.toml"
    save.write_text(recipe.to_toml())
    command = [sys.executable, "-m", "dreamvideo", source, tmp_path / name, "--recipe", save, "--keep-work"]
    subprocess.run(command, check=True)
    segments = sum(segment.stat().st_size for segment in tmp_path.glob("*.dream/*.mkv"))
    assert told.scratch / 2.5 <= segments <= told.scratch * 2.5
    assert told.disk / 2.5 < (tmp_path / name).stat().st_size < told.disk * 2.5
    held = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    assert held < told.memory * 1.25


def test_a_smaller_memory_is_told_as_more_tiles(tmp_path: Path) -> None:
    """Each in a process of its own, since what this one has held by now counts."""
    told = {}
    for memory in ("16GB", "4GB"):
        asked = ["--plan", "--size", "3840x2160", "--device", "cpu", "--threads", "1", "--memory", memory]
        command = [sys.executable, "-m", "dreamvideo", SAMPLES / "astronaut.jpg", tmp_path / "o.png", *asked]
        told[memory] = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert "in one segment" in told["16GB"]
    assert re.search(r"in \d+ tiles", told["4GB"])
    taken, allowed = re.search(r"up to ([\d.]+) GB of ([\d.]+) GB", told["4GB"]).groups()  # type: ignore[union-attr]
    assert float(taken) <= float(allowed) <= 4
    assert not os.listdir(tmp_path)


def test_what_cannot_be_rendered_is_no_forecast(tmp_path: Path) -> None:
    (tmp_path / "o.mp4").write_text("mine")
    with pytest.raises(SinkError, match="--overwrite"):
        estimate(str(SAMPLES / "bunny.mp4"), str(tmp_path / "o.mp4"), SMALL)


def test_it_reads_well() -> None:
    told = Estimate(
        1280, 720, 1441, "film", 6, "n in fp32 on cpu", 2, 1.64e9, 4e9, 12.3, (1.5, 5.25), 99.96e6, 2e3, 1.2e12
    )
    assert told.text().splitlines() == [
        "picture  1441 frames of 1280x720, 6 octaves, dreamed in 2 tiles",
        "network  n in fp32 on cpu",
        "memory   up to 1.64 GB of 4 GB",
        "time     36 min to 2 h 06 min: 12 s for the first frame of a shot, then 1.5 to 5.2 s each, by how much moves",
        "disk     about 100 MB, and 2 kB beside it until it is done; 1.2 TB are free",
    ]
