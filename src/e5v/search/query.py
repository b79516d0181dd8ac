"""Turn a query into a vector and its hits: one path for the command line, Python and the page.

Query -> QueryItems -> one call of the model -> QueryVectors -> Index -> Hit, nearest first
                                                -> its scale -> one order of images and texts
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING, Protocol
from unicodedata import normalize

import numpy as np
from numpy.typing import NDArray

from e5v.errors import ItemError, UsageError
from e5v.inputs import ImageInput, RawItem, normalise
from e5v.model.snapshots import take
from e5v.search.entries import Filters, Hit
from e5v.search.manifest import PROMPT
from e5v.search.query_parts import need_one_image, need_text
from e5v.search.stored_example import StoredExample, read_part
from e5v.vectors import unit

if TYPE_CHECKING:
    from e5v.model.embedder import E5V
    from e5v.search.calibration import Calibration, QueryKind, Scale
    from e5v.search.entries import Entry

COPIES = 10  # of an example, at most, that are removed from the hits
SAME = 0.999  # cosine; passes differ by rounding
APART = (2 * (1 - SAME)) ** 0.5 + 0.01  # of two cosines, if one is of a copy of the other; rounding
LEAST_LEFT = 1e-3  # of the remaining query's length; less is rounding error


class StoredEntries(Protocol):
    """What a query needs of an index: `e5v.search.index.Index`."""

    def search(
        self,
        query: NDArray[np.float32],
        *,
        k: int,
        where: str | None,
        min_score: float | None,
        offline: bool,
    ) -> list[Hit]:
        """Find the entries nearest to a unit vector (d,)."""

    def search_kinds(
        self, query: NDArray[np.float32], k: int, filters: Filters, scale: Scale
    ) -> list[Hit]:
        """Find the best images and texts for a unit vector (d,), in the order of a scale."""

    def calibration(self) -> Calibration:
        """Return what cosines mean in the index."""

    def get(self, id: str) -> Entry | None:
        """Return an entry, or None."""

    def vector(self, id: str) -> NDArray[np.float32] | None:
        """Return the unit vector (d,) of an entry, or None."""


@dataclass(frozen=True)
class Query:
    """What to search an index for: words, an example, or both.

    With an example, the words say how the result should differ from it. The hits leave out an image
    and its copies only if there are words, too: an image alone is a search for that image. They
    always leave out the entry that `like` names. Words are kept in Unicode's composed form (NFC),
    like the texts of the index: systems differ in how they write "é". Blank words count as none.

    Attributes:
        text: words.
        image: one image as the example: a path, encoded bytes, a PIL image, a data URI, or a
            mapping with one of these, such as `{"bytes": ...}`.
        without: words for what to avoid.
        like: the id of an entry of the index as the example, instead of an image.

    Raises:
        UsageError: there is nothing to search for, there are two examples, or one of them is of
            another type.
    """

    text: str | None = None
    image: ImageInput | Mapping[str, object] | str | None = None
    without: str | None = None
    like: str | None = None

    def __post_init__(self) -> None:
        """Clean the words and check that there is one example at most."""
        for name in ("text", "without", "like"):
            need_text(name, getattr(self, name))
        if self.image is not None:
            need_one_image(self.image)
        for name in ("text", "without"):
            words = getattr(self, name)
            cleaned = normalize("NFC", words) if words and words.strip() else None
            object.__setattr__(self, name, cleaned)
        if self.text is None and self.image is None and self.like is None:
            raise UsageError("nothing to search for; give words, an image, or both")
        if self.image is not None and self.like is not None:
            raise UsageError("got both image and like; give one of them")


@dataclass(frozen=True)
class QueryItems:
    """The items of a query that the model must embed, and the vector that the index has.

    Attributes:
        wanted: what to search for; None if the index has its vector.
        without: what to avoid; None for nothing.
        example: the image alone, to know its copies; None if it may be a hit.
        stored: the index's vector (d,) of the example.
        like: the id of that entry.
        kind: of what is wanted: an image, a text, or "mixed" for both together.
    """

    wanted: RawItem | None
    without: RawItem | None
    example: RawItem | None
    stored: NDArray[np.float32] | None = None
    like: str | None = None
    kind: QueryKind | None = None

    def listed(self) -> list[RawItem]:
        """Return the items to embed, in the order that `combine` expects their vectors in.

        The example is a document, as its copies in the index are.
        """
        every: list[RawItem] = [item for item in (self.wanted, self.without) if item is not None]
        if self.example is not None:
            every.append(replace(normalise(self.example), side="document"))
        return every

    def combine(self, rows: NDArray[np.float32]) -> QueryVectors:
        """Combine the unit vectors (n, d) of the listed items.

        Raises:
            UsageError: what is wanted and what to avoid are the same.
        """
        left = iter(rows)
        wanted = self.stored if self.wanted is None else next(left)
        assert wanted is not None
        unwanted = [] if self.without is None else [next(left)]
        example = None if self.wanted is None else self.stored
        if self.example is not None:
            example = next(left)
        query = remove_unwanted(wanted, unwanted)
        return QueryVectors(query, example, self.like, self.kind, tuple(unwanted))


@dataclass(frozen=True)
class QueryVectors:
    """A query as vectors (d,) of length 1.

    Hits are the entries nearest to `query`, without copies of the `example` and without the entry
    whose id is `like`; both may be None. `kind` is that of the query before the vectors `removed`
    were removed from it; if it is not known, hits are ordered by cosine alone.
    """

    query: NDArray[np.float32]
    example: NDArray[np.float32] | None = None
    like: str | None = None
    kind: QueryKind | None = None
    removed: tuple[NDArray[np.float32], ...] = ()


def list_items(query: Query, stored: StoredExample | None = None) -> QueryItems:
    """List what the model must embed; `stored` is the entry of a query with `like`.

    An image and a text together are the paper's composed query ("like this, but ...").
    """
    words: list[RawItem] = [] if query.text is None else [{"text": query.text}]
    without = None if query.without is None else {"text": query.without}
    if stored is not None:
        wanted = [stored.part, *words] if stored.part is not None else None
        kind: QueryKind = "text"
        if stored.kind == "image":
            kind = "mixed" if words else "image"
        return QueryItems(wanted, without, None, stored.vector, query.like, kind)
    image: list[RawItem] = [] if query.image is None else [{"image": query.image}]
    kind = "text" if not image else "mixed" if words else "image"
    return QueryItems([*image, *words], without, image if image and words else None, kind=kind)


def remove_unwanted(
    wanted: NDArray[np.float32], unwanted: Sequence[NDArray[np.float32]]
) -> NDArray[np.float32]:
    """Remove from a unit vector (d,) its component along each unwanted one, in turn.

    This is orthogonal negation (Widdows 2003): only the part of the query that is orthogonal to the
    unwanted vector is kept. That is the smallest change that removes it, and has no weight to tune;
    subtracting a fixed share would be too little for one query, and turn another into a search for
    the opposite.

    Raises:
        UsageError: nothing is left of it.
    """
    for one in unwanted:
        wanted = wanted - (wanted @ one) * one
    if np.linalg.norm(wanted) < LEAST_LEFT:
        raise UsageError("what to search for and what to avoid are the same; change one of them")
    return unit(wanted)


def embed_query(model: E5V, query: Query, stored: StoredExample | None = None) -> QueryVectors:
    """Embed a query in one call of the model; its image is read and decoded once.

    `stored` is the entry of a query with `like`. The model must be that of the index that is
    searched (`Manifest.check`).

    Raises:
        UsageError: the image cannot be read, or what is wanted and what to avoid are the same.
    """
    try:
        items = list_items(_read_image(query), stored)
        rows = model.encode(items.listed(), prompt=PROMPT, side="query")
    except ItemError as error:
        raise UsageError(f"the query cannot be embedded: {error.cause}") from error
    return items.combine(rows)


def _read_image(query: Query) -> Query:
    """Return the query with its image read, so that the items that it is part of share it."""
    if query.image is None:
        return query
    return replace(query, image=take(normalise({"image": query.image}), 0).images[0])


def load_stored_example(index: StoredEntries, query: Query) -> StoredExample | None:
    """Load the entry that a query names as its example; None if it names none.

    Raises:
        DataError: its whole text is needed, and its file has changed.
        UsageError: there is no such entry.
    """
    if query.like is None:
        return None
    entry, vector = index.get(query.like), index.vector(query.like)
    if entry is None or vector is None:
        raise UsageError(f"the index has no entry {query.like[:80]!a}", argument="like")
    return StoredExample(vector, None if query.text is None else read_part(entry), entry.kind)


def find(
    index: StoredEntries,
    vectors: QueryVectors,
    *,
    k: int,
    where: str | None = None,
    min_score: float | None = None,
    offline: bool = False,
) -> list[Hit]:
    """Find the `k` nearest as `Index.search` does, without the example and its copies.

    Images and texts are in one order, by standard scores (`calibration.py`), and each hit says how
    well it matches. Up to `COPIES` copies are removed.

    Raises:
        UsageError: as `Index.search`.
    """
    more = k + COPIES * (vectors.example is not None) + (vectors.like is not None)
    calibration = index.calibration()
    scale = calibration.scale(vectors.kind, vectors.query, vectors.removed)
    if vectors.kind is not None and len(calibration.kinds) > 1:
        hits = index.search_kinds(vectors.query, more, Filters(where, min_score, offline), scale)
    else:
        hits = index.search(
            vectors.query, k=more, where=where, min_score=min_score, offline=offline
        )
    others = (hit for hit in hits if not _is_example(index, hit, vectors))
    return [replace(hit, match=scale.match(hit.entry.kind, hit.score)) for hit in islice(others, k)]


def _is_example(index: StoredEntries, hit: Hit, vectors: QueryVectors) -> bool:
    """Return whether a hit is the example of the query, or a copy of it."""
    if hit.entry.id == vectors.like:
        return True
    if vectors.example is None:
        return False
    if abs(hit.score - float(vectors.example @ vectors.query)) > APART:
        return False  # to read each vector would take seconds for a thousand hits
    own = index.vector(hit.entry.id)
    return own is not None and float(own @ vectors.example) >= SAME
