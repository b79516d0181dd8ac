"""Find near-duplicate vectors.

    vectors -> distinct ones -> random projection to 512 dimensions -> candidate pairs
            -> exact cosines of pairs that are not in one group yet -> chains

Every vector is compared with every other, so the comparison is made cheap: a random projection
errs by about (1 - c**2) / sqrt(512) on a cosine c (Johnson and Lindenstrauss), almost nothing for c
near 1, and candidates are checked exactly.
"""

from collections.abc import Iterator
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from e5v.errors import UsageError
from e5v.search.nearest import cosines
from e5v.search.stored_vectors import Vectors
from e5v.vectors import unit

PROJECTED = 512  # dimensions
SIGMAS = 5  # largest error of a projected cosine
PIECE = 1_024  # rows compared with all others at once


def group_duplicates(
    vectors: Vectors, places: NDArray[np.int64], threshold: float
) -> list[list[int]]:
    """Group near-duplicates among the vectors at `places`; groups contain positions in `places`.

    Raises:
        UsageError: the threshold is out of range.
    """
    if not 0 < threshold <= 1:
        raise UsageError(f"the threshold is {threshold}; expected more than 0 and at most 1")
    which, first = _distinct(vectors, places)
    leaders = _group_leaders(vectors, places[first], threshold)[which]
    groups: dict[int, list[int]] = {}
    for place, leader in enumerate(leaders.tolist()):
        groups.setdefault(leader, []).append(place)
    return [group for group in groups.values() if len(group) > 1]


def _distinct(
    vectors: Vectors, places: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the number of each row's distinct vector, and the first row of each of these."""
    seen: dict[bytes, int] = {}
    which = np.empty(len(places), np.int64)
    for start in range(0, len(places), PIECE):
        for place, vector in enumerate(vectors.take(places[start : start + PIECE]), start):
            content = blake2b(vector.tobytes(), digest_size=16).digest()
            which[place] = seen.setdefault(content, len(seen))
    return which, np.unique(which, return_index=True)[1]


def _group_leaders(
    vectors: Vectors, places: NDArray[np.int64], threshold: float
) -> NDArray[np.int64]:
    """Return the first row of each row's group."""
    leader = np.arange(len(places))
    for left, rights in _candidates(vectors, places, threshold):
        found = _find(leader, np.append(rights, left))
        others = rights[found[:-1] != found[-1]]
        query = unit(vectors.take(places[[left]]))[0]
        true = cosines(vectors, places[others], query)
        joined = _find(leader, np.append(others[true >= threshold - LEEWAY], left))
        leader[joined] = joined.min()
    return _find(leader, np.arange(len(places)))


def _candidates(
    vectors: Vectors, places: NDArray[np.int64], threshold: float
) -> Iterator[tuple[int, NDArray[np.int64]]]:
    """Yield rows, each with the later ones that may be near-duplicates."""
    sketch, error = _project(vectors, places)
    least = threshold - LEEWAY - error * (1 - threshold**2)
    for start in range(0, len(places), PIECE):
        near = sketch[start : start + PIECE] @ sketch[start:].T >= least
        for left, row in enumerate(near):
            rights = np.flatnonzero(row[left + 1 :]) + left + 1
            if len(rights):
                yield start + left, start + rights


LEEWAY = 1e-3  # rounding of float16 and of sums: the error of a cosine


def _project(vectors: Vectors, places: NDArray[np.int64]) -> tuple[NDArray[np.float32], float]:
    """Return unit rows of fewer dimensions, and the largest error of a cosine near 0."""
    width = vectors.dim
    exact = width <= PROJECTED
    draw = np.random.default_rng(0).standard_normal((width, PROJECTED), np.float32)
    sketch = np.empty((len(places), width if exact else PROJECTED), np.float32)
    for start in range(0, len(places), PIECE):
        piece = _to_float32(vectors.take(places[start : start + PIECE]))
        sketch[start : start + PIECE] = unit(piece if exact else piece @ draw)
    return sketch, 0.0 if exact else SIGMAS / PROJECTED**0.5


def _to_float32(half: NDArray[np.float16]) -> NDArray[np.float32]:
    """Convert float16 to float32; torch is ten times as fast as numpy here."""
    from torch import from_numpy

    values: NDArray[np.float32] = from_numpy(half).float().numpy()
    return values


def _find(leader: NDArray[np.int64], places: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the first row of each row's group so far, and store it (union-find)."""
    found = leader[places]
    while (leader[found] != found).any():
        found = leader[found]
    leader[places] = found
    return found
