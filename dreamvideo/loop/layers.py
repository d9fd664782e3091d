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


class Kept(Mapping[int, Tensor]):
    """A dream layer for every frame, (3, H, W), in a file, in half precision.

    Args:
        file: its name.
        height, width: of the layers.
        mode: it is opened in.
    """

    def __init__(self, file: Path, height: int, width: int, mode: str = "rb"):
        self._shape, self._size = (3, height, width), 2 * 3 * height * width
        self._file: IO[bytes] = open(file, mode)  # noqa: SIM115 - closed by `close`

    def __getitem__(self, index: int) -> Tensor:
        return self._read(self._file, index * self._size)

    def __iter__(self) -> Iterator[int]:
        return iter(range(len(self)))

    def __len__(self) -> int:
        return self._file.seek(0, os.SEEK_END) // self._size

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _read(self, file: IO[bytes], at: int) -> Tensor:
        file.seek(at)
        half = np.frombuffer(file.read(self._size), np.float16)
        return torch.from_numpy(half.astype(np.float32)).view(self._shape)


class Layers(Kept):
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
        super().__init__(folder / "layers", height, width, "r+b" if sealed else "w+b")
        self._folder, self._new = folder, dict[int, int]()  # where in the journal a new one lies
        if (waiting := self._sealed(sealed)).exists():
            self._apply(waiting)
        for left in folder.glob("layers-*"):
            left.unlink()
        self._journal = self._begun()

    def __getitem__(self, index: int) -> Tensor:
        return self._read(self._journal, self._new[index]) if index in self._new else super().__getitem__(index)

    def __setitem__(self, index: int, layer: Tensor) -> None:
        self._journal.seek(0, os.SEEK_END)
        self._journal.write(RECORD.pack(index))
        self._new[index] = self._journal.tell()
        self._journal.write(layer.cpu().half().numpy().tobytes())

    def __len__(self) -> int:
        return max([super().__len__(), *(index + 1 for index in self._new)])

    def seal(self, done: int) -> None:
        """Make sure that what is new is on the disk, to belong to the state that is saved next."""
        self._journal.flush()
        os.fsync(self._journal.fileno())
        os.replace(self._folder / "layers-new", self._sealed(done))

    def settle(self, done: int) -> None:
        """Put what was sealed in the place of what it replaces."""
        self._journal.close()
        self._apply(self._sealed(done))
        self._new.clear()
        self._journal = self._begun()

    def close(self) -> None:
        """Close both files."""
        self._journal.close()
        super().close()

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
