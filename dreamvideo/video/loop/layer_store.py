"""The layers of a loop, on disk, as they lay when its state was saved last."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO

import numpy as np
import torch
from torch import Tensor

RECORD = struct.Struct("<q")  # the number of a layer, before it in a journal


class StoredLayers(Mapping[int, Tensor]):
    """A dream layer for every frame, (3, H, W), on disk in half precision, as it lies there.

    Args:
        folder: that they are kept in.
        height, width: of the layers.
        mode: that their file is opened in.
    """

    def __init__(self, folder: Path, height: int, width: int, mode: str = "rb"):
        self._shape, self._size = (3, height, width), 2 * 3 * height * width
        self._file: IO[bytes] = open(folder / "layers", mode)  # noqa: SIM115 - closed by `close`
        self._journal: IO[bytes] = self._file
        self._new: dict[int, int] = {}  # where in the journal a layer lies that is not in the file yet
        for sealed in sorted(folder.glob("layers-0*"))[-1:] if mode == "rb" else []:
            self._journal = open(sealed, "rb")  # noqa: SIM115 - closed by `close`
            while number := self._journal.read(RECORD.size):
                self._new[RECORD.unpack(number)[0]] = self._journal.tell()
                self._journal.seek(self._size, os.SEEK_CUR)

    def __getitem__(self, index: int) -> Tensor:
        file, at = (self._journal, self._new[index]) if index in self._new else (self._file, index * self._size)
        file.seek(at)
        half = np.frombuffer(file.read(self._size), np.float16)
        return torch.from_numpy(half.astype(np.float32)).view(self._shape)

    def __iter__(self) -> Iterator[int]:
        return iter(range(len(self)))

    def __len__(self) -> int:
        return max([self._file.seek(0, os.SEEK_END) // self._size, *(index + 1 for index in self._new)])

    def close(self) -> None:
        """Close what they are read from."""
        self._journal.close()
        self._file.close()


class LayerStore(StoredLayers):
    """Layers that are written, too, as they lay when the state of a loop was saved last.

    Later rounds replace the layers of earlier ones, which they are made of. So that a loop that is cut off can go on
    from its last state, what is new lies in a journal until the next state is saved: `seal` it, save the state, and
    then `settle` it.

    Args:
        folder: to keep them in.
        height, width: of the layers.
        sealed: how much had been done when the state that is gone on from was saved; 0 begins anew.
    """

    def __init__(self, folder: Path, height: int, width: int, sealed: int = 0):
        super().__init__(folder, height, width, "r+b" if sealed else "w+b")
        self._folder = folder
        if (waiting := self._sealed(sealed)).exists():
            self._apply(waiting)
        for left in folder.glob("layers-*"):
            left.unlink()
        self._journal = self._begun()

    def __setitem__(self, index: int, layer: Tensor) -> None:
        self._journal.seek(0, os.SEEK_END)
        self._journal.write(RECORD.pack(index))
        self._new[index] = self._journal.tell()
        self._journal.write(layer.cpu().half().numpy().tobytes())

    def seal(self, done: int) -> None:
        """Make sure that what is new is on the disk, to belong to the state that is saved next."""
        self._journal.flush()
        os.fsync(self._journal.fileno())
        self._journal.close()
        os.replace(self._folder / "layers-new", self._sealed(done))
        self._journal = open(self._sealed(done), "rb")  # noqa: SIM115 - closed by `settle`

    def settle(self, done: int) -> None:
        """Put what was sealed in the place of what it replaces."""
        self._journal.close()
        self._apply(self._sealed(done))
        self._new.clear()
        self._journal = self._begun()

    def _sealed(self, done: int) -> Path:
        return self._folder / f"layers-{done:08d}"

    def _begun(self) -> IO[bytes]:
        return open(self._folder / "layers-new", "w+b")

    def _apply(self, journal: Path) -> None:
        with journal.open("rb") as records:
            while number := records.read(RECORD.size):
                self._file.seek(RECORD.unpack(number)[0] * self._size)
                self._file.write(records.read(self._size))
        self._file.flush()
        os.fsync(self._file.fileno())
        journal.unlink()
