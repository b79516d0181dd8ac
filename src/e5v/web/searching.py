"""Run a search: from a request to hits and words.

SearchRequest -> Query -> its items -> one call of the embedder -> query vector
    -> the index -> hits
    -> the model's head -> predicted words
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from e5v.errors import DataError, UsageError
from e5v.inputs import RawItem, Side
from e5v.model.head import has_head
from e5v.model.words import Word, likely_words
from e5v.search.manifest import PROMPT
from e5v.search.query import Query, QueryItems, find, list_items, load_stored_example
from e5v.vectors import unit
from e5v.web.batching import Batcher
from e5v.web.embedding import ItemEmbedder
from e5v.web.errors import Refused
from e5v.web.inputs import RequestItem, read_item
from e5v.web.paging import read_cursor, take_page
from e5v.web.schemas import SearchRequest
from e5v.web.searched import Searched, SearchedIndex

if TYPE_CHECKING:
    from e5v.model.embedder import E5V
    from e5v.search.entries import Hit

WORDS = 8


@dataclass(frozen=True)
class SearchResult:
    """A page of hits, the words that the model predicts for the query, and the page after."""

    hits: list[Hit]
    words: list[Word]
    next: str | None = None


@dataclass(frozen=True)
class Searcher:
    """Searches one collection.

    Stored vectors are normalised; `length` is the length of a typical state, to scale them back. It
    does not change the order of the predicted words, and hardly their probabilities.
    """

    model: E5V
    embedder: ItemEmbedder
    batcher: Batcher
    collection: Searched
    length: float

    async def find(self, request: SearchRequest) -> SearchResult:
        """Search as `find` does: which examples are left out of the hits, `Query` says.

        Raises:
            Refused: there is no index, or the request or its cursor is invalid.
            UsageError: the filter is invalid, or `without` leaves nothing of the query.
        """
        cursor = read_cursor(request)
        index = await asyncio.to_thread(self.collection.index)
        items = await asyncio.to_thread(_list_items, index, request)
        states = (await self.embedder.embed(_read_items(items), PROMPT)).states
        vectors = items.combine(unit(states))
        length = self.length if items.wanted is None else float(np.linalg.norm(states[0]))

        def find_nearest(k: int) -> list[Hit]:
            return find(index, vectors, k=k, where=request.where, min_score=request.min_score)

        page, words = await asyncio.gather(
            asyncio.to_thread(take_page, find_nearest, request, cursor),
            self._predict_words(vectors.query, length),
        )
        return SearchResult(page.hits, words, page.next)

    async def words_of(self, vector: NDArray[np.float32]) -> list[Word]:
        """Return the words predicted for an entry's unit vector (d,), likeliest first."""
        return await self._predict_words(vector, self.length)

    async def _predict_words(self, vector: NDArray[np.float32], length: float) -> list[Word]:
        """Return the words predicted for a unit vector (d,) that is scaled to a state's length.

        There are none if the model's output head is missing, or with an engine.
        """
        if not has_head(self.model.loaded.model):
            return []
        state = vector * np.float32(length)
        return await self.batcher.do(lambda: self._words(state))

    def _words(self, state: NDArray[np.float32]) -> list[Word]:
        loaded = self.model.loaded
        with torch.inference_mode():
            given = torch.from_numpy(state).to(loaded.device, loaded.model.dtype)
            return likely_words(loaded, given, WORDS)


def _list_items(index: SearchedIndex, request: SearchRequest) -> QueryItems:
    """List what a request needs the model for.

    Raises:
        Refused: there is no entry of that id, or its file has changed since it was indexed.
    """
    query = Query(request.text, request.image, request.without, request.like)
    try:
        return list_items(query, load_stored_example(index, query))
    except UsageError as error:
        raise Refused(404, "missing", str(error)) from None
    except DataError as error:
        if error.argument != "like":  # the index itself cannot be read
            raise
        raise Refused(409, "missing", str(error)) from None


def _read_items(items: QueryItems) -> list[RequestItem]:
    """Read the items as a client's; a fault names 1 for `without`, else 0."""
    places: tuple[tuple[RawItem | None, int, Side], ...] = (
        (items.wanted, 0, "query"),
        (items.without, 1, "query"),
        (items.example, 0, "document"),  # as its copies in the index are
    )
    return [
        replace(read_item(item, place), side=side)
        for item, place, side in places
        if item is not None
    ]
