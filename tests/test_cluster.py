"""Many workers: the same frames whoever dreams them, whoever dies on the way, wherever the inputs lie."""

from __future__ import annotations

import itertools
import os
import shutil
import signal
import sys
import zlib
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from skimage import data

from dreamvideo import DreamError, Event, ModelError, Recipe, SourceError, dream_video, open_source
from dreamvideo.dream import memory
from dreamvideo.jobs.api import resume
from dreamvideo.jobs.cluster import transfer
from dreamvideo.jobs.cluster.cluster_executor import Cluster, ray_session
from dreamvideo.jobs.cluster.remote import RemoteWorker
from dreamvideo.jobs.cluster.scheduler import unpack_segment
from dreamvideo.jobs.executor import Inline
from dreamvideo.jobs.fingerprint import file_digest
from dreamvideo.jobs.plan import Plan
from dreamvideo.jobs.run_folder import RunFolder, Segment, run_folder
from dreamvideo.jobs.tasks import Task

SHOTS = {"astronaut": 6, "coffee": 12, "chelsea": 9, "rocket": 5}
CUTS = (0, 6, 18, 27)


@pytest.fixture(scope="module")
def recipe() -> Recipe:
    """A quick recipe, dreamed by one thread."""
    return Recipe().merge({"dream": {"octaves": 2, "iterations": 3}, "network": {"threads": 1}})


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of frames: four photos, each panned over."""
    folder = tmp_path_factory.mktemp("film")
    number = itertools.count(1)
    for name, frames in SHOTS.items():
        photo = cv2.cvtColor(cv2.resize(getattr(data, name)(), (112, 64)), cv2.COLOR_RGB2BGR)
        for k in range(frames):
            cv2.imwrite(str(folder / f"{next(number):03d}.png"), photo[:, k : k + 96])
    return folder


@pytest.fixture(scope="module")
def plain(film: Path, recipe: Recipe, tmp_path_factory: pytest.TempPathFactory) -> np.ndarray:
    """The film dreamed by one process."""
    out = tmp_path_factory.mktemp("plain") / "out.mkv"
    dream_video(film, out, recipe)
    return pixels(out)


@pytest.fixture(scope="module")
def workers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Ray, with room for two workers; yields where they keep what comes to them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        with ray_session("", 2):
            yield transfer.cache_folder()


def pixels(path: Path) -> np.ndarray:
    with open_source(str(path)) as source:
        return np.stack([frame.pixels for frame in source])


class Watch:
    """Keeps events; may do something once a worker has dreamed so many frames of a task."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def __call__(self, event: Event) -> None:
        self.events.append(event)

    @property
    def names(self) -> set[str]:
        return {event.worker for event in self.events if event.worker}

    @property
    def done(self) -> int:
        return max((event.done for event in self.events if not event.phase and not event.worker), default=0)


def test_two_workers_dream_what_one_process_does(
    film: Path, recipe: Recipe, plain: np.ndarray, workers: Path, tmp_path: Path
) -> None:
    watch = Watch()
    out = tmp_path / "out.mkv"
    result = dream_video(film, out, recipe, keep_work=True, checkpoint=4, executor=Cluster(2), on_event=watch)
    assert (result.done, result.total) == (32, 32)
    assert Plan.read(run_folder(str(out), None) / "plan.json").cuts == CUTS
    assert len(watch.names) == 2
    assert {event.total for event in watch.events if event.worker} == set(SHOTS.values())
    assert np.array_equal(pixels(out), plain)
    assert not workers.exists()  # nothing travels to who sees it


def test_a_worker_that_is_killed_loses_nothing_but_time(
    film: Path, recipe: Recipe, plain: np.ndarray, workers: Path, tmp_path: Path
) -> None:
    killed: list[str] = []
    kept = 0

    class Killer(Watch):
        def __call__(self, event: Event) -> None:
            super().__call__(event)
            nonlocal kept
            if event.worker and event.done >= 4 and event.total == 12 and not killed:
                killed.append(event.worker)
                kept = event.done
                os.kill(int(event.worker.split(":")[1]), signal.SIGKILL)

    watch = Killer()
    dream_video(film, tmp_path / "out.mkv", recipe, checkpoint=4, executor=Cluster(2), on_event=watch)
    others = [event for event in watch.events if event.worker and event.worker not in killed]
    gone_on = [event for event in others if event.total < 12 and event.total not in SHOTS.values()]
    assert gone_on and gone_on[0].total <= 12 - kept  # from what had come, and not from the shot's beginning
    assert np.array_equal(pixels(tmp_path / "out.mkv"), plain)


def test_what_is_stopped_is_kept_and_finished_by_another_executor(
    film: Path, recipe: Recipe, plain: np.ndarray, workers: Path, tmp_path: Path
) -> None:
    watch = Watch()
    result = dream_video(
        film, tmp_path / "out.mkv", recipe, executor=Cluster(2), on_event=watch, stop=lambda: watch.done >= 3
    )
    assert result.stopped and 3 <= result.done < 32
    again = Watch()
    result = resume(result.folder, on_event=again)
    assert not result.stopped
    assert any(event.notice.startswith("continuing: ") for event in again.events)
    assert np.array_equal(pixels(tmp_path / "out.mkv"), plain)


def test_what_workers_do_not_see_travels_once(film: Path, recipe: Recipe, workers: Path, tmp_path: Path) -> None:
    mask, cuts = tmp_path / "mask.png", tmp_path / "cuts.csv"
    cv2.imwrite(str(mask), np.uint8(255) * (np.arange(96) > 48).astype(np.uint8)[None].repeat(64, 0))
    cuts.write_text("0.5\n")
    wanted = recipe.set(f"finish.mask={mask}").set(f"temporal.cuts={cuts}").set("clip.end=0.75")
    dream_video(film, tmp_path / "here.mkv", wanted)
    cluster = Cluster(2)
    cluster.in_place = False
    dream_video(film, tmp_path / "there.mkv", wanted, executor=cluster)
    assert np.array_equal(pixels(tmp_path / "there.mkv"), pixels(tmp_path / "here.mkv"))
    came = {folder.name: {file.name for file in folder.iterdir()} for folder in workers.iterdir() if folder.is_dir()}
    frames = {file.name for file in film.iterdir()}
    assert came == {
        file_digest(str(film)): frames,
        file_digest(str(mask)): {"mask.png"},
        file_digest(str(cuts)): {"cuts.csv"},
    }


def test_what_cannot_be_dreamed_is_said_in_one_line_and_the_rest_kept(
    film: Path, recipe: Recipe, workers: Path, tmp_path: Path
) -> None:
    frames = Path(shutil.copytree(film, tmp_path / "frames"))

    def lose_the_end(event: Event) -> None:
        if event.worker:  # a long shot is at work; the last one, the shortest, comes last
            (frames / "032.png").unlink(missing_ok=True)

    with pytest.raises(SourceError, match="ends before frame 32") as caught:
        dream_video(frames, tmp_path / "out.mkv", recipe, executor=Cluster(1), on_event=lose_the_end)
    assert len(str(caught.value).splitlines()) == 1
    assert "31 of 32 frames are kept" in str(caught.value)


def test_what_cannot_be_had_is_known_before_a_worker_is_called(film: Path, recipe: Recipe, tmp_path: Path) -> None:
    wanted = recipe.set("network.layers=blocks.99=1")
    said = []
    for executor in (Inline(), Cluster(2)):
        with pytest.raises(ModelError) as caught:
            dream_video(film, tmp_path / "out.mkv", wanted, executor=executor)
        said.append(str(caught.value))
    assert said[0] == said[1]
    assert not list(tmp_path.iterdir())


@pytest.fixture(scope="module")
def plan(film: Path, recipe: Recipe, tmp_path_factory: pytest.TempPathFactory) -> Plan:
    """The plan of a short render."""
    out = tmp_path_factory.mktemp("planned") / "out.mkv"
    dream_video(film, out, recipe.set("clip.end=0.1"), keep_work=True)
    return Plan.read(run_folder(str(out), None) / "plan.json")


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Where this process keeps what comes to it."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return transfer.cache_folder()


def test_frames_come_whole_in_blocks_of_any_size(
    film: Path, store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = file_digest(str(film))
    monkeypatch.setattr(transfer, "BLOCK", 10_000)
    sent = list(transfer.blocks(str(film)))
    assert len(sent) > 4 and all(sum(len(data) for _, data in block) <= 10_000 for block in sent)
    assert file_digest(transfer.fetch(transfer.name_in_cache(str(film)), wanted, sent, store)) == wanted
    assert transfer.fetch(".", wanted, iter(()), store)  # it is here already

    name, first = sent[2][0]
    sent[2][0] = name, bytes([first[0] ^ 1]) + first[1:]
    with pytest.raises(ValueError, match="damaged"):
        transfer.fetch(".", wanted, sent, tmp_path / "another")
    assert not [path for path in (tmp_path / "another").iterdir() if path.is_dir()]


def test_what_was_heard_travels(plan: Plan, store: Path, tmp_path: Path) -> None:
    keep, song = tmp_path / "keep", tmp_path / "so[n]g.mp3"
    keep.mkdir()
    song.write_bytes(b"la la la")
    for name in ("so[n]g-0123.sound.npz", "song-4567.sound.npz"):
        (keep / name).write_text(name)
    recipe = plan.recipe().set(f"music.music={song}")
    plan = replace(plan, audio_cache=str(keep), parts=(replace(plan.parts[0], recipe=recipe.to_toml()),))
    where = {
        path: transfer.fetch(transfer.name_in_cache(path), wanted, transfer.blocks(path), store)
        for path, wanted in transfer.needed(plan).items()
    }
    there = transfer.relocated(plan, where, tmp_path / "heard")
    assert [file.name for file in Path(there.audio_cache).iterdir()] == ["so[n]g-0123.sound.npz"]
    assert there.source == where[plan.source] != plan.source
    assert there.inputs[there.source] == plan.inputs[plan.source] == file_digest(there.source)


def test_a_worker_says_what_it_lacks_and_what_keeps_it_from_dreaming(plan: Plan, tmp_path: Path) -> None:
    remote = RemoteWorker(lambda block: block)
    needed = transfer.needed(plan)
    assert remote.prepare(plan, needed, {}, in_place=False).lacks == tuple(needed) == (plan.source,)
    assert remote.prepare(plan, needed, {}, in_place=True).error is None
    older = replace(plan, made_with=plan.made_with | {"torch": "1.0"})
    said = str(remote.prepare(older, needed, {}, in_place=True).error)
    assert "torch is" in said and said.endswith("1.0")
    octaves = replace(plan, save_octaves=str(tmp_path / "nowhere"))
    assert "--save-octaves" in str(remote.prepare(octaves, needed, {}, in_place=True).error)


def test_a_piece_that_arrives_damaged_is_no_piece(plan: Plan, tmp_path: Path) -> None:
    remote = RemoteWorker(lambda block: block)
    remote.prepare(plan, transfer.needed(plan), {}, in_place=True)
    task = Task(0, plan.count, 0)
    told = remote.dream(task, plan.count)
    while told.segment is None:
        told = remote.more()
    sent = told.segment
    assert unpack_segment(sent, task, tmp_path).stop == plan.count
    half = sent.film[: len(sent.film) // 2]
    for damaged in (
        replace(sent, film=half),
        replace(sent, film=half, crc=zlib.crc32(sent.state, zlib.crc32(half))),  # as it was sent, but cut off
        replace(sent, state=sent.state[:-1] + b"?"),
        replace(sent, first=1),
    ):
        with pytest.raises(ValueError, match="segment from frame 0"):
            unpack_segment(damaged, task, tmp_path)


def test_what_frames_are_dreamed_with_does_not_depend_on_how_many_workers_there_are() -> None:
    recipe = Recipe()
    means = Cluster(1).environment(recipe)
    assert means == Cluster(64).environment(recipe)
    assert means.threads == 1
    assert Cluster(2).environment(recipe.set("network.memory=2GB")).memory_budget == 2e9 - memory.WORKER_OVERHEAD
    assert Cluster(2).environment(recipe.set("network.threads=2")).memory_budget >= means.memory_budget


def test_states_of_shots_that_are_dreamed_at_once_are_kept_for_each(tmp_path: Path) -> None:
    with closing(RunFolder(tmp_path / "run")) as folder:
        for first in (100, 0, 125):
            segment = tmp_path / "segment.mkv"
            segment.write_bytes(b"frames")
            folder.keep(Segment(first, (0,) * 25, segment), b"state")
        assert folder.state(99) == (25, b"state")
        assert folder.state(200) == (150, b"state")


def test_without_ray_it_is_said_how_to_get_it(
    film: Path, recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(DreamError, match=r'pip install "dreamvideo\[cluster\]"'):
        dream_video(film, tmp_path / "out.mkv", recipe, executor=Cluster(2))
    assert not list(tmp_path.iterdir())
