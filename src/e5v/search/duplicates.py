"""Which rows are nearly the same.

    vectors -> one of each -> a few hundred dimensions -> those that may be alike
            -> true cosines with those that are not in one group yet -> chains

Every row is compared with every other, so the comparison is made cheap: a random projection errs by
about (1 - c**2) / sqrt(512) on a cosine c (Johnson and Lindenstrauss), next to nothing where c is
near 1, and what it lets through is looked at again.
"""

from collections.abc import Iterator
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from e5v.errors import UsageError
from e5v.search.rank import cosines
from e5v.search.rows import Rows
from e5v.vectors import unit

PROJECTED = 512  # dimensions
SIGMAS = 5  # how far a projected cosine may be from the true one
PIECE = 1_024  # rows compared with all others at once


def alike(rows: Rows, places: NDArray[np.int64], threshold: float) -> list[list[int]]:
    """Group the rows at `places` that are alike; a group is given as positions in `places`.

    Raises:
        UsageError: the threshold is no cosine that could tell anything.
    """
    if not 0 < threshold <= 1:
        raise UsageError(f"the threshold is {threshold}; expected more than 0 and at most 1")
    which, first = _distinct(rows, places)
    leaders = _chained(rows, places[first], threshold)[which]
    groups: dict[int, list[int]] = {}
    for place, leader in enumerate(leaders.tolist()):
        groups.setdefault(leader, []).append(place)
    return [group for group in groups.values() if len(group) > 1]


def _distinct(rows: Rows, places: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return which vector, of those that differ, each row has, and where each of them is first."""
    seen: dict[bytes, int] = {}
    which = np.empty(len(places), np.int64)
    for start in range(0, len(places), PIECE):
        for place, vector in enumerate(rows.vectors[places[start : start + PIECE]], start):
            content = blake2b(vector.tobytes(), digest_size=16).digest()
            which[place] = seen.setdefault(content, len(seen))
    return which, np.unique(which, return_index=True)[1]


def _chained(rows: Rows, places: NDArray[np.int64], threshold: float) -> NDArray[np.int64]:
    """Return for each row the first of its group."""
    leader = np.arange(len(places))
    for left, rights in _candidates(rows, places, threshold):
        found = _find(leader, np.append(rights, left))
        others = rights[found[:-1] != found[-1]]
        true = cosines(rows, places[others], unit(rows.vectors[places[left]]))
        joined = _find(leader, np.append(others[true >= threshold - LEEWAY], left))
        leader[joined] = joined.min()
    return _find(leader, np.arange(len(places)))


def _candidates(
    rows: Rows, places: NDArray[np.int64], threshold: float
) -> Iterator[tuple[int, NDArray[np.int64]]]:
    """Give rows, each with the later ones that may be like it."""
    sketch, error = _projected(rows, places)
    least = threshold - LEEWAY - error * (1 - threshold**2)
    for start in range(0, len(places), PIECE):
        near = sketch[start : start + PIECE] @ sketch[start:].T >= least
        for left, row in enumerate(near):
            rights = np.flatnonzero(row[left + 1 :]) + left + 1
            if len(rights):
                yield start + left, start + rights


LEEWAY = 1e-3  # float16 and the order of sums: equal vectors have cosines this near 1


def _projected(rows: Rows, places: NDArray[np.int64]) -> tuple[NDArray[np.float32], float]:
    """Return unit rows of fewer dimensions, and how far their cosines may be off where c is 0."""
    width = rows.vectors.shape[1]
    exact = width <= PROJECTED
    draw = np.random.default_rng(0).standard_normal((width, PROJECTED), np.float32)
    sketch = np.empty((len(places), width if exact else PROJECTED), np.float32)
    for start in range(0, len(places), PIECE):
        piece = _wide(rows.vectors[places[start : start + PIECE]])
        sketch[start : start + PIECE] = unit(piece if exact else piece @ draw)
    return sketch, 0.0 if exact else SIGMAS / PROJECTED**0.5


def _wide(half: NDArray[np.float16]) -> NDArray[np.float32]:
    """Return float16 as float32; torch does it ten times as fast as numpy."""
    from torch import from_numpy

    values: NDArray[np.float32] = from_numpy(half).float().numpy()
    return values


def _find(leader: NDArray[np.int64], places: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the first of each row's group as far as it is known, and remember it."""
    found = leader[places]
    while (leader[found] != found).any():
        found = leader[found]
    leader[places] = found
    return found
