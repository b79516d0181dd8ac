"""Figures from vectors and relevance judgements.

queries, candidates, relevance -> ranks of the true candidates -> hit rate, mean average precision
pairs                        -> cosines, with grades          -> Spearman's rank correlation

Cosines are exact: values are rounded to multiples of 2**-26, so that float64 represents their
products and sums without error, in any order. A pair therefore has one score, whatever the block,
the library or the number of threads, and equal vectors tie. The rounding changes a cosine by about
1e-8, less than float32 arithmetic would.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from e5v.errors import DataError, UsageError
from e5v.evaluation.tasks import Relevance
from e5v.extras import imported

GRID = 2.0**26  # steps in 1
Places = NDArray[np.int64]  # of the true candidates of a query, ascending from 0
TOLERANCE = 0.01  # of a squared length; a product of longer rows might not be exact


def places(
    queries: NDArray[np.float32],
    candidates: NDArray[np.float32],
    relevance: Relevance,
    *,
    block: int = 1024,
) -> list[Places]:
    """Return the ranks of each query's true candidates by cosine, from 0.

    Ties count against us: a false candidate with an equal score ranks before a true one. Hidden
    candidates do not compete; where `among` is given, only those compete.

    Args:
        queries: unit rows (q, d).
        candidates: unit rows (g, d).
        relevance: what is right, a row per query.
        block: rows of either side multiplied at once. It takes about 8 * block * (2 * d + block)
            bytes beside the vectors, 75 MiB at d = 4096; the ranks do not depend on it.

    Returns:
        One array per query, ascending, with the rank of each true candidate.

    Raises:
        UsageError: the rows are not unit vectors of one width.
        DataError: the judgements do not fit: see `Relevance`.
    """
    _check_unit(queries)
    _check_unit(candidates)
    _check_widths(queries, candidates)
    contests = _make_contests(relevance, len(queries), len(candidates))
    found: list[Places] = []
    for start in range(0, len(queries), block):
        part = slice(start, start + block)
        found += _count_places(_to_grid(queries[part]), candidates, contests[part], block)
    return found


def average_precision(places: Sequence[Places], k: int) -> float:
    """Mean average precision at `k`, 0 to 1, as CIRCO defines it.

    A query's is the sum of the precision at each true candidate among the first `k`, divided by the
    number of true candidates, or by `k` if that is smaller.
    """
    each = []
    for row in places:
        hits = row[row < k]
        precisions = np.arange(1, len(hits) + 1) / (hits + 1)
        each.append(precisions.sum() / min(k, len(row)))
    return float(np.mean(each))


def cosines(
    left: NDArray[np.float32], right: NDArray[np.float32], *, block: int = 1024
) -> NDArray[np.float64]:
    """Cosine of each row of `left` (n, d) with the same row of `right`, both unit rows: (n,).

    Raises:
        UsageError: the rows are not unit vectors of one width, or not of equal number.
    """
    _check_unit(left)
    _check_unit(right)
    _check_widths(left, right)
    if len(left) != len(right):
        raise UsageError(f"there are {len(left)} and {len(right)} rows; expected pairs")
    found = np.empty(len(left))
    for start in range(0, len(left), block):
        part = slice(start, start + block)
        found[part] = (_to_grid(left[part]) * _to_grid(right[part])).sum(axis=1)
    return found / GRID**2


def spearman(cosines: NDArray[np.float64], grades: Sequence[float]) -> float:
    """Spearman's rank correlation, -1 to 1; ties share their mean rank.

    It is 0 if all cosines are equal.

    Raises:
        DataError: all grades are equal.
    """
    with imported("Spearman's correlation"):
        from scipy.stats import spearmanr  # type: ignore[import-untyped, unused-ignore]

    if len(set(grades)) <= 1:
        raise DataError(f"all of {len(grades)} grades are equal; expected two that differ")
    if np.ptp(cosines) == 0:
        return 0.0
    return float(spearmanr(cosines, grades).statistic)


@dataclass(frozen=True)
class _Contest:
    """One query's candidates, as candidates indices: true, hidden, and those that alone compete."""

    true: frozenset[int]
    hidden: frozenset[int]
    among: frozenset[int] | None

    def fault(self, size: int) -> str | None:
        """Return what does not fit that number of candidates, if anything."""
        named = self.true | self.hidden | (self.among or frozenset())
        if not self.true:
            return "has no true candidate"
        if not 0 <= min(named) <= max(named) < size:
            return f"names candidates {min(named)} to {max(named)}; there are 0 to {size - 1}"
        if self.true & self.hidden:
            return f"hides its true candidate {min(self.true & self.hidden)}"
        if self.among is not None and self.true - self.among:
            return f"does not let its true candidate {min(self.true - self.among)} compete"
        return None


@dataclass(frozen=True)
class _Cells:
    """Some cells of a matrix of scores (b, g)."""

    rows: NDArray[np.intp]
    columns: NDArray[np.intp]

    @classmethod
    def of(cls, rows: Iterable[frozenset[int]]) -> "_Cells":
        cells = [(row, column) for row, columns in enumerate(rows) for column in columns]
        both = np.array(cells, np.intp).reshape(-1, 2)
        return cls(both[:, 0], both[:, 1])

    def within(self, start: int, stop: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Index those that lie in a range of columns, counted from its start."""
        inside = (self.columns >= start) & (self.columns < stop)
        return self.rows[inside], self.columns[inside] - start


def _make_contests(relevance: Relevance, queries: int, candidates: int) -> list[_Contest]:
    hidden = [()] * queries if relevance.hidden is None else relevance.hidden
    among = [None] * queries if relevance.among is None else relevance.among
    if {len(relevance.true), len(hidden), len(among)} != {queries} or not queries:
        raise DataError(
            f"the judgements have {len(relevance.true)} queries (hidden {len(hidden)}, among "
            f"{len(among)}); expected {queries}, and at least one"
        )
    contests = [
        _Contest(frozenset(true), frozenset(out), None if few is None else frozenset(few))
        for true, out, few in zip(relevance.true, hidden, among, strict=True)
    ]
    for place, contest in enumerate(contests):
        if fault := contest.fault(candidates):
            raise DataError(f"query {place} {fault}")
    return contests


def _count_places(
    queries: NDArray[np.float64],
    candidates: NDArray[np.float32],
    contests: Sequence[_Contest],
    block: int,
) -> list[Places]:
    """Count the candidates before each true one, a block of candidates at a time."""
    bars = _score_true(queries, candidates, contests)
    before = [np.arange(len(row), dtype=np.int64) for row in bars]  # true ones ranked before
    out = _Cells.of(contest.true | contest.hidden for contest in contests)
    among = _Cells.of(contest.among or frozenset() for contest in contests)
    chosen = contests[0].among is not None
    for start in range(0, len(candidates), block):
        scores = queries @ _to_grid(candidates[start : start + block]).T
        if chosen:
            cells = among.within(start, start + block)
            kept = scores[cells]
            scores.fill(-np.inf)
            scores[cells] = kept
        scores[out.within(start, start + block)] = -np.inf
        scores.sort(axis=1)
        for ahead, ranked, bar in zip(before, scores, bars, strict=True):
            ahead += len(ranked) - np.searchsorted(ranked, bar)
    return before


def _score_true(
    queries: NDArray[np.float64], candidates: NDArray[np.float32], contests: Sequence[_Contest]
) -> list[NDArray[np.float64]]:
    """Scores of each query's true candidates, best first."""
    return [
        np.sort(_to_grid(candidates[sorted(contest.true)]) @ query)[::-1]
        for query, contest in zip(queries, contests, strict=True)
    ]


def _to_grid(rows: NDArray[np.float32]) -> NDArray[np.float64]:
    """Round to the grid, in its steps: whole numbers, whose products sum to less than 2**53."""
    steps = rows.astype(np.float64)
    steps *= GRID
    return np.rint(steps, out=steps)


def _check_unit(rows: NDArray[np.float32]) -> None:
    squares = np.einsum("nd,nd->n", rows, rows)
    wrong = np.flatnonzero(~(np.abs(squares - 1) < TOLERANCE))  # so that nan is wrong, too
    if len(wrong):
        length = np.sqrt(squares[wrong[0]])
        raise UsageError(
            f"{len(wrong)} of {len(rows)} rows are not unit vectors: row {wrong[0]} has length "
            f"{length:.3g}; normalise them"
        )


def _check_widths(left: NDArray[np.float32], right: NDArray[np.float32]) -> None:
    if left.shape[1] != right.shape[1]:
        raise UsageError(
            f"vectors are {left.shape[1]} and {right.shape[1]} wide; expected one width"
        )
