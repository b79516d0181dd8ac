"""Run a search: from a request to hits and words.

SearchRequest -> vectors of what is wanted and what is not -> one query vector
    -> the index -> hits
    -> the model's head -> predicted words
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from e5v.inputs import Image, Text
from e5v.model.words import Word, likely_words
from e5v.search.query import PROMPT, apart, find, normal
from e5v.search.readers import EXCERPT, whole_text
from e5v.search.scan import FORMS
from e5v.vectors import unit
from e5v.web.batching import Batcher
from e5v.web.embedding import ItemEmbedder
from e5v.web.errors import Refused
from e5v.web.example_queries import ExampleQueries
from e5v.web.index_view import Collection
from e5v.web.inputs import ItemPart, RequestItem
from e5v.web.schemas import SearchRequest

if TYPE_CHECKING:
    from e5v.model.embedder import E5V
    from e5v.search.entries import Entry, Hit
    from e5v.search.index import Index

WORDS = 8


@dataclass(frozen=True)
class Found:
    """The hits of a search, and the words that the model predicts for its vector."""

    hits: list[Hit]
    words: list[Word]


@dataclass(frozen=True)
class Searcher:
    """Searches one collection.

    Stored vectors are normalised; `length` is the length of a typical state, to scale them back. It
    does not change the order of the predicted words, and hardly their probabilities.
    """

    model: E5V
    embedder: ItemEmbedder
    batcher: Batcher
    collection: Collection
    length: float
    _examples: ExampleQueries = field(default_factory=ExampleQueries)

    async def find(self, asked: SearchRequest) -> Found:
        """Search; the entry that is given as the example is not among the hits.

        Raises:
            Refused: there is no index, or the request is invalid.
            UsageError: the filter is invalid, or `without` leaves nothing of the query.
        """
        asked = _normalise(asked)
        index = await asyncio.to_thread(self.collection.index)
        state, example = await asyncio.gather(self._state(asked), self._example(asked))
        vector = unit(state[None])[0]
        hits, words = await asyncio.gather(
            asyncio.to_thread(_hits, index, vector, example, asked),
            self.batcher.do(lambda: self._words(state)),
        )
        return Found(hits, words)

    async def examples(self) -> list[str]:
        """Return up to three queries that find something in this collection.

        Raises:
            Refused: there is no index.
        """
        return await self._examples.get(self)

    async def words_of(self, vector: NDArray[np.float32]) -> list[Word]:
        """Return the words predicted for an entry's unit vector (d,), likeliest first."""
        state = vector * np.float32(self.length)
        return await self.batcher.do(lambda: self._words(state))

    async def _state(self, asked: SearchRequest) -> NDArray[np.float32]:
        """Return the query vector (d,), scaled to the length of a model state for the head."""
        wanted = await self._wanted(asked)
        items = [one for one in (wanted, asked.unwanted()) if one]
        states = (await self.embedder.embed(items, PROMPT)).states
        rows, length = unit(states), self.length
        if wanted:
            length = float(np.linalg.norm(states[0]))
        elif asked.like:
            like = await asyncio.to_thread(self.collection.vector, asked.like)
            rows = np.vstack([like, rows])
        vector: NDArray[np.float32] = apart(rows) * np.float32(length)
        return vector

    async def _example(self, asked: SearchRequest) -> NDArray[np.float32] | None:
        """Return the vector of the example of "like this, but ..."; None for other queries."""
        if not asked.text or not (asked.image or asked.like):
            return None
        if asked.like:
            return await asyncio.to_thread(self.collection.vector, asked.like)
        alone = asked.model_copy(update={"text": None}).example()
        states = (await self.embedder.embed([alone] if alone else [], PROMPT)).states
        row: NDArray[np.float32] = unit(states)[0]
        return row

    async def _wanted(self, asked: SearchRequest) -> RequestItem | None:
        """Return the item to embed; None if the index has its vector already."""
        if not asked.like or not asked.text:
            return asked.example()
        entry = await asyncio.to_thread(self.collection.entry, asked.like)
        example = await asyncio.to_thread(_as_part, entry)
        return RequestItem(0, (example, Text(asked.text)))

    def _words(self, state: NDArray[np.float32]) -> list[Word]:
        loaded = self.model.loaded
        with torch.inference_mode():
            given = torch.from_numpy(state).to(loaded.model.device, loaded.model.dtype)
            return likely_words(loaded, given, WORDS)


def _hits(
    index: Index,
    vector: NDArray[np.float32],
    example: NDArray[np.float32] | None,
    asked: SearchRequest,
) -> list[Hit]:
    """Search for one more than requested, so that the example itself can be removed."""
    more = int(asked.like is not None)
    where, least = asked.where, asked.min_score
    hits = find(index, vector, example, k=asked.k + more, where=where, min_score=least)
    return [hit for hit in hits if hit.entry.id != asked.like][: asked.k]


def _normalise(asked: SearchRequest) -> SearchRequest:
    """Return a query with its words in NFC, like the texts of the index."""
    words = {"text": asked.text, "without": asked.without}
    return asked.model_copy(update={name: normal(one) for name, one in words.items() if one})


def _as_part(entry: Entry) -> ItemPart:
    """Return an entry as the part that was embedded."""
    return Image(Path(entry.path)) if entry.kind == "image" else Text(_whole_text(entry))


def _whole_text(entry: Entry) -> str:
    """Return the whole text of an entry: of a long line the index keeps only the beginning.

    Raises:
        Refused: the file has changed since it was indexed, or is missing.
    """
    if len(entry.text) < EXCERPT or FORMS.get(Path(entry.path).suffix.lower()) != "lines":
        return entry.text
    with suppress(OSError):
        text = whole_text(entry.path, entry.digest)
        if text is not None:
            return text
    message = "its file has changed since it was indexed; run e5v index again, or leave out text"
    raise Refused(409, "missing", f"the whole text of the like entry is not available: {message}")
