"""Measures of retrieval that both training and evaluation need.

scores, true candidates -> ranks of the true candidates -> recall at k
images, texts           -> their centroids              -> distance
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import DTypeLike, NDArray

Ranks = NDArray[np.int64]  # of the true candidates of a query, ascending from 0


def true_ranks(scores: NDArray[np.floating], truth: NDArray[np.bool_]) -> list[Ranks]:
    """Return the ranks of each query's true candidates, from 0.

    Ties count against us: a false candidate with an equal score ranks before a true one. A
    candidate with a score of -inf does not compete.

    Args:
        scores: of each candidate for each query (q, c).
        truth: which candidates are true (q, c); at least one per query.

    Returns:
        One array per query, ascending, with the rank of each true candidate.
    """
    found = []
    for row, true in zip(scores, truth, strict=True):
        best_first = np.sort(row[true])[::-1]
        found.append(np.arange(len(best_first)) + count_ahead(row[~true], best_first))
    return found


def count_ahead(rivals: NDArray[np.floating], scores: NDArray[np.floating]) -> Ranks:
    """Count the rivals (c,) that score at least as high as each of `scores` (t,): (t,)."""
    ahead = len(rivals) - np.searchsorted(np.sort(rivals), scores)
    return np.where(np.isnan(scores), len(rivals), ahead).astype(np.int64)


def recall_at(ranks: Sequence[Ranks], k: int) -> float:
    """Share of queries that find any true candidate among the first `k`: the hit rate, 0 to 1."""
    return float(np.mean([row[0] < k for row in ranks]))


def centroid_distance(
    images: NDArray[np.floating], texts: NDArray[np.floating], dtype: DTypeLike | None = None
) -> float:
    """Distance of the centroids of unit rows (n, d) and (m, d), 0 to 2 (arXiv 2203.02053).

    The means are computed in `dtype`, by default that of the rows.
    """
    return float(np.linalg.norm(images.mean(0, dtype=dtype) - texts.mean(0, dtype=dtype)))
