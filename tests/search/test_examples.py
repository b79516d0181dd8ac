"""The example of a query, and its copies, among the hits."""

from pathlib import Path

import numpy as np
import pytest

from e5v.search.index import Index
from e5v.search.query import QueryVectors, find
from e5v.vectors import unit
from tests.search.made import DIM, fill, found, ids, vectors


def test_an_example_is_not_its_own_answer(tmp_path: Path) -> None:
    """Catches "like this, but ..." that finds the very image, and one that loses others for it."""
    rows = vectors(300)
    rows[1] = rows[0]  # the same image once more
    index = Index.open(fill(tmp_path, rows))
    query = unit(rows[:1] + 0.1 * vectors(1, seed=1))[0]
    order = np.argsort(-(rows @ query), kind="stable")
    assert set(found(index.search(query, k=2))) == {"id00000", "id00001"}
    assert found(find(index, QueryVectors(query, rows[0]), k=5)) == ids(order[2:7])
    assert len(find(index, QueryVectors(query, rows[0]), k=300)) == 298


def test_few_vectors_are_read_to_find_the_copies_of_an_example(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches a page of a thousand hits that takes seconds: the vector of each was read alone."""
    rows = np.eye(DIM, dtype=np.float32)[np.arange(200) % (DIM - 2)]
    rows[:, DIM - 1] = 0.02 * np.arange(200)
    rows = unit(rows)
    index = Index.open(fill(tmp_path, rows))
    read: list[str] = []
    vector = Index.vector

    def counted(self: Index, id: str) -> object:
        read.append(id)
        return vector(self, id)

    monkeypatch.setattr(Index, "vector", counted)
    query = unit(rows[:1] + 0.3 * np.eye(DIM, dtype=np.float32)[:1])[0]
    hits = find(index, QueryVectors(query, rows[0]), k=200)
    copies = {f"id{place:05d}" for place in np.flatnonzero(rows @ rows[0] >= 0.999)}
    assert {hit.entry.id for hit in hits} == {f"id{place:05d}" for place in range(200)} - copies
    assert copies <= set(read)
    assert len(read) < 20
