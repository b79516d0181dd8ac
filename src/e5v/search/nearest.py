"""Find the nearest vectors to a query by brute force: candidates by sign bits, then exact cosines.

    all -> signs of the dimensions that vary most -> all signs of the best -> cosines of float16

The number of signs in which two vectors differ grows with their angle (Charikar 2002). Vectors of a
language model are all similar, so the signs are taken about the mean of the index. They select
candidates, which are then ranked by exact cosine; the statistical spread of sign differences sets
how many are kept. Small collections are ranked directly.
"""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache, cached_property

import numpy as np
from numpy.typing import NDArray

from e5v.search.signs import BLOCK, WORD, Signs
from e5v.search.stored_vectors import Vectors

DIRECT = 4_000_000  # values (vectors x dimensions) up to which all cosines are computed
FIRST_SHARE, FIRST_LEAST = 0.05, 4_000  # of the vectors, and at least: kept by the first pass
FINE, FINE_EACH = 2_000, 20  # candidates of the second pass, and per requested hit
PIECE = 2**15  # values per step: small enough for torch to use one thread
READ = 2**22  # values read at once
BLOCKS_EACH = 4  # at least, per thread


@dataclass(frozen=True)
class VectorCollection:
    """What is searched: the vectors of n records, and the row in `signs` of each, ascending.

    `rows` is None if they are all rows. Without `signs`, because the cache is not there or lacks a
    record, all cosines are computed.
    """

    vectors: Vectors
    signs: Signs | None
    rows: NDArray[np.int64] | None


@dataclass(frozen=True)
class Neighbours:
    """The nearest: `places` in the collection, and their cosines, highest first."""

    places: NDArray[np.int64]
    scores: NDArray[np.float32]

    def above(self, least: float | None) -> "Neighbours":
        """Return those with at least that cosine."""
        if least is None:
            return self
        count = int((self.scores >= least).sum())
        return Neighbours(self.places[:count], self.scores[:count])


def nearest(
    collection: VectorCollection, places: NDArray[np.int64], query: NDArray[np.float32], k: int
) -> Neighbours:
    """Return the `k` vectors among `places` (ascending) that are nearest to a unit vector (d,)."""
    return nearest_each(collection, [places], query, k)[0]


def nearest_each(
    collection: VectorCollection,
    groups: Sequence[NDArray[np.int64]],
    query: NDArray[np.float32],
    k: int,
) -> list[Neighbours]:
    """Return the `k` nearest of each group of `places`; the signs are compared once for all."""
    signs = collection.signs
    apart = None if signs is None else SignDifferences(signs, query)
    found = []
    for places in groups:
        chosen = places
        if apart is not None and len(places) * len(query) > DIRECT:
            rows = places if collection.rows is None else collection.rows[places]
            chosen = places[_candidates(apart, rows, k)]
        scores = cosines(collection.vectors, chosen, query)
        best = np.lexsort((chosen, -scores))[:k]
        found.append(Neighbours(chosen[best], scores[best]))
    return found


def cosines(
    vectors: Vectors, places: NDArray[np.int64], query: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Return the cosine of every vector at `places` with a unit vector (d,).

    With torch only: numpy's threads, busy-waiting beside torch's, would cost ten times as much as
    the work. Small pieces stay in the cache and start no threads.
    """
    from torch import from_numpy, tensor

    wanted, each = tensor(query), max(1, PIECE // len(query))
    at_once = each * max(1, READ // (each * len(query)))
    scores = np.empty(len(places), np.float32)
    for first in range(0, len(places), at_once):
        read = from_numpy(vectors.take(places[first : first + at_once]))
        for start in range(0, len(read), each):
            score = (read[start : start + each].float() @ wanted).numpy()
            scores[first + start : first + start + len(score)] = score
    return scores


@dataclass(frozen=True)
class SignDifferences:
    """In how many signs each row differs from a unit vector (d,)."""

    signs: Signs
    query: NDArray[np.float32]

    @cached_property
    def bits(self) -> NDArray[np.uint64]:
        """The signs of the query."""
        bits: NDArray[np.uint64] = self.signs.quantizer.encode(self.query[None])[0]
        return bits

    @cached_property
    def first(self) -> NDArray[np.uint16]:
        """Of all rows, by the dimensions that vary most."""
        bits = self.bits[: self.signs.quantizer.first, None]
        count = -(-len(self.signs.numbers) // BLOCK)
        apart = np.empty((count, BLOCK), np.uint16)
        threads = max(1, min(os.cpu_count() or 1, MOST_THREADS, count // BLOCKS_EACH))
        edges = np.linspace(0, count, threads + 1).astype(int)

        def compare(part: int) -> None:
            for block in range(edges[part], edges[part + 1]):
                differ = np.bitwise_count(self.signs.first[block] ^ bits)
                np.add.reduce(differ, axis=0, dtype=np.uint16, out=apart[block])

        parts = range(threads)
        list(_threads().map(compare, parts) if threads > 1 else map(compare, parts))
        return apart.reshape(-1)


def _candidates(apart: SignDifferences, rows: NDArray[np.int64], k: int) -> NDArray[np.int64]:
    """Return the ascending positions in `rows` of those worth an exact cosine."""
    first = _first_pass(apart, rows, k)
    return first[_second_pass(apart, rows[first], k)]


def _first_pass(apart: SignDifferences, rows: NDArray[np.int64], k: int) -> NDArray[np.int64]:
    """Select candidates by the signs of the dimensions that vary most."""
    kept = max(int(FIRST_SHARE * len(rows)), FIRST_LEAST, FINE_EACH * k)
    if kept >= len(rows):
        return np.arange(len(rows))
    every = len(rows) == len(apart.signs.numbers)
    counts = apart.first[: len(rows)] if every else apart.first[rows]
    bits = min(apart.signs.quantizer.first, len(apart.bits))
    return _select_candidates(counts, CandidateLimits(k, kept, WORD * bits))


def _second_pass(apart: SignDifferences, rows: NDArray[np.int64], k: int) -> NDArray[np.int64]:
    """Select candidates for exact cosines by all signs."""
    kept = max(FINE, FINE_EACH * k)
    if kept >= len(rows):
        return np.arange(len(rows))
    differ = np.bitwise_count(apart.signs.words[rows] ^ apart.bits)
    counts = differ.sum(axis=1, dtype=np.uint16)
    return _select_candidates(counts, CandidateLimits(k, kept, WORD * len(apart.bits)))


MOST_THREADS = 4  # more are limited by memory bandwidth


@cache
def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(MOST_THREADS, thread_name_prefix="e5v-signs")


MOST_TIED = 4  # candidates with ties, as a multiple of `most`
CHANCE = 6  # standard deviations of the sign differences of a near row


@dataclass(frozen=True)
class CandidateLimits:
    """The number of hits requested, of candidates to keep, and of sign bits."""

    k: int
    most: int
    bits: int


def _select_candidates(apart: NDArray[np.uint16], limits: CandidateLimits) -> NDArray[np.int64]:
    """Return the ascending positions of candidates by their number of differing signs.

    Candidates differ in at most as many signs as the last of the `k` nearest plus `CHANCE`
    standard deviations. At most `most` are kept, plus ties with the last of them; of too many ties
    the first are kept.
    """
    upto = np.cumsum(np.bincount(apart))
    near, edge = np.searchsorted(upto, (limits.k, limits.most)).tolist()
    share = min(near / limits.bits, 0.5)
    reach = near + CHANCE * (1 + (limits.bits * share * (1 - share)) ** 0.5)
    if reach < edge:
        return np.flatnonzero(apart <= int(reach))
    kept = np.flatnonzero(apart <= edge)
    if len(kept) <= MOST_TIED * limits.most:
        return kept
    tied = np.flatnonzero(apart[kept] == edge)
    return np.delete(kept, tied[MOST_TIED * limits.most - len(kept) :])
