"""Read vectors of the table by position, without a copy of them.

version of the table -> pages of its data files -> memory maps -> vectors (m, d) of some records

Where a page's place is known (`lance_files.py`), it is mapped: the maps stay valid when the writer
removes the files. Otherwise, as for vectors of less than 256 bytes, all are read into memory.
"""

import os
from collections.abc import Callable, Iterator
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
PIECE = 2**18  # records whose pages are looked up at once

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
class Pages:
    """The pages of all files, by the address of their first record, ascending.

    Page i is in file `files[i]` from value `offsets[i]`; the record after its last one would have
    the address `ends[i]`.
    """

    firsts: NDArray[np.uint64]
    ends: NDArray[np.uint64]
    files: NDArray[np.int64]
    offsets: NDArray[np.int64]

    def find(self, addresses: NDArray[np.uint64]) -> NDArray[np.int64]:
        """Return the page of each address; -1 if it is in none."""
        found = np.searchsorted(self.firsts, addresses, side="right") - 1
        found[(found < 0) | (addresses >= self.ends[np.maximum(found, 0)])] = -1
        return found


@dataclass(frozen=True)
class MappedVectors:
    """Vectors in mapped files; `windows` has for each file a view (values, d) of every d values."""

    dim: int
    windows: tuple[NDArray[np.float16], ...]
    pages: Pages
    addresses: NDArray[np.uint64]

    def __len__(self) -> int:
        """Return the number of vectors."""
        return len(self.addresses)

    def take(self, places: NDArray[np.int64]) -> NDArray[np.float16]:
        """Return the vectors (m, d) at positions."""
        addresses = self.addresses[places]
        pages = self.pages.find(addresses)
        rows = (addresses - self.pages.firsts[pages]).astype(np.int64)
        starts = self.pages.offsets[pages] + rows * self.dim
        if len(self.windows) == 1:
            taken: NDArray[np.float16] = self.windows[0][starts]
            return taken
        files = self.pages.files[pages]
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
    found: dict[int, list[VectorPage]], addresses: NDArray[np.uint64], dim: int
) -> MappedVectors:
    """Map the files of all pages, and check that each record is in one of them."""
    windows: list[NDArray[np.float16]] = []
    firsts, ends, files, offsets = [], [], [], []
    for fragment, some in sorted(found.items()):
        first = fragment << FRAGMENT_BITS
        for page in some:
            if page.offset % VALUE:
                raise Unmappable("values are not where they are expected")
            firsts.append(first)
            first += page.rows
            ends.append(first)
            files.append(len(windows))
            offsets.append(page.offset // VALUE)
        if some:
            windows.append(_windows(some[0].path, dim))
    pages = Pages(
        np.array(firsts, np.uint64), np.array(ends, np.uint64), np.array(files), np.array(offsets)
    )
    if any((pages.find(piece) < 0).any() for piece in _pieces(addresses)):
        raise Unmappable("a record of no page")
    return MappedVectors(dim, tuple(windows), pages, addresses)


def _pieces(addresses: NDArray[np.uint64]) -> Iterator[NDArray[np.uint64]]:
    for start in range(0, len(addresses), PIECE):
        yield addresses[start : start + PIECE]


def _windows(path: Path, dim: int) -> NDArray[np.float16]:
    """Map a file as every `dim` values that follow each other in it."""
    values = np.memmap(path, "<f2", "r", shape=(path.stat().st_size // VALUE,))
    return as_strided(values, (len(values) - dim + 1, dim), (VALUE, VALUE), writeable=False)


def _agrees(mapped: MappedVectors, addresses: NDArray[np.uint64], read: Reader) -> bool:
    """Compare some mapped vectors, of all files, with those that LanceDB reads."""
    some = [np.linspace(0, len(addresses) - 1, CHECKED).astype(np.int64)]
    for number, piece in enumerate(_pieces(addresses)):
        files = mapped.pages.files[mapped.pages.find(piece)]
        some.append(number * PIECE + np.unique(files, return_index=True)[1])
    places = np.unique(np.concatenate(some))
    expected = read(addresses[places]).view(np.uint16)
    return np.array_equal(mapped.take(places).view(np.uint16), expected)
