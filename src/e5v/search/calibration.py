"""What a cosine means in one index: how those of random pairs of its own vectors are distributed.

a sample of each kind -> cosines of random pairs, by (kind of the query, kind of the entry)
kind of a query -> Scale -> one order of images and texts | "strong", "weak" or "none"

Vectors of images and of texts lie apart (the modality gap): a text is nearer to every text than to
the image that it describes. So a cosine is compared with those of random pairs of the same kinds:
its standard score says how far it lies above their mean, in standard deviations. An index has one
calibration for each of its versions, which costs a query nothing but a subtraction for each hit.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from e5v.search.entries import Match
from e5v.vectors import unit

QueryKind = Literal["image", "text", "mixed"]
SAMPLE = 128  # vectors of each kind
NEGATED = 64  # of them, for a query with something to avoid
LEAST = 8  # vectors of a kind that say how those of others spread
FEWEST = 2  # of the more frequent kind, for an order at all
STRONG, WEAK = 2.5, 1.5  # standard scores: 0.6 % and 7 % of random pairs lie higher
SMALLEST, ROUGH = 1e-3, 0.05  # standard deviations, at least; of few vectors


@dataclass(frozen=True)
class Spread:
    """Mean and standard deviation of the cosines of random pairs."""

    mean: float
    deviation: float

    @classmethod
    def of(cls, cosines: NDArray[np.float32], least: float = SMALLEST) -> "Spread":
        """Measure some cosines; the deviation is at least `least`."""
        return cls(float(cosines.mean()), max(float(cosines.std()), least))

    def standardise(self, score: float) -> float:
        """Return how far a cosine lies above the mean, in standard deviations."""
        return (score - self.mean) / self.deviation

    def match(self, score: float) -> Match:
        """Return how well an entry with that cosine matches."""
        standard = self.standardise(score)
        return "strong" if standard >= STRONG else "weak" if standard >= WEAK else "none"


@dataclass(frozen=True)
class Scale:
    """The scale of one query: the spread of its cosines with entries of each kind.

    How well an entry matches is said for the kinds in `rated`: of the others, or of the query's own
    kind, there are too few entries for that. Without spreads, the order is that of cosines.
    """

    spreads: Mapping[str, Spread]
    rated: frozenset[str]

    def match(self, kind: str, score: float) -> Match | None:
        """Return how well an entry matches; None if that is not known."""
        return self.spreads[kind].match(score) if kind in self.rated else None

    def merge(self, scores: Mapping[str, Sequence[float]]) -> list[tuple[str, int]]:
        """Merge ranked lists, one of each kind; return kind and place of each hit, the best first.

        The order of the first hits does not depend on how many follow.
        """
        kinds = {kind for kind, ranked in scores.items() if len(ranked)}
        is_known = kinds <= self.spreads.keys()  # a kind may be new in the index
        ranks = [
            (-self.spreads[kind].standardise(score) if is_known else -score, place, kind)
            for kind, ranked in scores.items()
            for place, score in enumerate(ranked)
        ]
        return [(kind, place) for _, place, kind in sorted(ranks)]


BY_COSINE = Scale({}, frozenset())


class Calibration:
    """The distribution of the cosines of random pairs in one version of an index.

    `samples` has some unit vectors (n, d) of each kind of which there are entries. Where a kind has
    few, the spread of its pairs is roughly that of the other kind's: enough for an order.
    """

    def __init__(self, samples: Mapping[str, NDArray[np.float32]]) -> None:
        self.kinds = tuple(samples)
        self._samples = {kind: rows[:SAMPLE] for kind, rows in samples.items() if len(rows)}
        self._many = frozenset(kind for kind, rows in self._samples.items() if len(rows) >= LEAST)

    def scale(
        self,
        kind: QueryKind | None,
        query: NDArray[np.float32],
        removed: Sequence[NDArray[np.float32]] = (),
    ) -> Scale:
        """Return the scale of a query (d,) of some kind.

        A query of an image with words lies between the kinds: its scale does, too. What a query
        avoids, the vectors `removed`, is removed from those that it is compared with as well.
        """
        there = self._samples
        is_both = len(there) > 1
        if max(map(len, there.values()), default=0) < FEWEST:
            return BY_COSINE
        if kind in there:
            spreads = {to: self._spread(kind, to, removed) for to in there}
            return Scale(spreads, self._many if kind in self._many else frozenset())
        if kind != "mixed" or not is_both:
            return BY_COSINE
        share = self._share_of_image(query)
        spreads = {to: self._between(to, share, removed) for to in there}
        return Scale(spreads, self._many if len(self._many) > 1 else frozenset())

    def _between(self, to: str, share: float, removed: Sequence[NDArray[np.float32]]) -> Spread:
        """Return the spread between those of texts and of images."""
        text, image = (self._spread(kind, to, removed) for kind in ("text", "image"))
        return Spread(
            text.mean + share * (image.mean - text.mean),
            text.deviation + share * (image.deviation - text.deviation),
        )

    def _share_of_image(self, query: NDArray[np.float32]) -> float:
        """Return where a query lies on the way from the mean text, 0, to the mean image, 1."""
        text, image = (self._samples[kind].mean(axis=0) for kind in ("text", "image"))
        way = image - text
        return float(np.clip((query - text) @ way / max(way @ way, 1e-9), 0, 1))

    def _spread(self, kind: str, to: str, removed: Sequence[NDArray[np.float32]]) -> Spread:
        if not removed:
            return self._spreads[kind, to]
        queries = self._samples[kind][:NEGATED]
        for one in removed:
            queries = queries - (queries @ one)[:, None] * one
        return self._measure(unit(queries), kind, to)

    @cached_property
    def _spreads(self) -> dict[tuple[str, str], Spread]:
        return {
            (kind, to): self._measure(rows, kind, to)
            for kind, rows in self._samples.items()
            for to in self._samples
        }

    def _measure(self, queries: NDArray[np.float32], kind: str, to: str) -> Spread:
        """Return the spread of the cosines of queries of one kind with entries of another."""
        if {kind, to} <= self._many:
            return Spread.of(_pairs(queries, self._samples[to], same=kind == to))
        larger = max(self._samples.values(), key=len)
        rough = Spread.of(_pairs(larger, larger, same=True), ROUGH)
        if kind == to:
            return rough
        return Spread(float((queries @ self._samples[to].T).mean()), rough.deviation)


def _pairs(
    queries: NDArray[np.float32], entries: NDArray[np.float32], *, same: bool
) -> NDArray[np.float32]:
    """Return the cosines of all pairs; if the rows are the `same`, not those with themselves."""
    cosines: NDArray[np.float32] = queries @ entries.T
    if not same:
        return cosines.ravel()
    return cosines[~np.eye(len(queries), len(entries), dtype=bool)]
