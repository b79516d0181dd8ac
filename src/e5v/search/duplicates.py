"""Which rows are nearly the same.

    vectors -> a few hundred dimensions -> pairs that may be alike -> true cosines -> chains

Every row is compared with every other, so the comparison is made cheap: a random projection errs by
about (1 - c**2) / sqrt(512) on a cosine c (Johnson and Lindenstrauss), next to nothing where c is
near 1, and what it lets through is looked at again.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from e5v.errors import UsageError
from e5v.search.rank import wide
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
    leader = np.arange(len(places))
    for left, right in _pairs(rows, places, threshold):
        _join(leader, left, right)
    groups: dict[int, list[int]] = {}
    for place in range(len(places)):
        groups.setdefault(_find(leader, place), []).append(place)
    return [group for group in groups.values() if len(group) > 1]


def _pairs(rows: Rows, places: NDArray[np.int64], threshold: float) -> Iterator[tuple[int, int]]:
    sketch, error = _projected(rows, places)
    least = threshold - LEEWAY - error * (1 - threshold**2)
    for start in range(0, len(places), PIECE):
        cosines = sketch[start : start + PIECE] @ sketch[start:].T
        lefts, rights = np.nonzero(cosines >= least)
        later = rights > lefts
        lefts, rights = lefts[later] + start, rights[later] + start
        for cut in range(0, len(lefts), PIECE):
            left, right = lefts[cut : cut + PIECE], rights[cut : cut + PIECE]
            one, other = wide(rows.vectors[places[left]]), wide(rows.vectors[places[right]])
            true = np.einsum("nd,nd->n", unit(one), unit(other))
            same = true >= threshold - LEEWAY
            yield from zip(left[same].tolist(), right[same].tolist(), strict=True)


LEEWAY = 1e-3  # float16 and the order of sums: equal vectors have cosines this near 1


def _projected(rows: Rows, places: NDArray[np.int64]) -> tuple[NDArray[np.float32], float]:
    """Return unit rows of fewer dimensions, and how far their cosines may be off where c is 0."""
    width = rows.vectors.shape[1]
    exact = width <= PROJECTED
    draw = np.random.default_rng(0).standard_normal((width, PROJECTED), np.float32)
    sketch = np.empty((len(places), width if exact else PROJECTED), np.float32)
    for start in range(0, len(places), PIECE):
        piece = wide(rows.vectors[places[start : start + PIECE]])
        sketch[start : start + PIECE] = unit(piece if exact else piece @ draw)
    return sketch, 0.0 if exact else SIGMAS / PROJECTED**0.5


def _find(leader: NDArray[np.int64], place: int) -> int:
    while leader[place] != place:
        leader[place] = leader[leader[place]]
        place = int(leader[place])
    return place


def _join(leader: NDArray[np.int64], left: int, right: int) -> None:
    one, other = _find(leader, left), _find(leader, right)
    leader[max(one, other)] = min(one, other)
