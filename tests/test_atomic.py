"""Atomic file writes: complete or not at all, with usual permissions, from any thread."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from dreamvideo import SinkError
from dreamvideo.media.atomic import create_hidden_file, write_file


@pytest.fixture
def umask(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """The process umask, which belongs to all threads: setting it, even for a moment, fails the test."""
    mask = os.umask(0o027)
    monkeypatch.setattr("os.umask", lambda mask: pytest.fail("the umask of the process was set"))
    yield 0o027
    monkeypatch.undo()
    os.umask(mask)


def test_files_get_the_permissions_of_any_new_file(umask: int, tmp_path: Path) -> None:
    write_file(tmp_path / "a.txt", b"new")
    hidden = create_hidden_file(tmp_path / "a.mp4", ".mp4")
    for file in (tmp_path / "a.txt", hidden):
        assert file.stat().st_mode & 0o777 == 0o666 & ~umask


def test_a_hidden_file_is_empty_hidden_and_new(tmp_path: Path) -> None:
    files = {create_hidden_file(tmp_path / "a%d.gif", ".png") for _ in range(20)}
    assert len(files) == 20
    for file in files:
        assert file.parent == tmp_path
        assert file.name.startswith(".a_d-")  # ffmpeg would take %d for a number
        assert file.read_bytes() == b""


def test_a_hidden_file_is_in_the_scratch_folder_if_that_is_on_the_same_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "scratch").mkdir()
    assert create_hidden_file(tmp_path / "a.mp4", ".mp4", tmp_path / "scratch").parent == tmp_path / "scratch"

    def refuse(source: object, target: object) -> None:
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr("os.rename", refuse)
    assert create_hidden_file(tmp_path / "a.mp4", ".mp4", tmp_path / "scratch").parent == tmp_path
    assert len(list((tmp_path / "scratch").iterdir())) == 1  # nothing is left of the trial


@pytest.mark.parametrize("durable", [False, True])
def test_a_file_is_replaced_as_a_whole(durable: bool, tmp_path: Path) -> None:
    write_file(tmp_path / "a.txt", b"old")
    write_file(tmp_path / "a.txt", b"new", durable)
    assert (tmp_path / "a.txt").read_bytes() == b"new"
    assert os.listdir(tmp_path) == ["a.txt"]


def test_a_write_that_fails_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.txt").write_bytes(b"old")

    def fill(file: Path, data: bytes) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", fill)
    with pytest.raises(SinkError, match=r"cannot write .*a\.txt \(No space left on device\): is the disk full"):
        write_file(tmp_path / "a.txt", b"new")
    assert (tmp_path / "a.txt").read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["a.txt"]


def test_a_name_may_be_as_long_as_the_disk_allows(tmp_path: Path) -> None:
    write_file(tmp_path / f"{'x' * 251}.png", b"new")
    assert os.listdir(tmp_path) == [f"{'x' * 251}.png"]
