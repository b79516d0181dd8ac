"""Queries to start with: short ones that find something in this very collection.

entries spread over the index -> a caption, a first sentence, or what the model says of a picture
    -> searched for -> those that find what they were taken from

They are found once for each version of the index, when the page first asks for them.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain, zip_longest
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from e5v.errors import E5VError
from e5v.items import Text
from e5v.search.query import PROMPT
from e5v.vectors import unit
from e5v.web.parts import Wanted
from e5v.web.refusals import Refused

if TYPE_CHECKING:
    from e5v.search.entries import Entry
    from e5v.search.index import Index
    from e5v.web.searching import Searcher

WANTED = 3
SAMPLE = 256  # entries that are looked at
TRIES = 12  # queries that are searched for, at most
NEAR = 3  # hits, among which a query's own entry must be if no better query is found
SHORTEST, LONGEST = 3, 48  # characters of a query
FEW = 0.3  # share of the entries up to which a kind gives no query
SURE = 0.1  # probability of a word that is taken for a query
SENTENCE_END = re.compile(r"[.!?:](?:\s|$)|\n")


@dataclass(frozen=True)
class Candidate:
    """A query, and the entry that it was taken from."""

    query: str
    entry: Entry


class ExampleQueries:
    """The example queries of a collection, remembered for one version of its index."""

    def __init__(self) -> None:
        self._version = -1
        self._work: asyncio.Task[list[str]] | None = None

    async def get(self, searcher: Searcher) -> list[str]:
        """Return up to three queries; requests that come meanwhile wait for the same work.

        Raises:
            Refused: there is no index.
            DataError: it is damaged.
        """
        index, version = await asyncio.to_thread(searcher.collection.version)
        if self._work is None or version != self._version:
            self._version = version
            self._work = asyncio.create_task(find_queries(searcher, index))
        try:
            return await asyncio.shield(self._work)
        except (E5VError, Refused):  # the queue is full, most often: the next request tries again
            self._work = None
            return []


async def find_queries(searcher: Searcher, index: Index) -> list[str]:
    """Return queries that find what they were taken from; first those that find it first."""
    first: list[str] = []
    near: list[str] = []
    tries = 0
    for entry, vector in await asyncio.to_thread(_spread, index):
        query = _from_text(entry) or await _from_model(searcher, vector)
        if not query or query in (*first, *near):
            continue
        place = await _place(searcher, index, Candidate(query, entry))
        if place == 0:
            first.append(query)
        elif place is not None:
            near.append(query)
        tries += 1
        if len(first) == WANTED or tries == TRIES:
            break
    return [*first, *near][:WANTED]


async def _place(searcher: Searcher, index: Index, tried: Candidate) -> int | None:
    """Return where a query finds its entry, or a copy of it: 0 is first; None if not near."""
    item = Wanted(0, (Text(tried.query),))
    states = (await searcher.intake.embed([item], PROMPT)).states
    hits = await asyncio.to_thread(index.search, unit(states)[0], k=NEAR)
    for place, hit in enumerate(hits):
        if hit.entry.id == tried.entry.id or hit.entry.digest == tried.entry.digest:
            return place
    best = None if not hits else await asyncio.to_thread(index.vector, hits[0].entry.id)
    if best is not None and await _from_model(searcher, best) == tried.query:
        return 0  # another picture of the same thing
    return None


def _from_text(entry: Entry) -> str:
    """Return a caption or a text if it is short, else its first sentence if that is; or nothing."""
    plain = entry.text.strip().lstrip("#>*- \t")
    sentence = SENTENCE_END.split(plain, maxsplit=1)[0]
    for text in (plain, sentence):
        query = " ".join(text.split()).rstrip(".:,; ")
        if SHORTEST <= len(query) <= LONGEST:
            return query
    return ""


async def _from_model(searcher: Searcher, vector: NDArray[np.float32]) -> str:
    """Return the word that the model says of an entry, if it is sure of it; or nothing."""
    words = await searcher.words_of(vector)
    return words[0].word if words and words[0].probability >= SURE else ""


def _spread(index: Index) -> list[tuple[Entry, NDArray[np.float32]]]:
    """Return entries that differ most from each other, images and texts by turns."""
    ids, vectors = index.vectors(SAMPLE)
    rows = dict(zip(ids, vectors, strict=True))
    kinds: dict[str, list[Entry]] = {"image": [], "text": []}
    with suppress(RuntimeError):  # a version of the index that has been removed meanwhile
        for entry in index.entries(ids):
            kinds[entry.kind].append(entry)
    few = len(rows) * FEW
    orders = [
        [entries[place] for place in farthest(np.stack([rows[one.id] for one in entries]))]
        for entries in kinds.values()
        if len(entries) > few
    ]
    turns = chain.from_iterable(zip_longest(*orders))
    return [(entry, rows[entry.id]) for entry in turns if entry]


def farthest(vectors: NDArray[np.float32]) -> Iterator[int]:
    """Yield all places of unit vectors (n, d): next is what is least like those before it."""
    nearest = np.full(len(vectors), -np.inf, np.float32)
    place = 0
    for _ in range(len(vectors)):
        yield place
        nearest = np.maximum(nearest, vectors @ vectors[place])
        nearest[place] = np.inf
        place = int(np.argmin(nearest))
