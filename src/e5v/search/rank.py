"""The nearest rows to a vector, exactly: a quick look at signs, then true cosines.

    all rows -> signs of the dimensions that vary most -> all signs of the best -> float16 cosines

The number of signs on which two vectors differ grows with their angle (Charikar 2002). Taken about
the mean of the index, where vectors of a language model are all much alike, it tells the nearest
hundreds; their order is then settled by the vectors themselves. How many stay after a look is told
by the spread that chance gives to signs. Few rows are looked at directly.
"""

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from e5v.search.rows import BLOCK, WORD, Rows

DIRECT = 4_000_000  # values (rows x dimensions) that are compared without a look at signs
FIRST_SHARE, FIRST_LEAST = 0.05, 4_000  # of the rows, that get a second look, at most
FINE, FINE_EACH = 2_000, 20  # rows whose cosines are taken, at most, and for each asked for
PIECE = 2**15  # values whose cosines are taken at once: no more than torch gives one thread
BLOCKS_EACH = 4  # at least, for a thread of its own


@dataclass(frozen=True)
class Ranked:
    """Rows found: `places` in `Rows`, and their cosines, highest first."""

    places: NDArray[np.int64]
    scores: NDArray[np.float32]


def nearest(rows: Rows, places: NDArray[np.int64], query: NDArray[np.float32], k: int) -> Ranked:
    """Return the `k` rows among `places` (ascending) that are nearest to a unit vector (d,)."""
    if len(places) * len(query) > DIRECT:
        places = _second_look(rows, _first_look(rows, places, query, k), query, k)
    scores = cosines(rows, places, query)
    best = np.lexsort((places, -scores))[:k]
    return Ranked(places[best], scores[best])


def cosines(
    rows: Rows, places: NDArray[np.int64], query: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Return the cosine of every row at `places` with a unit vector (d,).

    By torch alone: threads of numpy's library, waiting actively beside torch's, cost ten times as
    much as the work. Small pieces stay in the cache and wake no threads at all.
    """
    from torch import from_numpy, tensor

    wanted, each = tensor(query), max(1, PIECE // len(query))
    scores = np.empty(len(places), np.float32)
    for start in range(0, len(places), each):
        piece = from_numpy(rows.vectors[places[start : start + each]])
        scores[start : start + each] = (piece.float() @ wanted).numpy()
    return scores


def _first_look(
    rows: Rows, places: NDArray[np.int64], query: NDArray[np.float32], k: int
) -> NDArray[np.int64]:
    """Keep a share of the rows, by the signs of the dimensions that vary most."""
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
    return places[_promising(counts, Wanted(k, kept, WORD * len(signs)))]


def _second_look(
    rows: Rows, places: NDArray[np.int64], query: NDArray[np.float32], k: int
) -> NDArray[np.int64]:
    """Keep the rows whose cosines are worth taking, by all signs."""
    kept = max(FINE, FINE_EACH * k)
    if kept >= len(places):
        return places
    signs = rows.frame.signs(query[None])[0]
    apart = np.bitwise_count(rows.signs[places] ^ signs).sum(axis=1, dtype=np.uint16)
    return places[_promising(apart, Wanted(k, kept, WORD * len(signs)))]


MOST_THREADS = 4  # more only wait for memory


@cache
def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(MOST_THREADS, thread_name_prefix="e5v-look")


MOST_TIED = 4  # times as many as asked for
CHANCE = 6  # standard deviations by which the signs of a near one may be unlucky


@dataclass(frozen=True)
class Wanted:
    """How many are asked for, how many may stay to find them among, of how many signs."""

    near: int
    most: int
    bits: int


def _promising(apart: NDArray[np.uint16], wanted: Wanted) -> NDArray[np.int64]:
    """Return, ascending, where the rows are that may be among the nearest, by signs that differ.

    That is those not further than the last of the nearest so far and what chance adds to it; and
    `most` at most, and those that tie with the last. Of too many ties the first are kept, and all
    that is smaller.
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
