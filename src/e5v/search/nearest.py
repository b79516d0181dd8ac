"""Find the nearest rows to a vector: candidates by sign bits, then exact cosines.

    all rows -> signs of the dimensions that vary most -> all signs of the best -> float16 cosines

The number of signs in which two vectors differ grows with their angle (Charikar 2002). Vectors of a
language model are all similar, so the signs are taken about the mean of the index. They select
candidates, which are then ranked by exact cosine; the statistical spread of sign differences sets
how many are kept. Small sets of rows are ranked directly.
"""

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from e5v.search.vector_file import BLOCK, WORD, Rows

DIRECT = 4_000_000  # values (rows x dimensions) up to which all cosines are computed
FIRST_SHARE, FIRST_LEAST = 0.05, 4_000  # of the rows, and at least: candidates of the first pass
FINE, FINE_EACH = 2_000, 20  # candidates of the second pass, and per requested hit
PIECE = 2**15  # values per step: small enough for torch to use one thread
BLOCKS_EACH = 4  # at least, per thread


@dataclass(frozen=True)
class Ranked:
    """Rows found: `places` in `Rows`, and their cosines, highest first."""

    places: NDArray[np.int64]
    scores: NDArray[np.float32]


def nearest(rows: Rows, places: NDArray[np.int64], query: NDArray[np.float32], k: int) -> Ranked:
    """Return the `k` rows among `places` (ascending) that are nearest to a unit vector (d,)."""
    if len(places) * len(query) > DIRECT:
        places = _second_pass(rows, _first_pass(rows, places, query, k), query, k)
    scores = cosines(rows, places, query)
    best = np.lexsort((places, -scores))[:k]
    return Ranked(places[best], scores[best])


def cosines(
    rows: Rows, places: NDArray[np.int64], query: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Return the cosine of every row at `places` with a unit vector (d,).

    With torch only: numpy's threads, busy-waiting beside torch's, would cost ten times as much as
    the work. Small pieces stay in the cache and start no threads.
    """
    from torch import from_numpy, tensor

    wanted, each = tensor(query), max(1, PIECE // len(query))
    scores = np.empty(len(places), np.float32)
    for start in range(0, len(places), each):
        piece = from_numpy(rows.vectors[places[start : start + each]])
        scores[start : start + each] = (piece.float() @ wanted).numpy()
    return scores


def _first_pass(
    rows: Rows, places: NDArray[np.int64], query: NDArray[np.float32], k: int
) -> NDArray[np.int64]:
    """Select candidates by the signs of the dimensions that vary most."""
    kept = max(int(FIRST_SHARE * len(places)), FIRST_LEAST, FINE_EACH * k)
    if kept >= len(places):
        return places
    signs = rows.frame.signs(query[None])[0, : rows.frame.first, None]
    count = -(-len(rows.numbers) // BLOCK)
    apart = np.empty((count, BLOCK), np.uint16)
    threads = max(1, min(os.cpu_count() or 1, MOST_THREADS, count // BLOCKS_EACH))
    edges = np.linspace(0, count, threads + 1).astype(int)

    def look(part: int) -> None:
        for block in range(edges[part], edges[part + 1]):
            differ = np.bitwise_count(rows.first[block] ^ signs)
            np.add.reduce(differ, axis=0, dtype=np.uint16, out=apart[block])

    list(_threads().map(look, range(threads)) if threads > 1 else map(look, range(threads)))
    every = len(places) == len(rows.numbers)
    counts = apart.reshape(-1)
    counts = counts[: len(places)] if every else counts[places]
    return places[_select_candidates(counts, Wanted(k, kept, WORD * len(signs)))]


def _second_pass(
    rows: Rows, places: NDArray[np.int64], query: NDArray[np.float32], k: int
) -> NDArray[np.int64]:
    """Select candidates for exact cosines by all signs."""
    kept = max(FINE, FINE_EACH * k)
    if kept >= len(places):
        return places
    signs = rows.frame.signs(query[None])[0]
    apart = np.bitwise_count(rows.signs[places] ^ signs).sum(axis=1, dtype=np.uint16)
    return places[_select_candidates(apart, Wanted(k, kept, WORD * len(signs)))]


MOST_THREADS = 4  # more are limited by memory bandwidth


@cache
def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(MOST_THREADS, thread_name_prefix="e5v-look")


MOST_TIED = 4  # candidates with ties, as a multiple of `most`
CHANCE = 6  # standard deviations of the sign differences of a near row


@dataclass(frozen=True)
class Wanted:
    """The number of hits requested, of candidates to keep, and of sign bits."""

    near: int
    most: int
    bits: int


def _select_candidates(apart: NDArray[np.uint16], wanted: Wanted) -> NDArray[np.int64]:
    """Return the ascending positions of candidates by their number of differing signs.

    Candidates differ in at most as many signs as the last of the `near` nearest plus `CHANCE`
    standard deviations. At most `most` are kept, plus ties with the last of them; of too many ties
    the first are kept.
    """
    upto = np.cumsum(np.bincount(apart))
    near, edge = np.searchsorted(upto, (wanted.near, wanted.most)).tolist()
    share = min(near / wanted.bits, 0.5)
    reach = near + CHANCE * (1 + (wanted.bits * share * (1 - share)) ** 0.5)
    if reach < edge:
        return np.flatnonzero(apart <= int(reach))
    kept = np.flatnonzero(apart <= edge)
    if len(kept) <= MOST_TIED * wanted.most:
        return kept
    tied = np.flatnonzero(apart[kept] == edge)
    return np.delete(kept, tied[MOST_TIED * wanted.most - len(kept) :])
