"""The recall of the quick search, measured against exact search.

a sample of the entries as queries -> quick search | exact cosines -> recall
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median

import numpy as np
from numpy.typing import NDArray

Search = Callable[[NDArray[np.float32], int], list[str]]


@dataclass(frozen=True)
class Audit:
    """`recall` at `k`, with vectors of entries as queries; median time of each search."""

    entries: int
    queries: int
    k: int
    recall: float
    quick_ms: float
    exact_ms: float


@dataclass(frozen=True)
class Ways:
    """Two searches that return the ids of the nearest entries."""

    quick: Search
    exact: Search


def audit(ways: Ways, queries: NDArray[np.float32], entries: int, k: int) -> Audit:
    """Run both searches on unit vectors (n, d)."""
    found = 0
    seconds: dict[str, list[float]] = {"quick": [], "exact": []}
    for query in queries:
        answers = {}
        for name in seconds:
            start = time.perf_counter()
            answers[name] = set(getattr(ways, name)(query, k))
            seconds[name].append(time.perf_counter() - start)
        found += len(answers["quick"] & answers["exact"])
    wanted = len(queries) * min(k, entries)
    recall = found / wanted if wanted else 1.0
    quick, exact = (1_000 * median(some or [0.0]) for some in seconds.values())
    return Audit(entries, len(queries), k, recall, quick, exact)
