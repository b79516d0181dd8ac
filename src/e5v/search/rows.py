"""Vectors in files that are mapped into memory, and beside each its signs, for the quick look.

    float16 rows -> vectors.f16       as they are
                 -> signs.u64         which values are above the mean of the first rows
                 -> first.u64         the signs of the 1,024 dimensions that vary most, once more
    numbers      -> numbers.i64       whose each row is, ascending; written last

All this is made from the table (`table.py`) and can be made again. Rows are only ever added, so a
reader's maps stay true. Now and then everything is laid out anew in a folder of the next number,
without the rows that were removed and about a new mean; readers of the old one keep it open.

In first.u64, which every query reads from end to end, rows lie in blocks, and in a block word by
word: numpy then adds up the counts of many rows at once.
"""

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from e5v.files import sync

BLOCK = 8_192  # rows
WORD = 64  # bits
FIRST = 16  # words of the signs, of the dimensions that vary most
PIECE = 1_024  # rows whose signs are taken at once
FOUNDERS = 8_192  # rows that the mean is taken of
PREFIX = "rows-"


@dataclass(frozen=True)
class Frame:
    """What signs are taken about: the mean (d,), and the dimensions by how much they vary."""

    mean: NDArray[np.float32]
    order: NDArray[np.int64]

    @classmethod
    def of(cls, vectors: NDArray[np.float16]) -> "Frame":
        """Return the frame of vectors (n, d), or of some of them where there are many."""
        some = vectors[:: max(1, len(vectors) // FOUNDERS)].astype(np.float32)
        return cls(some.mean(axis=0), np.argsort(-some.var(axis=0), kind="stable"))

    @property
    def words(self) -> int:
        """How many words of 64 bits the signs of a vector take."""
        return -(-len(self.mean) // WORD)

    @property
    def first(self) -> int:
        """How many of them are looked at first."""
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
    """Rows that were there when they were looked at.

    `numbers` (n,) ascending, `vectors` (n, d), `signs` (n, words), `first` (blocks, words at
    most FIRST, BLOCK); `founders` is how many rows there were when `frame` was found.
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
        """Map the latest rows of an index folder into memory; None where there are none."""
        for _ in range(TRIES):
            latest = _latest(folder)
            if latest is None:
                return None
            try:
                return _mapped(latest)
            except FileNotFoundError:  # the writer has just laid out the next
                continue
        return None

    def places(self, numbers: NDArray[np.int64]) -> NDArray[np.int64] | None:
        """Return where the rows of these numbers are; None if one is missing."""
        if not len(numbers):
            return np.zeros(0, np.int64)
        if not len(self.numbers):
            return None
        places = np.searchsorted(self.numbers, numbers)
        there = self.numbers[np.minimum(places, len(self.numbers) - 1)] == numbers
        return places if there.all() else None


TRIES = 5

# What gives the vectors of the n rows from a to b: (a, b) -> (b - a, d).
Source = Callable[[int, int], NDArray[np.float16]]


def append(rows: Rows, numbers: NDArray[np.int64], vectors: NDArray[np.float16]) -> Rows:
    """Write rows after the last, put them on the disk, and return what is there now."""
    count = len(rows.numbers)
    signs = rows.frame.signs(vectors)
    _extend(rows.folder / "vectors.f16", count, vectors)
    _extend(rows.folder / "signs.u64", count, signs)
    _extend_first(rows.folder / "first.u64", count, signs[:, : rows.frame.first])
    _extend(rows.folder / "numbers.i64", count, numbers)
    return _mapped(rows.folder)


def _extend(path: Path, count: int, fresh: NDArray[Any]) -> None:
    """Write after the first `count` rows of a file; what a killed writer left there goes."""
    with path.open("r+b") as file:
        file.truncate(count * fresh[:1].nbytes)
        file.seek(0, os.SEEK_END)
        file.write(np.ascontiguousarray(fresh).tobytes())
        _sync(file)


def _extend_first(path: Path, count: int, fresh: NDArray[np.uint64]) -> None:
    """Write after the first `count` rows of the file that lies in blocks."""
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
    """Write the rows of these numbers anew; older layouts are removed."""
    latest = _latest(folder)
    number = int(latest.name.removeprefix(PREFIX)) + 1 if latest else 1
    target = folder / f"{PREFIX}{number:06d}"
    part = folder / f".{target.name}.part"
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir()
    founders = _founders(len(numbers), source, width)
    frame = Frame.of(founders)
    with (part / "frame.npz").open("wb") as file:
        np.savez(file, mean=frame.mean, order=frame.order, founders=np.int64(len(numbers)))
        _sync(file)
    for name in ("vectors.f16", "signs.u64", "first.u64", "numbers.i64"):
        (part / name).touch()
    rows = _mapped(part)
    for start in range(0, len(numbers), BLOCK):
        end = min(start + BLOCK, len(numbers))
        rows = append(rows, numbers[start:end], source(start, end))
    del rows  # Windows renames no folder that has a mapped file
    sync(part)
    part.rename(target)
    sync(folder)
    for old in folder.glob(f"{PREFIX}*"):
        if old != target:
            shutil.rmtree(old, ignore_errors=True)
    return _mapped(target)


def _founders(count: int, source: Source, width: int) -> NDArray[np.float16]:
    """Read up to FOUNDERS rows, in pieces from all over."""
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
    with np.load(folder / "frame.npz") as told:
        frame, founders = Frame(told["mean"], told["order"]), int(told["founders"])
    numbers = _map(folder / "numbers.i64", "<i8", (-1,))
    vectors = _map(folder / "vectors.f16", "<f2", (-1, len(frame.mean)))[: len(numbers)]
    signs = _map(folder / "signs.u64", "<u8", (-1, frame.words))[: len(numbers)]
    first = _map(folder / "first.u64", "<u8", (-1, frame.first, BLOCK))
    return Rows(folder, frame, founders, numbers, vectors, signs, first)


def _map(path: Path, dtype: str, shape: tuple[int, ...], mode: Any = "r") -> Any:
    """Map whole rows of a file into memory; what is left of one cut short is not looked at."""
    size = np.dtype(dtype).itemsize * int(np.prod(shape[1:], dtype=np.int64))
    count = path.stat().st_size // size
    if not count:
        return np.zeros((0, *shape[1:]), dtype)
    return np.memmap(path, dtype, mode, shape=(count, *shape[1:]))


def _sync(file: Any) -> None:
    file.flush()
    os.fsync(file.fileno())
