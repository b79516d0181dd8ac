"""The nearest by signs first: as exact as by cosines alone, where vectors have neighbours."""

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from e5v.search import nearest as ranking
from e5v.search.nearest import VectorCollection, nearest
from e5v.search.signs import BLOCK, append, rebuild
from e5v.search.stored_vectors import LoadedVectors
from tests.search.made import vectors

COUNT = 2 * BLOCK + 1_000


def loaded(half: NDArray[np.float16]) -> LoadedVectors:
    """Return vectors that are in memory."""
    addresses = np.arange(len(half), dtype=np.uint64)
    return LoadedVectors(half.shape[1], addresses, lambda some: half[some])


@pytest.fixture(scope="module")
def collection(tmp_path_factory: pytest.TempPathFactory) -> VectorCollection:
    """Give enough vectors for three blocks; 1,100 dimensions, more than are compared first.

    Their signs are written in three goes, with every number even.
    """
    half = vectors(COUNT, dim=1_100).astype(np.float16)
    numbers = 2 * np.arange(COUNT)
    folder = tmp_path_factory.mktemp("signs")
    signs = rebuild(folder, numbers[:1_500], lambda start, end: half[start:end], 1_100)
    signs = append(signs, numbers[1_500:1_700], half[1_500:1_700])
    signs = append(signs, numbers[1_700:], half[1_700:])
    return VectorCollection(loaded(half), signs, np.arange(COUNT))


def test_signs_find_the_nearest(collection: VectorCollection) -> None:
    """Catches signs out of step with their rows, in any block, and looks that lose the nearest."""
    places = np.arange(COUNT)
    found = 0
    for query in vectors(20, dim=1_100, seed=1):
        ranked = nearest(collection, places, query, 10)
        scores = ranking.cosines(collection.vectors, places, query)
        best = np.lexsort((places, -scores))[:10]
        np.testing.assert_allclose(ranked.scores, scores[ranked.places], rtol=1e-6)
        assert (np.diff(ranked.scores) <= 0).all()
        found += len(set(ranked.places.tolist()) & set(best.tolist()))
    assert found >= 0.99 * 200


@pytest.mark.parametrize("without_signs", [False, True])
def test_cosines_are_exact_and_the_nearest_are_in_order(
    collection: VectorCollection, *, without_signs: bool
) -> None:
    """Catches a nearest vector that is not returned, or a wrong cosine, against float64.

    With signs, few enough are searched that all are compared exactly; without, all are.
    """
    places = np.arange(0, COUNT, 7 if not without_signs else 1)
    if without_signs:
        collection = replace(collection, signs=None)
    every = collection.vectors.take(places).astype(np.float64)
    for query in vectors(5, dim=1_100, seed=1):
        scores = every @ query.astype(np.float64)
        found = nearest(collection, places, query, 10)
        best = np.sort(scores)[::-1][:10]
        assert len(set(found.places.tolist())) == 10
        np.testing.assert_allclose(found.scores, best, atol=1e-6)
        of_places = scores[np.searchsorted(places, found.places)]
        np.testing.assert_allclose(of_places, best, atol=1e-6)


def test_each_look_is_needed_and_kept_small(collection: VectorCollection) -> None:
    """Catches a look that lets everything through, which is slow and finds everything."""
    query = vectors(1, dim=1_100, seed=1)[0]
    signs = collection.signs
    assert signs is not None
    apart = ranking.SignDifferences(signs, query)
    first = ranking._first_pass(apart, np.arange(COUNT), 10)
    assert 10 <= len(first) <= 1_000
    second = ranking._second_pass(apart, first, 10)
    assert 10 <= len(second) <= len(first)


def test_ties_do_not_push_out_what_is_nearer() -> None:
    """Catches a cut by place, where thousands of rows differ on as many signs."""
    apart = np.full(10_000, 7, np.uint16)
    apart[-10:] = 3
    kept = ranking._select_candidates(apart, ranking.CandidateLimits(k=50, most=100, bits=1_100))
    assert len(kept) == ranking.MOST_TIED * 100
    assert set(range(9_990, 10_000)) < set(kept.tolist())
    assert (np.diff(kept) > 0).all()
    few = ranking._select_candidates(
        apart[-200:], ranking.CandidateLimits(k=50, most=100, bits=1_100)
    )
    np.testing.assert_array_equal(few, np.arange(200))


def test_only_what_chance_may_have_put_behind_is_looked_at_again() -> None:
    """Catches looks at a fixed share of a large index, and a near row that chance cost some signs.

    Of 1,100 signs 220 differ, give or take 13.
    """
    apart = np.full(10_000, 450, np.uint16)
    apart[:20] = 220
    apart[20:40] = 220 + 5 * 13
    kept = ranking._select_candidates(apart, ranking.CandidateLimits(k=10, most=4_000, bits=1_100))
    np.testing.assert_array_equal(kept, np.arange(40))


def test_only_the_places_that_count(collection: VectorCollection) -> None:
    """Catches a removed row, or one that a filter keeps out, among the nearest."""
    query = vectors(1, dim=1_100, seed=1)[0]
    best = nearest(collection, np.arange(COUNT), query, 50).places
    others = np.setdiff1d(np.arange(COUNT), best)
    assert not set(nearest(collection, others, query, 50).places.tolist()) & set(best.tolist())
    few = np.array([7, 5_000, COUNT - 1])
    assert sorted(nearest(collection, few, query, 50).places.tolist()) == few.tolist()


def test_one_thread_finds_what_many_find(
    collection: VectorCollection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches blocks that fall between two threads."""
    query = vectors(1, dim=1_100, seed=2)[0]
    alone = nearest(collection, np.arange(COUNT), query, 20)
    monkeypatch.setattr(ranking, "BLOCKS_EACH", 1)
    monkeypatch.setattr(os, "cpu_count", lambda: 3)
    np.testing.assert_array_equal(
        nearest(collection, np.arange(COUNT), query, 20).places, alone.places
    )


def test_rows_that_are_all_alike(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches a look that, all signs being equal, keeps nothing or everything."""
    monkeypatch.setattr(ranking, "DIRECT", 0)
    monkeypatch.setattr(ranking, "FIRST_LEAST", 100)
    monkeypatch.setattr(ranking, "FINE", 10)
    same = np.repeat(vectors(1).astype(np.float16), 3_000, axis=0)
    signs = rebuild(tmp_path, np.arange(3_000), lambda start, end: same[start:end], 48)
    collection = VectorCollection(loaded(same), signs, np.arange(3_000))
    ranked = nearest(collection, np.arange(3_000), same[0].astype(np.float32), 5)
    assert len(ranked.places) == 5
    np.testing.assert_allclose(ranked.scores, 1, atol=1e-3)
