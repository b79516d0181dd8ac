"""The sign bits of the vectors in memory-mapped files: the cache that makes searches quick.

    float16 rows -> signs.u64         which values are above the mean of a sample of the rows
                 -> first.u64         the signs of the 1,024 dimensions that vary most, again
    numbers      -> numbers.i64       the record number of each row, ascending; written last

The vectors themselves are in the table (`entry_table.py`) and nowhere else: this cache takes a
sixteenth of their size, may be deleted, and is made again from them. Rows are only appended, so a
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
from typing import Any, BinaryIO, Literal

import numpy as np
from numpy.typing import NDArray

from e5v.files import replace_folder

BLOCK = 8_192  # rows
WORD = 64  # bits
FIRST = 16  # words of the signs, of the dimensions that vary most
PIECE = 1_024  # rows whose signs are computed at once
SAMPLE = 8_192  # rows that the mean is computed from
PREFIX = "signs-"


@dataclass(frozen=True)
class Quantizer:
    """Binary quantization about the mean (d,); `order` is the dimensions by falling variance."""

    mean: NDArray[np.float32]
    order: NDArray[np.int64]

    @classmethod
    def fit(cls, vectors: NDArray[np.float16]) -> "Quantizer":
        """Return the quantizer of vectors (n, d), or of a sample if there are many."""
        some = vectors[:: max(1, len(vectors) // SAMPLE)].astype(np.float32)
        return cls(some.mean(axis=0), np.argsort(-some.var(axis=0), kind="stable"))

    @property
    def words(self) -> int:
        """The number of 64-bit words for the signs of a vector."""
        return -(-len(self.mean) // WORD)

    @property
    def first(self) -> int:
        """The number of words in first.u64."""
        return min(self.words, FIRST)

    def encode(self, vectors: NDArray[np.floating]) -> NDArray[np.uint64]:
        """Return the sign bits of vectors (n, d) as words (n, words)."""
        signs = np.zeros((len(vectors), self.words * 8), np.uint8)
        for start in range(0, len(vectors), PIECE):
            above = vectors[start : start + PIECE].astype(np.float32) > self.mean
            bits = np.packbits(np.take(above, self.order, axis=1), axis=1, bitorder="little")
            signs[start : start + PIECE, : bits.shape[1]] = bits
        return signs.view("<u8")


@dataclass(frozen=True)
class Signs:
    """The sign bits of all vectors at the time of reading.

    `numbers` (n,) ascending, `words` (n, words), `first` (blocks, words at most FIRST, BLOCK);
    `fitted` is the number of rows when `quantizer` was computed.
    """

    folder: Path
    quantizer: Quantizer
    fitted: int
    numbers: NDArray[np.int64]
    words: NDArray[np.uint64]
    first: NDArray[np.uint64]

    @classmethod
    def read(cls, folder: Path) -> "Signs | None":
        """Map the latest signs of an index folder into memory; None if there are none."""
        for _ in range(TRIES):
            latest = _latest(folder)
            if latest is None:
                return None
            try:
                return _mapped(latest)
            except FileNotFoundError:  # the writer has just replaced the folder
                continue
        return None

    def rows(self, numbers: NDArray[np.int64]) -> NDArray[np.int64] | None:
        """Return the rows with these numbers; None if one is missing."""
        if not len(numbers):
            return np.zeros(0, np.int64)
        if not len(self.numbers):
            return None
        rows = np.searchsorted(self.numbers, numbers)
        there = self.numbers[np.minimum(rows, len(self.numbers) - 1)] == numbers
        return rows if there.all() else None


TRIES = 5

# Returns the vectors of rows a to b: (a, b) -> (b - a, d).
Source = Callable[[int, int], NDArray[np.float16]]


def append(signs: Signs, numbers: NDArray[np.int64], vectors: NDArray[np.float16]) -> Signs:
    """Append the signs of vectors (n, d), flush them to disk, and return all signs."""
    count = len(signs.numbers)
    words = signs.quantizer.encode(vectors)
    _extend(signs.folder / "signs.u64", count, words)
    _extend_first(signs.folder / "first.u64", count, words[:, : signs.quantizer.first])
    _extend(signs.folder / "numbers.i64", count, numbers)
    return _mapped(signs.folder)


def _extend(path: Path, count: int, fresh: NDArray[np.generic]) -> None:
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


def rebuild(folder: Path, numbers: NDArray[np.int64], source: Source, width: int) -> Signs:
    """Make the files anew from the vectors with these numbers; remove older folders."""
    latest = _latest(folder)
    number = int(latest.name.removeprefix(PREFIX)) + 1 if latest else 1
    target = folder / f"{PREFIX}{number:06d}"
    quantizer = Quantizer.fit(_read_sample(len(numbers), source, width))
    with replace_folder(target) as part:
        with (part / "quantizer.npz").open("wb") as file:
            fitted = np.int64(len(numbers))
            np.savez(file, mean=quantizer.mean, order=quantizer.order, fitted=fitted)
        numbers.astype("<i8").tofile(part / "numbers.i64")
        with (part / "signs.u64").open("wb") as signs, (part / "first.u64").open("wb") as first:
            for start in range(0, len(numbers), BLOCK):
                words = quantizer.encode(source(start, min(start + BLOCK, len(numbers))))
                block = np.zeros((quantizer.first, BLOCK), "<u8")
                block[:, : len(words)] = words[:, : quantizer.first].T
                signs.write(words.tobytes())
                first.write(block.tobytes())
    for old in folder.glob(f"{PREFIX}*"):
        if old != target:
            shutil.rmtree(old, ignore_errors=True)
    return _mapped(target)


def _read_sample(count: int, source: Source, width: int) -> NDArray[np.float16]:
    """Read up to SAMPLE vectors, in pieces spread over all."""
    if not count:
        return np.zeros((1, width), np.float16)
    if count <= SAMPLE:
        return source(0, count)
    size = SAMPLE // SAMPLE_PIECES
    starts = np.linspace(0, count - size, SAMPLE_PIECES).astype(int)
    return np.concatenate([source(start, start + size) for start in starts])


SAMPLE_PIECES = 32


def _latest(folder: Path) -> Path | None:
    return max(folder.glob(f"{PREFIX}*"), default=None)


def _mapped(folder: Path) -> Signs:
    with np.load(folder / "quantizer.npz") as stored:
        quantizer, fitted = Quantizer(stored["mean"], stored["order"]), int(stored["fitted"])
    numbers = _map(folder / "numbers.i64", "<i8", (-1,))
    words = _map(folder / "signs.u64", "<u8", (-1, quantizer.words))[: len(numbers)]
    first = _map(folder / "first.u64", "<u8", (-1, quantizer.first, BLOCK))
    return Signs(folder, quantizer, fitted, numbers, words, first)


def _map(path: Path, dtype: str, shape: tuple[int, ...], mode: Literal["r", "r+"] = "r") -> Any:
    """Map the complete rows of a file into memory; an incomplete last row is ignored."""
    size = np.dtype(dtype).itemsize * int(np.prod(shape[1:], dtype=np.int64))
    count = path.stat().st_size // size
    if not count:
        return np.zeros((0, *shape[1:]), dtype)
    return np.memmap(path, dtype, mode, shape=(count, *shape[1:]))


def _sync(file: BinaryIO) -> None:
    file.flush()
    os.fsync(file.fileno())
