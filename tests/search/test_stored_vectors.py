"""Vectors mapped where LanceDB wrote them: the same as it reads, or not mapped at all."""

from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from e5v.search import lance_files, stored_vectors
from e5v.search.entry_table import Table
from e5v.search.lance_files import Unmappable, VectorPage, find_pages
from e5v.search.stored_vectors import LoadedVectors, MappedVectors, Vectors
from tests.search.made import change, fill, records, vectors

DIM = 192  # 384 bytes


def open_all(folder: Path) -> tuple[Table, NDArray[np.int64], Vectors]:
    """Open a table; return it, the numbers of its records, and their vectors."""
    table = Table.open(folder)
    live = table.live()
    return table, live.numbers, table.open_vectors(live.addresses)


def test_mapped_vectors_are_those_of_the_table(tmp_path: Path) -> None:
    """Catches a vector of another record, after removals, in fragments and when they are joined.

    It also fails where a new version of Lance stores vectors in another way: searches then still
    work, but read all vectors into memory.
    """
    rows = vectors(900, dim=DIM)
    fill(tmp_path, rows, each=200)
    gone = [*range(1, 900, 7), *range(401, 601)]  # some of each fragment, and a whole one
    change(tmp_path, lambda writer: writer.commit([], gone), dim=DIM)
    half = rows.astype(np.float16)
    for joined in (False, True):
        if joined:
            change(tmp_path, lambda writer: writer.optimize(), dim=DIM)
        table, numbers, mapped = open_all(tmp_path)
        assert isinstance(mapped, MappedVectors)
        assert len(mapped.windows) == (1 if joined else 4)
        assert set(numbers.tolist()).isdisjoint(gone)
        np.testing.assert_array_equal(mapped.take(np.arange(len(mapped))), half[numbers - 1])
        some = np.array([590, 3, 3, 250])
        np.testing.assert_array_equal(mapped.take(some), half[numbers[some] - 1])
        read = table.vectors(table.live().addresses[some[1:]])
        np.testing.assert_array_equal(read, half[numbers[some[1:]] - 1])


def test_maps_outlive_the_files(tmp_path: Path) -> None:
    """Catches a reader whose vectors go while it computes with them."""
    rows = vectors(300, dim=DIM)
    fill(tmp_path, rows, each=100)
    table, _, mapped = open_all(tmp_path)
    table._table.optimize(cleanup_older_than=timedelta(milliseconds=1))
    for path in (tmp_path / "entries.lance" / "data").iterdir():
        path.unlink()
    np.testing.assert_array_equal(mapped.take(np.arange(300)), rows.astype(np.float16))


def test_short_vectors_are_loaded(tmp_path: Path) -> None:
    """Catches vectors that Lance packs with others, read as if they lay one after the other."""
    rows = vectors(100, dim=48)
    fill(tmp_path, rows)
    _, _, loaded = open_all(tmp_path)
    assert isinstance(loaded, LoadedVectors)
    np.testing.assert_array_equal(loaded.take(np.array([5, 99])), rows.astype(np.float16)[[5, 99]])


def test_what_is_not_understood_is_not_mapped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches wrong vectors from a format that changed: of files, of values, and of places."""
    rows = vectors(50, dim=DIM)
    fill(tmp_path, rows)
    expected = rows.astype(np.float16)

    def shifted(*arguments: str) -> dict[int, list[VectorPage]]:
        return {
            fragment: [VectorPage(page.path, page.offset + 2, page.rows) for page in some]
            for fragment, some in find_pages(*arguments).items()  # type: ignore[arg-type]
        }

    for owner, name, value in (
        (lance_files, "FORMAT", 3),
        (stored_vectors, "VALUE", 4),
        (stored_vectors, "find_pages", shifted),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(owner, name, value)
            _, _, loaded = open_all(tmp_path)
            assert isinstance(loaded, LoadedVectors)
            np.testing.assert_array_equal(loaded.take(np.arange(50)), expected)
    assert isinstance(open_all(tmp_path)[2], MappedVectors)


@pytest.mark.parametrize("left", [0, 3, 40, 400])
def test_a_damaged_file_is_not_mapped(tmp_path: Path, left: int) -> None:
    """Catches an error of parsing that ends a search, where a file is cut short."""
    fill(tmp_path, vectors(50, dim=DIM))
    table = tmp_path / "entries.lance"
    version = Table.open(tmp_path).version
    [path] = (table / "data").iterdir()
    path.write_bytes(path.read_bytes()[-left:] if left else b"")
    with pytest.raises((Unmappable, OSError)):
        find_pages(table, version, "vector", 2 * DIM)
    with pytest.raises(FileNotFoundError):
        find_pages(table, version + 1, "vector", 2 * DIM)


def test_records_written_again_are_found(tmp_path: Path) -> None:
    """Catches the vector of a record that was replaced."""
    rows = vectors(60, dim=DIM)
    fill(tmp_path, rows, each=20)
    change(tmp_path, lambda writer: writer.commit(records(-rows[:10], version=1), []), dim=DIM)
    _, numbers, mapped = open_all(tmp_path)
    assert isinstance(mapped, MappedVectors)
    last = mapped.take(np.flatnonzero(numbers > 60))
    np.testing.assert_array_equal(last, -rows[:10].astype(np.float16))
