"""Read vectors of the table by position, without a copy of them.

version of the table -> pages of its data files -> memory maps -> vectors (m, d) of some records

Where a page's place is known (`lance_files.py`), it is mapped: the maps stay valid when the writer
removes the files. Otherwise, as for vectors of less than 256 bytes, all are read into memory.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.lib.stride_tricks import as_strided
from numpy.typing import NDArray

from e5v.search.lance_files import Unmappable, VectorPage, find_pages

FRAGMENT_BITS = 32  # an address is the fragment's number, then the row's number in it
COLUMN, VALUE = "vector", 2  # name of the column, and bytes of a float16
CHECKED = 16  # rows compared with what LanceDB reads, of a map

# Reads the vectors (m, d) of records by their addresses.
Reader = Callable[[NDArray[np.uint64]], NDArray[np.float16]]


class Vectors(Protocol):
    """The vectors of `len` records, each with `dim` values, by position."""

    @property
    def dim(self) -> int:
        """The width d of a vector."""

    def __len__(self) -> int:
        """Return the number of vectors."""

    def take(self, places: NDArray[np.int64]) -> NDArray[np.float16]:
        """Return the vectors (m, d) at positions."""


@dataclass(frozen=True)
class MappedVectors:
    """Vectors in mapped files: record i is in file `files[i]`, from value `starts[i]`.

    `windows` has for each file a view (values, d) of every d values in it.
    """

    dim: int
    windows: tuple[NDArray[np.float16], ...]
    files: NDArray[np.int64]
    starts: NDArray[np.int64]

    def __len__(self) -> int:
        """Return the number of vectors."""
        return len(self.starts)

    def take(self, places: NDArray[np.int64]) -> NDArray[np.float16]:
        """Return the vectors (m, d) at positions."""
        if len(self.windows) == 1:
            return self.windows[0][self.starts[places]]
        files, starts = self.files[places], self.starts[places]
        vectors = np.empty((len(places), self.dim), np.float16)
        for file in np.unique(files):
            within = np.flatnonzero(files == file)
            vectors[within] = self.windows[file][starts[within]]
        return vectors


@dataclass(frozen=True)
class LoadedVectors:
    """Vectors that are read into memory when they are first needed."""

    dim: int
    addresses: NDArray[np.uint64]
    read: Reader

    def __len__(self) -> int:
        """Return the number of vectors."""
        return len(self.addresses)

    def take(self, places: NDArray[np.int64]) -> NDArray[np.float16]:
        """Return the vectors (m, d) at positions."""
        return self._loaded[places]

    @cached_property
    def _loaded(self) -> NDArray[np.float16]:
        return self.read(self.addresses)


def open_vectors(
    table: Path, version: int, addresses: NDArray[np.uint64], dim: int, read: Reader
) -> Vectors:
    """Map the vectors of some records of a table's version; load them if that is impossible.

    Raises:
        FileNotFoundError: the version has been removed.
    """
    loaded = LoadedVectors(dim, addresses, read)
    if os.name == "nt" or not len(addresses):  # Windows cannot remove a mapped file
        return loaded
    try:
        mapped = _map(find_pages(table, version, COLUMN, VALUE * dim), addresses, dim)
    except Unmappable:
        return loaded
    return mapped if _agrees(mapped, addresses, read) else loaded


def _map(
    pages: dict[int, list[VectorPage]], addresses: NDArray[np.uint64], dim: int
) -> MappedVectors:
    """Map the files of all pages, and find each record in them."""
    windows: list[NDArray[np.float16]] = []
    files = np.full(len(addresses), -1, np.int64)
    starts = np.empty(len(addresses), np.int64)
    fragments = (addresses >> np.uint64(FRAGMENT_BITS)).astype(np.int64)
    rows = (addresses & np.uint64(2**FRAGMENT_BITS - 1)).astype(np.int64)
    for fragment, some in pages.items():
        within = np.flatnonzero(fragments == fragment)
        if not len(within):
            continue
        firsts = np.cumsum([0, *(page.rows for page in some)])
        page = np.searchsorted(firsts, rows[within], side="right") - 1
        offsets = np.array([one.offset for one in some])
        if (offsets % VALUE).any() or (rows[within] >= firsts[-1]).any():
            raise Unmappable("rows are not where they are expected")
        files[within] = len(windows)
        starts[within] = offsets[page] // VALUE + (rows[within] - firsts[page]) * dim
        windows.append(_windows(some[0].path, dim))
    if (files < 0).any():
        raise Unmappable("a record of no fragment")
    return MappedVectors(dim, tuple(windows), files, starts)


def _windows(path: Path, dim: int) -> NDArray[np.float16]:
    """Map a file as every `dim` values that follow each other in it."""
    values = np.memmap(path, "<f2", "r", shape=(path.stat().st_size // VALUE,))
    return as_strided(values, (len(values) - dim + 1, dim), (VALUE, VALUE), writeable=False)


def _agrees(mapped: MappedVectors, addresses: NDArray[np.uint64], read: Reader) -> bool:
    """Compare some mapped vectors, of all files, with those that LanceDB reads."""
    edges = np.flatnonzero(np.diff(mapped.files, prepend=-1, append=-1))
    spread = np.linspace(0, len(addresses) - 1, CHECKED).astype(np.int64)
    some = np.unique(np.concatenate([spread, edges[:-1]]))
    return np.array_equal(mapped.take(some).view(np.uint16), read(addresses[some]).view(np.uint16))
