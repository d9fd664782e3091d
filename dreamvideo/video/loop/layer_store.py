"""Keeps the dream layers of a loop in a file, with a journal so that a render that is cut off can resume."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO

import numpy as np
import torch
from torch import Tensor

RECORD = struct.Struct("<q")  # precedes each layer in a journal: its frame number
# In the folder, `layers` holds the layers by frame number, `layers-new` is the journal that is being written, and
# `layers-00000123` a sealed one, which belongs to the state saved after 123 frames.


class StoredLayers(Mapping[int, Tensor]):
    """Reads a dream layer for each frame number, (3, H, W), stored in half precision.

    Args:
        folder: where they are kept.
        height, width: of the layers.
        mode: the mode in which their file is opened.
    """

    def __init__(self, folder: Path, height: int, width: int, mode: str = "rb"):
        self._shape, self._size = (3, height, width), 2 * 3 * height * width
        self._file: IO[bytes] = open(folder / "layers", mode)  # noqa: SIM115 - closed by `close`
        self._journal: IO[bytes] = self._file
        self._in_journal: dict[int, int] = {}  # frame number → offset of its newest layer, if that is in the journal
        for sealed in sorted(folder.glob("layers-0*"))[-1:] if mode == "rb" else []:
            self._journal = open(sealed, "rb")  # noqa: SIM115 - closed by `close`
            while number := self._journal.read(RECORD.size):
                self._in_journal[RECORD.unpack(number)[0]] = self._journal.tell()
                self._journal.seek(self._size, os.SEEK_CUR)

    def __getitem__(self, index: int) -> Tensor:
        file, offset = self._file, index * self._size
        if index in self._in_journal:
            file, offset = self._journal, self._in_journal[index]
        file.seek(offset)
        half = np.frombuffer(file.read(self._size), np.float16)
        return torch.from_numpy(half.astype(np.float32)).view(self._shape)

    def __iter__(self) -> Iterator[int]:
        return iter(range(len(self)))

    def __len__(self) -> int:
        return max([self._file.seek(0, os.SEEK_END) // self._size, *(index + 1 for index in self._in_journal)])

    def close(self) -> None:
        """Close the files."""
        self._journal.close()
        self._file.close()


class LayerStore(StoredLayers):
    """Reads and writes layers so that they always fit the loop's last saved state.

    A later lap replaces the layers of the lap before, from which it is made. So that a loop that is cut off can resume
    from its last state, new layers are written to a journal: `seal` it, save the state, then `settle` it.

    Args:
        folder: where they are kept.
        height, width: of the layers.
        sealed: how many frames had been dreamed at the state that is resumed from; 0 starts anew.
    """

    def __init__(self, folder: Path, height: int, width: int, sealed: int = 0):
        super().__init__(folder, height, width, "r+b" if sealed else "w+b")
        self._folder = folder
        if (waiting := self._sealed_path(sealed)).exists():
            self._apply(waiting)
        for stale in folder.glob("layers-*"):
            stale.unlink()
        self._journal = self._new_journal()

    def __setitem__(self, index: int, layer: Tensor) -> None:
        self._journal.seek(0, os.SEEK_END)
        self._journal.write(RECORD.pack(index))
        self._in_journal[index] = self._journal.tell()
        self._journal.write(layer.cpu().half().numpy().tobytes())

    def seal(self, done: int) -> None:
        """Make the journal durable, for the state that is saved next, after `done` frames."""
        self._journal.flush()
        os.fsync(self._journal.fileno())
        self._journal.close()
        os.replace(self._folder / "layers-new", self._sealed_path(done))
        self._journal = open(self._sealed_path(done), "rb")  # noqa: SIM115 - closed by `settle`

    def settle(self, done: int) -> None:
        """Copy the layers of the sealed journal over those that they replace, and start a new journal."""
        self._journal.close()
        self._apply(self._sealed_path(done))
        self._in_journal.clear()
        self._journal = self._new_journal()

    def _sealed_path(self, done: int) -> Path:
        return self._folder / f"layers-{done:08d}"

    def _new_journal(self) -> IO[bytes]:
        return open(self._folder / "layers-new", "w+b")

    def _apply(self, journal: Path) -> None:
        """Copy the layers of a sealed journal into the file, and delete it."""
        with journal.open("rb") as records:
            while number := records.read(RECORD.size):
                self._file.seek(RECORD.unpack(number)[0] * self._size)
                self._file.write(records.read(self._size))
        self._file.flush()
        os.fsync(self._file.fileno())
        journal.unlink()
