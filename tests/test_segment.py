"""Segments: frames come back exactly as they were written, or with an error."""

from __future__ import annotations

import subprocess
from pathlib import Path

import imageio_ffmpeg
import numpy as np
import pytest
import torch

from dreamvideo.media.segment import SegmentError, SegmentWriter, read_segment
from dreamvideo.media.tensors import quantise


def write(path: Path, depth: int, size: tuple[int, int] = (31, 17)) -> tuple[list[torch.Tensor], list[int]]:
    generator = torch.Generator().manual_seed(depth)
    images = [torch.rand(3, *size, generator=generator) for _ in range(3)]
    writer = SegmentWriter(path, depth)
    for image in images:
        writer.write(image)
    writer.close()
    return images, writer.checksums


@pytest.mark.parametrize("depth", [8, 12, 16])
def test_frames_come_back_as_they_were_written(depth: int, tmp_path: Path) -> None:
    images, checksums = write(tmp_path / "a.mkv", depth)
    for image, pixels in zip(images, read_segment(tmp_path / "a.mkv", 17, 31, depth, checksums), strict=True):
        if depth != 12:
            assert np.array_equal(pixels, quantise(image, depth))
        top = np.iinfo(pixels.dtype).max
        assert np.abs(pixels / top - image.permute(1, 2, 0).numpy()).max() < 0.51 / (2**depth - 1) + 1 / 65535


def test_any_player_shows_the_frames(tmp_path: Path) -> None:
    images, _ = write(tmp_path / "a.mkv", 8)
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-i", tmp_path / "a.mkv"]
    shown = subprocess.run([*command, "-f", "rawvideo", "-pix_fmt", "rgb24", "-"], capture_output=True, check=True)
    assert shown.stdout == b"".join(quantise(image, 8).tobytes() for image in images)


def test_a_changed_byte_is_detected(tmp_path: Path) -> None:
    _, checksums = write(tmp_path / "a.mkv", 8)
    data = bytearray((tmp_path / "a.mkv").read_bytes())
    data[len(data) // 2] ^= 1
    (tmp_path / "a.mkv").write_bytes(data)
    with pytest.raises(SegmentError, match=r"a\.mkv is damaged"):
        list(read_segment(tmp_path / "a.mkv", 17, 31, 8, checksums))


def test_a_discarded_segment_leaves_no_file(tmp_path: Path) -> None:
    writer = SegmentWriter(tmp_path / "a.mkv", 8)
    writer.write(torch.rand(3, 16, 16))
    writer.discard()
    assert list(tmp_path.iterdir()) == []
