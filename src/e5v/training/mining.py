"""Mine hard negatives: items near an anchor that are not its positives.

    rows -> anchors and positives, each once -> E5V -> vectors of the anchors
    corpus -> blocks of vectors -> cosines with the positives, and the nearest candidates
           -> ranks, margins, highest score, sampling -> Mined -> rows with negatives

As `mine_hard_negatives` of sentence-transformers: an anchor is looked at once, with all positives
that equal anchors have; these and items equal to the anchor are never its negatives; the margins
are below the farthest positive. Other than there, the ranks are those before the margins.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from e5v.errors import DataError
from e5v.model.embedder import E5V
from e5v.training.mining_items import (
    Corpus,
    Numbers,
    Pairs,
    Progress,
    Vectors,
    embed_blocks,
)
from e5v.training.mining_rule import MiningRule
from e5v.training.mining_search import Nearest, NearestSearch, cosines_of_pairs
from e5v.training.triplets import Triplet


@dataclass(frozen=True)
class Mined:
    """The hard negatives of every anchor.

    `negatives[i]` are the places in the corpus of those of anchor i, nearest first, and `scores[i]`
    their cosines. `positive_scores` (p,) are the cosines of the pairs. `left_out` counts the
    candidates that were not taken, by cause: "positive" and "equal" in the whole corpus, and
    "margin", "relative margin" and "max score" within the ranks.
    """

    pairs: Pairs
    negatives: tuple[Numbers, ...]
    scores: tuple[NDArray[np.float32], ...]
    positive_scores: NDArray[np.float32]
    left_out: Mapping[str, int]

    @property
    def anchors_by_count(self) -> Mapping[int, int]:
        """How many anchors got how many negatives, most first."""
        return dict(sorted(Counter(map(len, self.negatives)).items(), reverse=True))

    @cached_property
    def count(self) -> int:
        """The number of negatives of all anchors."""
        return sum(map(len, self.negatives))

    @property
    def mean_positive_score(self) -> float:
        """The mean cosine of an anchor and a positive."""
        return float(self.positive_scores.mean(dtype=np.float64))

    @property
    def mean_negative_score(self) -> float:
        """The mean cosine of an anchor and a negative."""
        return float(np.concatenate(self.scores).mean(dtype=np.float64))

    def rows(self, rows: Sequence[Triplet], corpus: Corpus) -> list[Triplet]:
        """Return the rows that were mined for, with the negatives found in place of their own."""
        places = np.unique(np.concatenate(self.negatives)).tolist()
        items = dict(zip(places, corpus.items(places), strict=True))
        return [
            replace(row, negatives=tuple(items[place] for place in self.negatives[number].tolist()))
            for row, number in zip(rows, self.pairs.anchors.numbers, strict=True)
        ]


def mine(
    pairs: Pairs, corpus: Corpus, embedder: E5V, rule: MiningRule, progress: Progress
) -> Mined:
    """Find the hard negatives of every anchor.

    What is embedded: the anchors, the positives that the corpus does not have, and the corpus if
    it has no vectors. Memory is that of the anchors' vectors and of their nearest candidates.

    Raises:
        DataError: the corpus has no item at the ranks, an item cannot be embedded, or no anchor
            got a negative.
    """
    rule.check_size(len(corpus))
    protected = _protect(pairs, corpus)
    anchors = _embed_anchors(pairs, embedder, progress)
    scores = _score_outside(pairs, protected, anchors, embedder, progress)
    search = NearestSearch(anchors, rule.window[1], embedder.device)
    progress.begin("Comparing the corpus", len(corpus))
    for places, vectors in corpus.blocks(progress):
        barred, numbers = protected.within(places)
        own = numbers < len(scores)  # a pair, and not an item that equals its anchor
        scores[numbers[own]] = cosines_of_pairs(anchors, vectors, (barred[0][own], barred[1][own]))
        search.add(places, vectors, barred)
    if np.isnan(scores).any():
        raise DataError("the corpus has a positive that cannot be embedded", argument="corpus")
    mined = _choose(pairs, search.best(), scores, rule)
    if not mined.count:
        raise DataError(
            f"no anchor got a negative ({_describe(mined.left_out)}); "
            "choose other ranks, a smaller margin or another corpus",
            argument="ranks",
        )
    return replace(mined, left_out={**protected.counts(), **mined.left_out})


@dataclass(frozen=True)
class _Protected:
    """Pairs of an anchor and a place that is never its negative.

    The first are the pairs of an anchor and its positive, place -1 where the corpus has it not;
    then those of an anchor and its equal.
    """

    anchors: Numbers
    places: Numbers
    pairs: int

    @cached_property
    def _order(self) -> Numbers:
        return np.argsort(self.places, kind="stable")

    @cached_property
    def _by_place(self) -> Numbers:
        return self.places[self._order]

    def within(self, places: Numbers) -> tuple[tuple[Numbers, Numbers], Numbers]:
        """Return the pairs in a block, as anchors and rows of the block; and their numbers."""
        start, end = np.searchsorted(self._by_place, [places[0], places[-1] + 1])
        numbers = self._order[start:end]
        rows = np.searchsorted(places, self.places[numbers])
        there = places[rows] == self.places[numbers]
        return (self.anchors[numbers[there]], rows[there]), numbers[there]

    def counts(self) -> dict[str, int]:
        """Count the candidates that are protected, by cause."""
        inside = self.places >= 0
        return {
            "positive": int(inside[: self.pairs].sum()),
            "equal": int(inside[self.pairs :].sum()),
        }


def _protect(pairs: Pairs, corpus: Corpus) -> _Protected:
    """Find in the corpus the positives of every anchor, and what equals the anchor."""
    found = [corpus.find(item) for item in pairs.positives.items]
    of_positive = np.array([-1 if place is None else place for place in found], np.int64)
    places = of_positive[pairs.positive]
    known = set(zip(pairs.anchor.tolist(), places.tolist(), strict=True))
    equal = [
        (number, place)
        for number, item in enumerate(pairs.anchors.items)
        if (place := corpus.find(item)) is not None and (number, place) not in known
    ]
    more = np.array(equal, np.int64).reshape(-1, 2)
    anchors = np.concatenate([pairs.anchor, more[:, 0]])
    places = np.concatenate([places, more[:, 1]])
    return _Protected(anchors, places, len(pairs.anchor))


def _embed_anchors(pairs: Pairs, embedder: E5V, progress: Progress) -> Vectors:
    """Return the vectors of the anchors (a, d)."""
    anchors = np.empty((len(pairs.anchors), embedder.width), np.float32)
    progress.begin("Embedding the anchors", len(anchors))
    for numbers, vectors in embed_blocks(embedder, pairs.anchors.items, progress, side="query"):
        anchors[numbers] = vectors
    return anchors


def _score_outside(
    pairs: Pairs, protected: _Protected, anchors: Vectors, embedder: E5V, progress: Progress
) -> NDArray[np.float32]:
    """Score the pairs whose positive is not in the corpus (p,); the others are NaN."""
    scores = np.full(len(pairs.anchor), np.nan, np.float32)
    outside = np.flatnonzero(protected.places[: len(scores)] < 0)
    wanted, rows = np.unique(pairs.positive[outside], return_inverse=True)
    progress.begin("Embedding the positives", len(wanted))
    items = [pairs.positives.items[number] for number in wanted]
    for numbers, vectors in embed_blocks(embedder, items, progress):
        here = (rows >= numbers[0]) & (rows <= numbers[-1])
        some = outside[here]
        both = pairs.anchor[some], rows[here] - numbers[0]
        scores[some] = cosines_of_pairs(anchors, vectors, both)
    return scores


def _choose(
    pairs: Pairs, nearest: Nearest, positive_scores: NDArray[np.float32], rule: MiningRule
) -> Mined:
    """Choose the negatives of every anchor from its nearest candidates."""
    lowest = np.full(len(pairs.anchors), np.inf, np.float32)
    np.minimum.at(lowest, pairs.anchor, positive_scores)
    first, last = rule.window
    left_out: Counter[str] = Counter()
    negatives, scores = [], []
    for number, limit in enumerate(lowest.tolist()):
        within = nearest.scores[number, first:last]
        fits = np.isfinite(within)
        for cause, most in _limits(limit, rule).items():
            above = fits & (within > most)
            left_out[cause] += int(above.sum())
            fits &= ~above
        chosen = _sample(np.flatnonzero(fits), number, rule)
        negatives.append(nearest.places[number, first:last][chosen])
        scores.append(within[chosen])
    return Mined(pairs, tuple(negatives), tuple(scores), positive_scores, dict(left_out))


def _limits(positive: float, rule: MiningRule) -> dict[str, float]:
    """Return the highest score of a negative, for each cause; `positive` is the farthest's."""
    limits = {}
    if rule.margin is not None:
        limits["margin"] = positive - rule.margin
    if rule.share is not None:
        limits["relative margin"] = positive - abs(positive) * rule.share
    if rule.max_score is not None:
        limits["max score"] = rule.max_score
    return limits


def _sample(candidates: Numbers, anchor: int, rule: MiningRule) -> Numbers:
    """Take some candidates, nearest first; the same for the same seed and anchor."""
    if rule.sampling == "top" or len(candidates) <= rule.negatives:
        return candidates[: rule.negatives]
    draw = np.random.default_rng([rule.seed, anchor])
    return np.sort(draw.choice(candidates, rule.negatives, replace=False))


def _describe(left_out: Mapping[str, int]) -> str:
    causes = [f"{count:,} by the {cause}" for cause, count in left_out.items() if count]
    return f"left out: {', '.join(causes)}" if causes else "there are no candidates at the ranks"
