"""Vectors and their sign bits in memory-mapped files, for the quick search.

    float16 rows -> vectors.f16       unchanged
                 -> signs.u64         which values are above the mean of the founding rows
                 -> first.u64         the signs of the 1,024 dimensions that vary most, again
    numbers      -> numbers.i64       the record number of each row, ascending; written last

These files are derived from the table (`table.py`) and can be rebuilt. Rows are only appended, so a
reader's maps stay valid. Now and then everything is rebuilt in a folder with the next number,
without removed rows and with a new mean; readers of the old folder keep it open.

Every query reads all of first.u64. Its rows are stored in blocks, and a block word by word, so that
numpy counts the bits of many rows at once.
"""

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from e5v.files import replace_folder

BLOCK = 8_192  # rows
WORD = 64  # bits
FIRST = 16  # words of the signs, of the dimensions that vary most
PIECE = 1_024  # rows whose signs are computed at once
FOUNDERS = 8_192  # rows that the mean is computed from
PREFIX = "rows-"


@dataclass(frozen=True)
class Frame:
    """The reference of the signs: the mean (d,), and the dimensions ordered by variance."""

    mean: NDArray[np.float32]
    order: NDArray[np.int64]

    @classmethod
    def of(cls, vectors: NDArray[np.float16]) -> "Frame":
        """Return the frame of vectors (n, d), or of a sample if there are many."""
        some = vectors[:: max(1, len(vectors) // FOUNDERS)].astype(np.float32)
        return cls(some.mean(axis=0), np.argsort(-some.var(axis=0), kind="stable"))

    @property
    def words(self) -> int:
        """The number of 64-bit words for the signs of a vector."""
        return -(-len(self.mean) // WORD)

    @property
    def first(self) -> int:
        """The number of words in first.u64."""
        return min(self.words, FIRST)

    def signs(self, vectors: NDArray[Any]) -> NDArray[np.uint64]:
        """Return the signs of vectors (n, d) as words (n, words)."""
        signs = np.zeros((len(vectors), self.words * 8), np.uint8)
        for start in range(0, len(vectors), PIECE):
            above = vectors[start : start + PIECE].astype(np.float32) > self.mean
            bits = np.packbits(np.take(above, self.order, axis=1), axis=1, bitorder="little")
            signs[start : start + PIECE, : bits.shape[1]] = bits
        return signs.view("<u8")


@dataclass(frozen=True)
class Rows:
    """The rows at the time of reading.

    `numbers` (n,) ascending, `vectors` (n, d), `signs` (n, words), `first` (blocks, words at
    most FIRST, BLOCK); `founders` is the number of rows when `frame` was computed.
    """

    folder: Path
    frame: Frame
    founders: int
    numbers: NDArray[np.int64]
    vectors: NDArray[np.float16]
    signs: NDArray[np.uint64]
    first: NDArray[np.uint64]

    @classmethod
    def read(cls, folder: Path) -> "Rows | None":
        """Map the latest rows of an index folder into memory; None if there are none."""
        for _ in range(TRIES):
            latest = _latest(folder)
            if latest is None:
                return None
            try:
                return _mapped(latest)
            except FileNotFoundError:  # the writer has just replaced the folder
                continue
        return None

    def places(self, numbers: NDArray[np.int64]) -> NDArray[np.int64] | None:
        """Return the positions of the rows with these numbers; None if one is missing."""
        if not len(numbers):
            return np.zeros(0, np.int64)
        if not len(self.numbers):
            return None
        places = np.searchsorted(self.numbers, numbers)
        there = self.numbers[np.minimum(places, len(self.numbers) - 1)] == numbers
        return places if there.all() else None


TRIES = 5

# Returns the vectors of rows a to b: (a, b) -> (b - a, d).
Source = Callable[[int, int], NDArray[np.float16]]


def append(rows: Rows, numbers: NDArray[np.int64], vectors: NDArray[np.float16]) -> Rows:
    """Append rows, flush them to disk, and return all rows."""
    count = len(rows.numbers)
    signs = rows.frame.signs(vectors)
    _extend(rows.folder / "vectors.f16", count, vectors)
    _extend(rows.folder / "signs.u64", count, signs)
    _extend_first(rows.folder / "first.u64", count, signs[:, : rows.frame.first])
    _extend(rows.folder / "numbers.i64", count, numbers)
    return _mapped(rows.folder)


def _extend(path: Path, count: int, fresh: NDArray[Any]) -> None:
    """Write after the first `count` rows of a file; drop what a killed writer left there."""
    with path.open("r+b") as file:
        file.truncate(count * fresh[:1].nbytes)
        file.seek(0, os.SEEK_END)
        file.write(np.ascontiguousarray(fresh).tobytes())
        _sync(file)


def _extend_first(path: Path, count: int, fresh: NDArray[np.uint64]) -> None:
    """Write after the first `count` rows of the file that is stored in blocks."""
    words, total = fresh.shape[1], count + len(fresh)
    with path.open("r+b") as file:
        file.truncate(-(-total // BLOCK) * BLOCK * words * 8)
        _sync(file)
    blocks = _map(path, "<u8", (-1, words, BLOCK), mode="r+")
    for block in range(count // BLOCK, len(blocks)):
        start, end = max(count, block * BLOCK), min(total, (block + 1) * BLOCK)
        within = slice(start - block * BLOCK, end - block * BLOCK)
        blocks[block, :, within] = fresh[start - count : end - count].T
    blocks.flush()


def lay_out(folder: Path, numbers: NDArray[np.int64], source: Source, width: int) -> Rows:
    """Rebuild the files with the rows of these numbers; remove older folders."""
    latest = _latest(folder)
    number = int(latest.name.removeprefix(PREFIX)) + 1 if latest else 1
    target = folder / f"{PREFIX}{number:06d}"
    founders = _founders(len(numbers), source, width)
    frame = Frame.of(founders)
    with replace_folder(target) as part:
        with (part / "frame.npz").open("wb") as file:
            np.savez(file, mean=frame.mean, order=frame.order, founders=np.int64(len(numbers)))
        for name in ("vectors.f16", "signs.u64", "first.u64", "numbers.i64"):
            (part / name).touch()
        rows = _mapped(part)
        for start in range(0, len(numbers), BLOCK):
            end = min(start + BLOCK, len(numbers))
            rows = append(rows, numbers[start:end], source(start, end))
        del rows  # Windows cannot rename a folder with a mapped file
    for old in folder.glob(f"{PREFIX}*"):
        if old != target:
            shutil.rmtree(old, ignore_errors=True)
    return _mapped(target)


def _founders(count: int, source: Source, width: int) -> NDArray[np.float16]:
    """Read up to FOUNDERS rows, in pieces spread over all rows."""
    if not count:
        return np.zeros((1, width), np.float16)
    if count <= FOUNDERS:
        return source(0, count)
    size = FOUNDERS // FOUND_IN
    starts = np.linspace(0, count - size, FOUND_IN).astype(int)
    return np.concatenate([source(start, start + size) for start in starts])


FOUND_IN = 32  # pieces


def _latest(folder: Path) -> Path | None:
    return max(folder.glob(f"{PREFIX}*"), default=None)


def _mapped(folder: Path) -> Rows:
    with np.load(folder / "frame.npz") as stored:
        frame, founders = Frame(stored["mean"], stored["order"]), int(stored["founders"])
    numbers = _map(folder / "numbers.i64", "<i8", (-1,))
    vectors = _map(folder / "vectors.f16", "<f2", (-1, len(frame.mean)))[: len(numbers)]
    signs = _map(folder / "signs.u64", "<u8", (-1, frame.words))[: len(numbers)]
    first = _map(folder / "first.u64", "<u8", (-1, frame.first, BLOCK))
    return Rows(folder, frame, founders, numbers, vectors, signs, first)


def _map(path: Path, dtype: str, shape: tuple[int, ...], mode: Any = "r") -> Any:
    """Map the complete rows of a file into memory; an incomplete last row is ignored."""
    size = np.dtype(dtype).itemsize * int(np.prod(shape[1:], dtype=np.int64))
    count = path.stat().st_size // size
    if not count:
        return np.zeros((0, *shape[1:]), dtype)
    return np.memmap(path, dtype, mode, shape=(count, *shape[1:]))


def _sync(file: Any) -> None:
    file.flush()
    os.fsync(file.fileno())
