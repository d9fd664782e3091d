"""Reads and copies films and pictures for tests, and makes numbered frames."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import torch

from dreamvideo import (
    EncoderOptions,
    Frame,
    Recipe,
    Selection,
    open_sink,
    open_source,
)
from dreamvideo.media.info import Info

MakeClip = Callable[..., Path]


def read(path: object, **selected: Any) -> tuple[Info, list[Frame]]:
    """Return what is known about a source, and its frames; `selected` as for `Selection`."""
    with open_source(str(path), Selection(**selected)) as source:
        return source.info, list(source)


def copy(source: object, output: object, options: EncoderOptions | None = None, **selected: Any) -> list[str]:
    """Write the frames of a source to an output as they are; return the notices of both."""
    with open_source(str(source), Selection(**selected)) as opened:
        comment = Recipe().to_toml()
        with open_sink(str(output), opened.info, options, comment, overwrite=True) as sink:
            for frame in opened:
                top = 255 if frame.pixels.dtype == np.uint8 else 65535
                sink.write(torch.from_numpy(frame.pixels.astype(np.float32) / top).permute(2, 0, 1))
            sink.commit(whole=True)
            return [*opened.info.notices, *sink.notices]


def packets(path: object, kind: str = "audio") -> list[str]:
    """Return a digest of the packets of every track of a kind."""
    with av.open(str(path)) as container:
        tracks: dict[int, hashlib._Hash] = {s.index: hashlib.sha1() for s in container.streams if s.type == kind}
        for packet in container.demux():
            if packet.stream.index in tracks:
                tracks[packet.stream.index].update(bytes(packet))
        return [digest.hexdigest() for digest in tracks.values()]


def numbered(folder: Path, suffix: str, dtype: type = np.uint8, count: int = 12) -> list[np.ndarray]:
    """Write pictures f1, f2 … that grow redder; return their pixels, RGB (24, 32, 3)."""
    folder.mkdir(exist_ok=True)
    top = np.iinfo(dtype).max
    pictures = []
    for k in range(1, count + 1):
        pixels = np.zeros((24, 32, 3), dtype)
        pixels[:, :, 0] = top * k // 20
        pixels[:12, :, 1] = top // 3
        cv2.imwrite(str(folder / f"f{k}{suffix}"), pixels[..., ::-1], [cv2.IMWRITE_WEBP_QUALITY, 101])
        pictures.append(pixels)
    return pictures
