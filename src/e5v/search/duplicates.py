"""Find near-duplicate vectors.

    vectors -> distinct ones -> random projection to 512 dimensions, in bfloat16 where it is fast
            -> candidate pairs -> exact cosines of pairs that are not in one group yet -> chains

Every vector is compared with every other, so the comparison is made cheap: a random projection
errs by about (1 - c**2) / sqrt(512) on a cosine c (Johnson and Lindenstrauss), almost nothing for c
near 1, and candidates are checked exactly.
"""

from collections.abc import Iterator
from hashlib import blake2b
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from e5v.errors import UsageError
from e5v.search.nearest import cosines
from e5v.search.stored_vectors import Vectors
from e5v.vectors import unit

if TYPE_CHECKING:
    from torch import Tensor

PROJECTED = 512  # dimensions
SIGMAS = 5  # largest error of a projected cosine
PIECE = 1_024  # rows compared at once
ACROSS = 8_192  # with so many others
LEEWAY = 1e-3  # rounding of float16 and of sums: the error of a cosine
SHORT = 6e-3  # the same of bfloat16: of both rows, and of their product


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
    """Yield rows, each with some of the later ones that may be near-duplicates."""
    import torch

    sketch, error = _project(vectors, places, threshold)
    least = threshold - error
    for start in range(0, len(places), PIECE):
        rows = sketch[start : start + PIECE]
        for first in range(start, len(places), ACROSS):
            near = rows @ sketch[first : first + ACROSS].T
            if first == start:  # a row is compared with later ones only
                earlier = torch.ones(len(rows), len(rows), dtype=torch.bool).tril()
                near[:, : len(rows)].masked_fill_(earlier, -1)
            for left in (near.amax(1) >= least).nonzero()[:, 0].tolist():
                yield start + left, first + (near[left] >= least).nonzero()[:, 0].numpy()


def _project(
    vectors: Vectors, places: NDArray[np.int64], threshold: float
) -> "tuple[Tensor, float]":
    """Return unit rows of fewer dimensions, and the largest error of a cosine at the threshold.

    They are in bfloat16 where that is multiplied in hardware, four times as fast as float32.
    """
    import torch

    from e5v.model.torch_internals import has_avx512_bf16

    width, short = vectors.dim, has_avx512_bf16()
    exact = width <= PROJECTED
    draw = np.random.default_rng(0).standard_normal((width, PROJECTED), np.float32)
    dtype = torch.bfloat16 if short else torch.float32
    sketch = torch.empty((len(places), width if exact else PROJECTED), dtype=dtype)
    for start in range(0, len(places), PIECE):
        piece = torch.from_numpy(vectors.take(places[start : start + PIECE])).float().numpy()
        sketch[start : start + PIECE] = torch.from_numpy(unit(piece if exact else piece @ draw))
    error = LEEWAY + SHORT * short
    return sketch, error + (0.0 if exact else SIGMAS * (1 - threshold**2) / PROJECTED**0.5)


def _find(leader: NDArray[np.int64], places: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the first row of each row's group so far, and store it (union-find)."""
    found = leader[places]
    while (leader[found] != found).any():
        found = leader[found]
    leader[places] = found
    return found
