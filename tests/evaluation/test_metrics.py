"""Figures from vectors: against a double loop, scikit-learn and CIRCO's own definition."""

import tracemalloc
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import sklearn.metrics  # type: ignore[import-untyped, unused-ignore]
from numpy.typing import NDArray

from e5v.errors import DataError, UsageError
from e5v.evaluation.metrics import average_precision, cosines, places, spearman
from e5v.evaluation.tasks import Relevance
from e5v.retrieval import recall_at
from e5v.vectors import unit

Rows = NDArray[np.float32]
metrics: Any = sklearn.metrics


def random_rows(rng: np.random.Generator, n: int, d: int) -> Rows:
    """Draw unit rows that hardly ever tie."""
    return unit(rng.normal(size=(n, d)))


def tied_rows(rng: np.random.Generator, n: int) -> Rows:
    """Draw unit rows of four halves: their cosines are one of five values, without rounding."""
    return rng.choice(np.array([-0.5, 0.5], np.float32), size=(n, 4))


def random_judgements(
    rng: np.random.Generator, queries: int, candidates: int, protocol: str
) -> Relevance:
    """Draw one to four true candidates a query, and others that are hidden or alone compete."""
    true, hidden, among = [], [], []
    for _ in range(queries):
        order = rng.permutation(candidates).tolist()
        sought, out, few = rng.integers(1, 5), rng.integers(0, 4), rng.integers(0, 8)
        true.append(order[:sought])
        hidden.append(order[sought : sought + out])
        # Those that alone compete may be hidden, too.
        among.append(rng.permutation(order[: sought + out + few]).tolist())
    return Relevance(
        true,
        hidden if "hidden" in protocol else None,
        [sorted({*few, *sought}) for few, sought in zip(among, true, strict=True)]
        if "among" in protocol
        else None,
    )


def rank_by_hand(queries: Rows, candidates: Rows, relevance: Relevance) -> list[list[int]]:
    """Sort every competitor, the true ones last among equals, and look the true ones up."""
    found = []
    for place, query in enumerate(queries):
        true = set(relevance.true[place])
        ranking = []
        for candidate, row in enumerate(candidates):
            if relevance.hidden is not None and candidate in relevance.hidden[place]:
                continue
            if relevance.among is not None and candidate not in relevance.among[place]:
                continue
            score = sum(float(a) * float(b) for a, b in zip(query, row, strict=True))
            ranking.append((-score, candidate in true))
        ranking.sort()
        found.append([rank for rank, (_, right) in enumerate(ranking) if right])
    return found


def as_lists(found: Sequence[NDArray[np.int64]]) -> list[list[int]]:
    """Make places comparable."""
    return [row.tolist() for row in found]


@pytest.mark.parametrize("protocol", ["plain", "hidden", "among", "hidden among"])
@pytest.mark.parametrize("block", [1, 3, 64])
def test_places_are_those_of_a_sorted_list(protocol: str, block: int) -> None:
    """Catches a tie that counts for us, a hidden candidate that competes, an edge of a block."""
    rng = np.random.default_rng(len(protocol) + block)
    queries, candidates = tied_rows(rng, 20), tied_rows(rng, 29)
    relevance = random_judgements(rng, 20, 29, protocol)
    found = places(queries, candidates, relevance, block=block)
    assert as_lists(found) == rank_by_hand(queries, candidates, relevance)


@pytest.mark.parametrize("d", [37, 1000])
def test_a_pair_has_one_score(d: int) -> None:
    """Catches scores that depend on the block, so that equal vectors tie in one and not another."""
    rng = np.random.default_rng(d)
    images = random_rows(rng, 60, d)
    candidates = np.concatenate([images, images[::-1], images])
    queries = unit(images + rng.normal(scale=0.5 / np.sqrt(d), size=images.shape))
    relevance = Relevance([[place] for place in range(60)])
    found = [
        as_lists(places(queries, candidates, relevance, block=size)) for size in (1, 7, 64, 1024)
    ]
    assert found[1:] == found[:-1]
    assert min(row[0] for row in found[0]) == 2, "both twins stand before"
    assert np.mean([row[0] == 2 for row in found[0]]) > 0.9


def test_places_agree_with_scikit_learn() -> None:
    """Catches places, hit rates and precisions that are wrong in the same way as our own loop."""
    rng = np.random.default_rng(5)
    queries, candidates = random_rows(rng, 40, 16), random_rows(rng, 60, 16)
    scores = queries.astype(np.float64) @ candidates.T.astype(np.float64)

    single = Relevance([[int(one)] for one in rng.integers(0, 60, 40)])
    found = places(queries, candidates, single, block=16)
    for k in (1, 5, 10, 50):
        right = [row[0] for row in single.true]
        expected = metrics.top_k_accuracy_score(right, scores, k=k, labels=range(60))
        assert recall_at(found, k) == pytest.approx(expected)

    several = random_judgements(rng, 40, 60, "plain")
    truth = np.zeros((40, 60), int)
    for place, row in enumerate(several.true):
        truth[place, row] = 1
    found = places(queries, candidates, several, block=16)
    expected = metrics.label_ranking_average_precision_score(truth, scores)
    assert average_precision(found, 60) == pytest.approx(expected)

    tied, tied_gallery = tied_rows(rng, 40), tied_rows(rng, 60)
    found = places(tied, tied_gallery, several, block=16)
    expected = metrics.coverage_error(truth, tied @ tied_gallery.T)  # ties count against, too
    assert np.mean([row[-1] + 1 for row in found]) == pytest.approx(expected)

    found = places(tied, tied_gallery, single, block=16)
    truth = np.eye(60, dtype=int)[[row[0] for row in single.true]]
    pairs = zip(truth, tied @ tied_gallery.T, strict=True)
    ranks = [metrics.coverage_error([right], [scores]) for right, scores in pairs]
    for k in (1, 5, 10, 50):
        assert recall_at(found, k) == pytest.approx(np.mean(np.array(ranks) <= k))


@pytest.mark.parametrize("k", [1, 5, 10, 25, 50])
def test_average_precision_is_circos(k: int) -> None:
    """Catches another of the mean average precisions: divided by all truths, or by those found."""
    rng = np.random.default_rng(k)
    each, rows = [], []
    for truths in (1, 2, 4, 7, 20):
        predicted = rng.permutation(100)
        right = np.isin(predicted, rng.choice(100, truths, replace=False))
        precision = np.cumsum(right) / np.arange(1, 101)
        each.append((precision * right)[:k].sum() / min(truths, k))
        rows.append(np.flatnonzero(right))
    assert average_precision(rows, k) == pytest.approx(np.mean(each))


def test_recall_counts_a_query_once() -> None:
    """Catches recall over true candidates, not over queries that hit, and a K off by one."""
    found = [np.array([0, 1, 2]), np.array([4, 9]), np.array([5])]
    assert [recall_at(found, k) for k in (1, 4, 5, 6)] == pytest.approx([1 / 3, 1 / 3, 2 / 3, 1])


def test_a_large_gallery_needs_little_memory() -> None:
    """Catches a matrix of all scores: 61 MiB here, and 19 GiB for 5,000 queries in 500,000."""
    rng = np.random.default_rng(0)
    queries, candidates = random_rows(rng, 2000, 8), random_rows(rng, 4000, 8)
    relevance = Relevance([[place, 3999 - place] for place in range(2000)])
    tracemalloc.start()
    try:
        found = places(queries, candidates, relevance, block=128)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(found) == 2000
    assert peak < 8 * 2**20


@pytest.mark.parametrize(
    ("relevance", "cause"),
    [
        (Relevance([[0]]), "the judgements have 1 queries .* expected 2"),
        (Relevance([[0], [1]], hidden=[[]]), "hidden 1, among"),
        (Relevance([[0], []]), "query 1 has no true candidate"),
        (Relevance([[0], [3]]), "query 1 names candidates 3 to 3; there are 0 to 2"),
        (Relevance([[0], [-1]]), "query 1 names candidates -1"),
        (Relevance([[0], [1]], hidden=[[], [7]]), "query 1 names candidates 1 to 7"),
        (Relevance([[0], [1]], among=[[0], [1, -2]]), "query 1 names candidates -2 to 1"),
        (Relevance([[0], [1, 2]], hidden=[[], [0, 2]]), "query 1 hides its true candidate 2"),
        (Relevance([[0], [1, 2]], among=[[0, 1], [1, 0]]), "query 1 does not let .* 2 compete"),
    ],
)
def test_judgements_that_cannot_be_are_refused(relevance: Relevance, cause: str) -> None:
    """Catches a true candidate that cannot be found, and so always or never counts as found."""
    with pytest.raises(DataError, match=cause):
        places(np.eye(2, 4, dtype=np.float32), np.eye(3, 4, dtype=np.float32), relevance)


def test_no_query_is_refused() -> None:
    """Catches a figure over nothing."""
    with pytest.raises(DataError, match="at least one"):
        places(np.empty((0, 4), np.float32), np.eye(3, 4, dtype=np.float32), Relevance([]))


@pytest.mark.parametrize("broken", [np.nan, np.inf, 0.0, 2.0])
def test_rows_that_are_not_unit_are_refused(broken: float) -> None:
    """Catches nan, before which nothing stands: it would find every true candidate first."""
    good, bad = np.eye(3, dtype=np.float32), np.eye(3, dtype=np.float32)
    bad[1, 1] = broken
    relevance = Relevance([[0], [1], [2]])
    for queries, candidates in ((good, bad), (bad, good)):
        with pytest.raises(UsageError, match="of 3 rows are not unit vectors: row 1"):
            places(queries, candidates, relevance)
        with pytest.raises(UsageError, match="row 1"):
            cosines(queries, candidates)


def test_vectors_that_cannot_be_compared_are_refused() -> None:
    """Catches candidates of another model, and pairs of which one half is missing."""
    with pytest.raises(UsageError, match="3 and 4 wide"):
        places(np.eye(3, dtype=np.float32), np.eye(4, dtype=np.float32), Relevance([[0]] * 3))
    with pytest.raises(UsageError, match="3 and 4 wide"):
        cosines(np.eye(3, dtype=np.float32), np.eye(4, dtype=np.float32)[:3])
    with pytest.raises(UsageError, match="2 and 3 rows"):
        cosines(np.eye(2, 3, dtype=np.float32), np.eye(3, dtype=np.float32))


def test_cosines_are_those_of_float64() -> None:
    """Catches a cosine of other rows, or one that is coarser than the vectors."""
    rng = np.random.default_rng(3)
    left, right = random_rows(rng, 2500, 700), random_rows(rng, 2500, 700)
    expected = [
        a.astype(np.float64) @ b.astype(np.float64) for a, b in zip(left, right, strict=True)
    ]
    assert np.abs(cosines(left, right) - expected).max() < 1e-7


def test_equal_pairs_have_equal_cosines() -> None:
    """Catches ranks among equal pairs that rounding has made up."""
    rng = np.random.default_rng(4)
    left, right = random_rows(rng, 1, 3001), random_rows(rng, 1, 3001)
    found = cosines(np.tile(left, (50, 1)), np.tile(right, (50, 1)), block=7)
    assert len(np.unique(found)) == 1
    assert found[0] == cosines(right, left)[0]


def test_spearman_shares_ranks_among_ties() -> None:
    """Catches Pearson's correlation of the values, and ties that are ranked in their order."""
    rng = np.random.default_rng(6)
    scores = np.round(rng.normal(size=200), 1)
    grades = np.round(scores + rng.normal(size=200), 1)

    def ranks(values: NDArray[np.float64]) -> list[float]:
        """Count who is less, and half of those who are equal."""
        return [float((values < one).sum() + (values == one).sum() / 2) for one in values]

    expected = np.corrcoef(ranks(scores), ranks(grades))[0, 1]
    assert spearman(scores, grades.tolist()) == pytest.approx(expected)
    assert spearman(np.array([0.1, 0.2, 0.9]), [1, 2, 3]) == pytest.approx(1)
    assert spearman(np.array([0.1, 0.2, 0.9]), [3, 2, 1]) == pytest.approx(-1)


def test_what_ranks_nothing_has_no_correlation() -> None:
    """Catches a nan in a report: from a model that has collapsed, or from grades all alike."""
    assert spearman(np.full(3, 0.7), [1, 2, 3]) == 0
    for grades in ([], [2.0], [2.0, 2.0]):
        with pytest.raises(DataError, match="grades are equal"):
            spearman(np.linspace(0, 1, len(grades)), grades)


def test_many_answers_to_one_query_cost_no_other() -> None:
    """One image of 2,000 captions: as many looks at every score, and a row of them per query."""
    rng = np.random.default_rng(0)
    queries, candidates = random_rows(rng, 512, 8), random_rows(rng, 2048, 8)
    relevance = Relevance([range(2000), *([place] for place in range(1, 512))])
    tracemalloc.start()
    try:
        found = places(queries, candidates, relevance, block=256)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert [len(row) for row in found] == [2000, *[1] * 511]
    assert peak < 4 * 2**20
