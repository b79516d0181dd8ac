"""What tests of the index are made of: records with vectors that have neighbours."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from e5v.search.entries import Entry, Hit
from e5v.search.index_folder import IndexFolder
from e5v.search.manifest import Manifest
from e5v.search.records import Source
from e5v.search.table_rows import Record
from e5v.search.writer import Writer, writing
from e5v.vectors import unit

DIM = 48
Place = TypeVar("Place", bound=Path | IndexFolder)


def vectors(count: int, *, dim: int = DIM, seed: int = 0) -> NDArray[np.float32]:
    """Return unit rows in clusters about a common mean, as vectors of a language model lie."""
    draw = np.random.default_rng(seed)
    world = np.random.default_rng(7)  # the same for every seed
    mean = 3 * world.standard_normal(dim)
    centres = world.standard_normal((40, dim))
    rows = mean + 2 * centres[draw.integers(0, 40, count)] + draw.standard_normal((count, dim))
    return unit(rows.astype(np.float32))


def record(number: int, vector: NDArray[np.float32], *, version: int = 0) -> Record:
    """Return the record of a made-up photo (even) or note (odd)."""
    kind = "text" if number % 2 else "image"
    path = f"/made/{number:05d}.{'txt' if number % 2 else 'jpg'}"
    entry = Entry(
        id=f"id{number:05d}",
        path=path,
        kind=kind,
        part=number % 2,
        size=1_000 + number,
        mtime=version,
        digest=f"digest{number}.{version}",
        text=f"number {number}, it's {version}",
        thumbnail=b"" if number % 2 else b"picture %d" % number,
        width=0 if number % 2 else 64,
        height=0 if number % 2 else 48,
    )
    return Record(entry, Source(path, 1_000 + number, version, 1), vector)


def records(rows: NDArray[np.float32], *, first: int = 0, version: int = 0) -> list[Record]:
    """Return records numbered from `first`."""
    return [record(first + place, row, version=version) for place, row in enumerate(rows)]


def make_manifest(dim: int = DIM) -> Manifest:
    """Return what an index of made-up vectors says of itself."""
    return Manifest("made-up-fingerprint", "made-up", "float32", dim)


def fill(folder: Place, rows: NDArray[np.float32], *, each: int = 1_000) -> Place:
    """Write an index of made-up records, in commits of some."""

    def write(writer: Writer) -> None:
        for start in range(0, len(rows), each):
            writer.commit(records(rows[start : start + each], first=start), [])

    return change(folder, write, dim=rows.shape[1])


def change(folder: Place, act: Callable[[Writer], object], *, dim: int = DIM) -> Place:
    """Be the writer of an index for one act."""
    with writing(folder, lambda: make_manifest(dim)) as writer:
        act(writer)
    return folder


def ids(numbers: Sequence[int] | NDArray[np.int64]) -> list[str]:
    """Return the ids of records."""
    return [f"id{number:05d}" for number in numbers]


def found(hits: list[Hit]) -> list[str]:
    """Return the ids of hits."""
    return [hit.entry.id for hit in hits]
