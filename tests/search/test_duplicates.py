"""Which entries are nearly the same, and how well the quick search does: against plain sums."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from e5v.errors import UsageError
from e5v.search import duplicates as module
from e5v.search import nearest
from e5v.search.duplicates import group_duplicates
from e5v.search.index import Index
from e5v.search.stored_vectors import LoadedVectors, Vectors
from e5v.vectors import unit
from tests.search.made import fill, ids, vectors


@pytest.mark.parametrize("dim", [48, 900])
def test_groups_are_all_pairs_and_no_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dim: int
) -> None:
    """Catches a pair lost to the quick comparison, or between two pieces, and one too many."""
    monkeypatch.setattr(module, "PIECE", 64)
    rows = unit(np.random.default_rng(1).standard_normal((300, dim), np.float32))
    near = {7: 250, 250: 120, 3: 4, 63: 64}
    for one, other in near.items():
        shift = np.random.default_rng(other).standard_normal(dim).astype(np.float32)
        rows[other] = unit((rows[one] + 0.24 * unit(shift[None])[0])[None])[0]
    cosines = rows @ rows.T
    np.fill_diagonal(cosines, 0)
    threshold = 0.96
    assert abs(cosines - threshold).min() > 2e-3
    assert (cosines > threshold).sum() == 2 * len(near)  # 7 and 120 are alike by way of 250
    index = Index.open(fill(tmp_path, rows))
    groups = [[entry.id for entry in group] for group in index.duplicates(threshold)]
    assert sorted(groups) == [ids([3, 4]), ids([7, 120, 250]), ids([63, 64])]
    assert index.duplicates(1) == []


def test_many_that_are_alike_are_not_compared_pair_by_pair(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Catches n * n / 2 comparisons where n files are equal, or nearly."""
    compared: list[int] = []

    def counted(vectors: Vectors, places: NDArray[np.int64], query: NDArray[np.float32]) -> object:
        compared.append(len(places))
        return nearest.cosines(vectors, places, query)

    monkeypatch.setattr(module, "cosines", counted)
    many = np.repeat(vectors(4), 2_000, axis=0)
    many[:2_000] += np.random.default_rng(0).normal(0, 1e-3, (2_000, 48))
    half = unit(many).astype(np.float16)
    stored = LoadedVectors(48, np.arange(8_000, dtype=np.uint64), lambda some: half[some])
    groups = group_duplicates(stored, np.arange(8_000), 0.999)
    assert groups == [list(range(start, start + 2_000)) for start in range(0, 8_000, 2_000)]
    assert 0 < sum(compared) < 4_000


def test_equal_vectors_are_alike_and_no_cosine_is_no_threshold(tmp_path: Path) -> None:
    """Catches copies that rounding keeps apart, and a threshold that groups everything."""
    rows = np.concatenate([vectors(5), vectors(5)])
    index = Index.open(fill(tmp_path, rows))
    assert sorted(len(group) for group in index.duplicates(1)) == [2] * 5
    for wrong in (0, 1.01, float("nan")):
        with pytest.raises(UsageError, match="expected more than 0 and at most 1"):
            index.duplicates(wrong)


def test_an_audit_counts_what_is_missed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches an audit that flatters: with looks too narrow, it must say so."""
    rows = unit(np.random.default_rng(1).standard_normal((2_000, 128), np.float32))
    index = Index.open(fill(tmp_path, rows))
    audit = index.audit(queries=30, k=10)
    assert (audit.entries, audit.queries, audit.k, audit.recall) == (2_000, 30, 10, 1)
    monkeypatch.setattr(nearest, "DIRECT", 0)
    monkeypatch.setattr(nearest, "FIRST_LEAST", 20)
    monkeypatch.setattr(nearest, "FIRST_SHARE", 0.0)
    monkeypatch.setattr(nearest, "FINE", 10)
    monkeypatch.setattr(nearest, "FINE_EACH", 1)
    assert index.audit(queries=30, k=10).recall < 0.7
