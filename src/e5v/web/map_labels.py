"""Labels of the map: groups of points that lie together, in the words that their centres say.

points (n, 2) and vectors (n, d) -> k-means on the map -> the mean vector of each group
    -> the model's head -> its likeliest word that no larger group has

Worked out once for each version of the index (`per_version.py`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from e5v.vectors import unit
from e5v.web.searched import DIGITS, MAP_POINTS

if TYPE_CHECKING:
    from e5v.model.words import Word
    from e5v.web.searched import SearchedIndex
    from e5v.web.searching import Searcher

MOST, EACH = 10, 8  # groups, and points of one on average, at least
SMALLEST = 4  # points of a group that gets a label
ROUNDS = 20
LEAST = 0.02  # probability of a word


@dataclass(frozen=True)
class MapGroup:
    """Points that lie together: their middle on the map, their number, and their mean vector."""

    x: float
    y: float
    count: int
    vector: NDArray[np.float32]


@dataclass(frozen=True)
class MapLabel:
    """A word for a group of points, and the middle of these."""

    word: str
    x: float
    y: float
    count: int


async def find_labels(searcher: Searcher, index: SearchedIndex) -> list[MapLabel]:
    """Return a label for each group whose centre says a word that no larger one has.

    The largest group comes first.
    """
    points = await asyncio.to_thread(searcher.collection.map)
    ids, vectors = await asyncio.to_thread(index.vectors, MAP_POINTS)
    rows = dict(zip(ids, vectors, strict=True))
    known = [point for point in points if point.entry.id in rows]
    if not known:
        return []
    places = np.array([[point.x, point.y] for point in known], np.float32)
    own = np.stack([rows[point.entry.id] for point in known])
    labels: list[MapLabel] = []
    for group in await asyncio.to_thread(group_points, places, own):
        words = await searcher.words_of(group.vector)
        word = _choose(words, [label.word for label in labels])
        if word:
            labels.append(MapLabel(word, group.x, group.y, group.count))
    return labels


def _choose(words: Sequence[Word], taken: Sequence[str]) -> str:
    """Return the likeliest word that is not taken; nothing where the model is not sure."""
    return next(
        (one.word for one in words if one.probability >= LEAST and one.word not in taken), ""
    )


def group_points(places: NDArray[np.float32], vectors: NDArray[np.float32]) -> list[MapGroup]:
    """Group points (n, 2) that lie together, the largest group first; deterministic."""
    count = min(MOST, len(places) // EACH)
    if count < 2:  # noqa: PLR2004  one group of all says nothing
        return []
    group_of = _cluster(places, count)
    groups = []
    for number in range(count):
        members = np.flatnonzero(group_of == number)
        if len(members) < SMALLEST:
            continue
        x, y = (round(one, DIGITS) for one in np.median(places[members], axis=0).tolist())
        centre = unit(vectors[members].mean(axis=0, keepdims=True))[0]
        groups.append(MapGroup(x, y, len(members), centre))
    return sorted(groups, key=lambda group: (-group.count, group.x, group.y))


def _cluster(places: NDArray[np.float32], count: int) -> NDArray[np.int64]:
    """Return the group of each point: k-means, from points that are far from each other."""
    centres = [places[np.argmin(((places - places.mean(axis=0)) ** 2).sum(axis=1))]]
    for _ in range(count - 1):
        apart = np.min([((places - centre) ** 2).sum(axis=1) for centre in centres], axis=0)
        centres.append(places[np.argmax(apart)])
    middle = np.stack(centres)
    group_of = np.zeros(len(places), np.int64)
    for _ in range(ROUNDS):
        apart = ((places[:, None] - middle[None]) ** 2).sum(axis=2)
        group_of = apart.argmin(axis=1)
        for number in np.unique(group_of):
            middle[number] = places[group_of == number].mean(axis=0)
    return group_of
