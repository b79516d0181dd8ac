"""The nearest candidates of every anchor, found exactly while a corpus streams by.

anchors (a, d); block of candidates (m, d) -> cosines -> the best so far (a, k)

Memory is that of the anchors' vectors and of their best candidates, whatever the corpus's size.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from e5v.training.mining_items import Numbers, Vectors

ANCHORS = 2_048  # compared with a block at once: 64 MB of cosines


@dataclass(frozen=True)
class Nearest:
    """The best candidates of every anchor, nearest first.

    `scores` (a, k) are cosines, -inf where there are fewer than k; `places` (a, k) are those of the
    corpus.
    """

    scores: Vectors
    places: Numbers


class NearestSearch:
    """Keeps the `k` nearest candidates of each of the `anchors` (a, d), unit vectors."""

    def __init__(self, anchors: Vectors, k: int, device: torch.device) -> None:
        self._anchors, self._k, self._device = anchors, k, device
        self._scores = np.full((len(anchors), k), -np.inf, np.float32)
        self._places = np.full((len(anchors), k), -1, np.int64)

    def add(self, places: Numbers, vectors: Vectors, barred: tuple[Numbers, Numbers]) -> None:
        """Compare a block of candidates (m, d) at places (m,) with every anchor.

        `barred` are pairs that do not count: numbers of anchors, and of rows of the block.
        """
        block = torch.from_numpy(vectors).to(self._device)
        for start in range(0, len(self._anchors), ANCHORS):
            some = slice(start, start + ANCHORS)
            scores = torch.from_numpy(self._anchors[some]).to(self._device) @ block.T
            here = (barred[0] >= start) & (barred[0] < start + ANCHORS)
            pairs = barred[0][here] - start, barred[1][here]
            scores[tuple(torch.from_numpy(one).to(self._device) for one in pairs)] = -torch.inf
            best = torch.topk(scores, min(self._k, len(places)))
            self._merge(some, best.values.cpu().numpy(), places[best.indices.cpu().numpy()])

    def _merge(self, some: slice, scores: Vectors, places: Numbers) -> None:
        """Merge the best of a block with the best so far; of equal scores, the first place wins."""
        scores = np.concatenate([self._scores[some], scores], 1)
        places = np.concatenate([self._places[some], places], 1)
        order = np.lexsort((places, -scores), axis=1)[:, : self._k]
        self._scores[some] = np.take_along_axis(scores, order, 1)
        self._places[some] = np.take_along_axis(places, order, 1)

    def best(self) -> Nearest:
        """Return what was found."""
        return Nearest(self._scores, self._places)


def cosines_of_pairs(
    left: Vectors, right: Vectors, pairs: tuple[Numbers, Numbers]
) -> NDArray[np.float32]:
    """Return the cosines (p,) of some rows of `left` with some of `right`, a few at a time."""
    found = np.empty(len(pairs[0]), np.float32)
    for start in range(0, len(found), ANCHORS):
        some = slice(start, start + ANCHORS)
        found[some] = np.einsum("pd,pd->p", left[pairs[0][some]], right[pairs[1][some]])
    return found
