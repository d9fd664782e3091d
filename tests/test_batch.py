"""Lists of jobs: rendered one after the other, resumable as a whole."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from media_files import read

from dreamvideo import Recipe, RecipeError
from dreamvideo.cli.main import main
from dreamvideo.jobs.batch import read_jobs, run_batch

MakeClip = Callable[..., Path]
SHARED = "[dream]\noctaves = 1\niterations = 1\n[temporal]\nrefine = 1\n"


@pytest.fixture
def jobs(clip: MakeClip, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Three jobs, of which the second cannot be done."""
    clip("a.mp4", frames=4)
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "jobs.toml"
    path.write_text(
        SHARED + '[[job]]\ninput = "a.mp4"\noutput = "1.mkv"\n'
        '[[job]]\ninput = "b.mp4"\noutput = "2.mkv"\n'
        '[[job]]\ninput = "a.mp4"\noutput = "3.mkv"\npreset = "fur"\n[job.dream]\nstep = 0.05\niterations = 2\n'
    )
    return path


def test_a_job_is_its_own_sections_over_its_preset_over_what_all_share(jobs: Path) -> None:
    first, _, third = (job.recipe.dream for job in read_jobs(jobs))
    assert (first.octaves, first.iterations, first.step) == (1, 1, Recipe().dream.step)
    assert (third.iterations, third.step) == (2, 0.05)
    assert read_jobs(jobs)[2].recipe.network.layers.startswith("blocks.9:8")  # the preset's


def test_one_that_fails_does_not_keep_the_others_from_being_done(
    jobs: Path, clip: MakeClip, capfd: pytest.CaptureFixture[str]
) -> None:
    assert main(["--batch", str(jobs)]) == 1
    told = capfd.readouterr().err
    assert "2.mkv failed: b.mp4 does not exist" in told
    assert "2 jobs are done, 1 failed" in told
    made = {name: os.stat(name).st_mtime_ns for name in ("1.mkv", "3.mkv")}
    clip("b.mp4", frames=2)
    assert main(["--batch", str(jobs)]) == 0
    assert {name: os.stat(name).st_mtime_ns for name in made} == made  # they were done, and are not done again
    assert read(Path("2.mkv"))[0].count == 2


def test_a_job_that_is_asked_for_otherwise_is_not_left_out(jobs: Path) -> None:
    jobs.write_text(SHARED + '[[job]]\ninput = "a.mp4"\noutput = "1.mkv"\n')
    assert [outcome.error for outcome in run_batch(jobs)] == [""]
    jobs.write_text(jobs.read_text() + "[job.dream]\nstep = 0.5\n")
    (outcome,) = run_batch(jobs)
    assert "1.mkv exists already" in outcome.error  # nothing is overwritten unasked
    (outcome,) = run_batch(jobs, overwrite=True)
    assert outcome.result is not None
    assert outcome.result.done == 4


def test_a_batch_that_is_stopped_goes_on(jobs: Path) -> None:
    dreamed: list[int] = []
    outcomes = run_batch(
        jobs, checkpoint=2, stop=lambda: bool(dreamed) and dreamed[-1] == 2,
        on_event=lambda event: dreamed.append(0 if event.phase else event.done),
    )  # fmt: skip
    assert [outcome.result.stopped for outcome in outcomes if outcome.result] == [True]
    assert os.path.isdir("1.mkv.dream")
    outcomes = run_batch(jobs)
    assert [bool(outcome.result) for outcome in outcomes] == [True, False, True]
    assert not os.path.exists("1.mkv.dream")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "holds no jobs"),
        ("[[job]]\noutput = 'o.mkv'\n", "job 1: write input ="),
        ("[[job]]\ninput = 'a'\noutput = 1\n", "job 1: write output ="),
        ("[[job]]\ninput = 'a'\noutput = 'o.mkv'\nwork = 'w'\n", "a job has no 'work'"),
        ("[[job]]\ninput = 'a'\noutput = 'o.mkv'\n[job.dream]\nstop = 1\n", "did you mean step"),
        ("[[job]]\ninput = 'a'\noutput = 'o.mkv'\n" * 2, "two jobs with the output"),
        ("[[job]", "cannot read the jobs"),
    ],
)
def test_a_list_that_cannot_be_read_is_one_line(text: str, says: str, tmp_path: Path) -> None:
    (tmp_path / "jobs.toml").write_text(text)
    with pytest.raises(RecipeError, match=says):
        run_batch(tmp_path / "jobs.toml")
