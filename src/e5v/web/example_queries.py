"""Example queries for the page: short ones that find something in this collection.

entries spread over the index -> a caption, a first sentence, or the model's word for an image
    -> search -> the queries that find the entry they were taken from

Worked out once for each version of the index (`per_version.py`).
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

from e5v.inputs import Text
from e5v.search.manifest import PROMPT
from e5v.search.query import QueryVectors, find
from e5v.vectors import unit
from e5v.web.inputs import RequestItem
from e5v.web.searched import SearchedIndex
from e5v.web.searching import Searcher

if TYPE_CHECKING:
    from e5v.search.entries import Entry

WANTED = 3
SAMPLE = 256  # entries considered
TRIES = 12  # queries tried, at most
NEAR = 3  # hits that must include the query's own entry
SHORTEST, LONGEST = 3, 48  # characters of a query
FEW = 0.3  # a kind with at most this share of the entries gives no query
SURE = 0.1  # least probability of a word used as a query
SENTENCE_END = re.compile(r"[.!?:](?:\s|$)|\n")


@dataclass(frozen=True)
class Candidate:
    """A query, and the entry that it was taken from."""

    query: str
    entry: Entry


async def find_queries(searcher: Searcher, index: SearchedIndex) -> list[str]:
    """Return queries that find their own entry, those that rank it first before the others."""
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


async def _place(searcher: Searcher, index: SearchedIndex, tried: Candidate) -> int | None:
    """Return the rank of a query's entry or a copy of it, from 0; None if not among the hits."""
    item = RequestItem(0, (Text(tried.query),), side="query")
    states = (await searcher.embedder.embed([item], PROMPT)).states
    vectors = QueryVectors(unit(states)[0], kind="text")
    hits = await asyncio.to_thread(find, index, vectors, k=NEAR)
    for place, hit in enumerate(hits):
        if hit.entry.id == tried.entry.id or hit.entry.digest == tried.entry.digest:
            return place
    best = None if not hits else await asyncio.to_thread(index.vector, hits[0].entry.id)
    if best is not None and await _from_model(searcher, best) == tried.query:
        return 0  # another image of the same thing
    return None


def _from_text(entry: Entry) -> str:
    """Return a short caption or text, else its first sentence if that is short, else nothing."""
    plain = entry.text.strip().lstrip("#>*- \t")
    sentence = SENTENCE_END.split(plain, maxsplit=1)[0]
    for text in (plain, sentence):
        query = " ".join(text.split()).rstrip(".:,; ")
        if SHORTEST <= len(query) <= LONGEST:
            return query
    return ""


async def _from_model(searcher: Searcher, vector: NDArray[np.float32]) -> str:
    """Return the model's word for an entry if its probability is high enough, else nothing."""
    words = await searcher.words_of(vector)
    return words[0].word if words and words[0].probability >= SURE else ""


def _spread(index: SearchedIndex) -> list[tuple[Entry, NDArray[np.float32]]]:
    """Return entries that differ most from each other, alternating images and texts."""
    ids, vectors = index.vectors(SAMPLE)
    rows = dict(zip(ids, vectors, strict=True))
    kinds: dict[str, list[Entry]] = {"image": [], "text": []}
    with suppress(RuntimeError):  # this version of the index was removed meanwhile
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
    """Yield the positions of unit vectors (n, d): next is the one least similar to those before."""
    nearest = np.full(len(vectors), -np.inf, np.float32)
    place = 0
    for _ in range(len(vectors)):
        yield place
        nearest = np.maximum(nearest, vectors @ vectors[place])
        nearest[place] = np.inf
        place = int(np.argmin(nearest))
