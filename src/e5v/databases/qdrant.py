"""Qdrant: a collection with a named vector in float16, binary quantization, and a payload.

rows -> points, whose ids are made of the entries' -> candidates by sign bits -> rescored

A folder of this machine is the client's local mode: it compares every vector, has no quantization
and no payload indexes, and is meant for some 20,000 points.
"""

import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from e5v.databases.conditions import And, Compare, Condition, Leaf, Like, Not, OneOf, Or
from e5v.databases.database import FACTS, Facts, count_candidates
from e5v.databases.rows import COLUMNS, VECTOR, Found, Row, read_found
from e5v.databases.url import DatabaseUrl
from e5v.errors import DataError, E5VError, first_line
from e5v.extras import imported
from e5v.search.entries import Entry

with imported("Qdrant", extra="qdrant"):
    from qdrant_client import QdrantClient, models

SECONDS = 60  # an answer may take
PAGE = 1_000  # rows of one reply
INDEXED = {
    **dict.fromkeys(("kind", "path"), "keyword"),
    **dict.fromkeys(("number", "mtime", "size"), "integer"),
}
NAMESPACE = uuid.UUID("6f3a2d0e-5c1b-5e5a-9a56-0d7e5be5e5e5")


class QdrantDatabase:
    """A collection of a Qdrant server, or of a folder of the client's local mode."""

    def __init__(self, url: DatabaseUrl) -> None:
        self._url, self._name = url, url.collection
        with self._talking():
            self._client = self._connect()

    def _connect(self) -> QdrantClient:
        url = self._url
        if url.local is not None:
            return QdrantClient(path=str(url.local), force_disable_check_same_thread=True)
        scheme = "https" if url.secure else "http"
        return QdrantClient(
            url=f"{scheme}://{url.host}:{url.port}",
            port=url.port,
            api_key=url.key or None,
            timeout=SECONDS,
            check_compatibility=False,
        )

    def close(self) -> None:
        """End the connection; a folder can then be opened by others."""
        self._client.close()

    @contextmanager
    def _talking(self) -> Iterator[None]:
        """Turn an error of the client into one line."""
        try:
            yield
        except E5VError:
            raise
        except Exception as error:
            message = self._url.hide(first_line(error))
            raise DataError(f"{self._url} cannot be used: {message}") from None

    def read_facts(self) -> Facts | None:
        """Return the facts, from the metadata of the collection."""
        with self._talking():
            if not self._client.collection_exists(self._name):
                return None
            stored = self._client.get_collection(self._name).config.metadata or {}
            return Facts.read(stored.get(FACTS), self._url)

    def write_facts(self, facts: Facts) -> None:
        """Replace the facts."""
        with self._talking():
            self._client.update_collection(self._name, metadata={FACTS: facts.write()})

    def create(self, facts: Facts) -> None:
        """Make the collection: vectors on disk, their sign bits in memory."""
        binary = models.BinaryQuantizationConfig(always_ram=True)
        vector = models.VectorParams(
            size=facts.dim,
            distance=models.Distance.DOT,
            datatype=models.Datatype.FLOAT16,
            on_disk=True,
            quantization_config=models.BinaryQuantization(binary=binary),
        )
        with self._talking():
            self._client.create_collection(
                self._name,
                vectors_config={VECTOR: vector},
                on_disk_payload=True,
                metadata={FACTS: facts.write()},
            )
            for column, kind in INDEXED.items() if self._url.local is None else ():
                self._client.create_payload_index(
                    self._name, column, models.PayloadSchemaType(kind)
                )

    def count(self, kind: str | None = None) -> int:
        """Count the points."""
        wanted = None if kind is None else _to_filter(Compare("kind", "=", kind))
        with self._talking():
            return self._client.count(self._name, count_filter=wanted, exact=True).count

    def stamps(self, ids: Sequence[str]) -> dict[str, str]:
        """Return the stamps of points, by the entries' ids."""
        found = self._retrieve(ids, ["id", "stamp"])
        return {one["id"]: one["stamp"] for one, _ in found}

    def upsert(self, rows: Sequence[Row]) -> None:
        """Write points and wait until they are there."""
        points = [
            models.PointStruct(
                id=_point(row.entry.id),
                vector={VECTOR: row.vector.astype(np.float32).tolist()},
                payload=row.texts,
            )
            for row in rows
        ]
        with self._talking():
            self._client.upsert(self._name, points, wait=True)

    def ids(self) -> Iterator[Sequence[str]]:
        """Yield the entries' ids, a page at a time."""
        following: Any = None
        while True:
            with self._talking():
                page, following = self._client.scroll(
                    self._name, limit=PAGE, offset=following, with_payload=["id"]
                )
            yield [(one.payload or {})["id"] for one in page]
            if following is None:
                return

    def delete(self, ids: Sequence[str]) -> None:
        """Remove points."""
        points: list[Any] = [_point(id) for id in ids]
        with self._talking():
            self._client.delete(self._name, models.PointIdsList(points=points), wait=True)

    def finish(self) -> None:
        """Do nothing: the server indexes by itself."""

    def is_native(self, leaf: Leaf) -> bool:
        """Return whether Qdrant has such a condition: texts are not ordered."""
        match leaf:
            case Like(ignore_case=False):
                return leaf.simple is not None and leaf.simple[0] != "suffix"
            case Compare(sign=sign, value=str()):
                return sign == "="
            case _:
                return not isinstance(leaf, Like)

    def search(
        self, query: NDArray[np.float32], k: int, condition: Condition | None, *, exact: bool
    ) -> list[Found]:
        """Find the nearest; local mode always compares every vector."""
        more = count_candidates(k) / k
        rescored = models.QuantizationSearchParams(rescore=True, oversampling=more)
        how = models.SearchParams(exact=exact, quantization=None if exact else rescored)
        with self._talking():
            reply = self._client.query_points(
                self._name,
                query=query.tolist(),
                using=VECTOR,
                limit=k,
                query_filter=None if condition is None else _to_filter(condition),
                search_params=how if self._url.local is None else None,
                with_payload=list(COLUMNS),
            )
        return [read_found(one.payload or {}, one.score) for one in reply.points]

    def entries(self, ids: Sequence[str]) -> list[Entry]:
        """Return entries by id."""
        return [read_found(one).entry for one, _ in self._retrieve(ids, list(COLUMNS))]

    def vectors(self, ids: Sequence[str]) -> dict[str, NDArray[np.float32]]:
        """Return vectors by the entries' ids."""
        found = self._retrieve(ids, ["id"], vectors=True)
        return {one["id"]: np.array(vector[VECTOR], np.float32) for one, vector in found}

    def newest(self, kind: str | None, count: int) -> list[Found]:
        """Return the newest entries; of those of one time, which have no order, the first."""
        every = [] if kind is None else [_to_filter(Compare("kind", "=", kind))]
        found = self._scroll(
            every, models.OrderBy(key="mtime", direction=models.Direction.DESC), count
        )
        if len(found) < count:
            return found
        last = found[-1].entry.mtime
        found = [one for one in found if one.entry.mtime > last]
        tied = [*every, _to_filter(Compare("mtime", "=", last))]
        return found + self._scroll(tied, models.OrderBy(key="number"), count - len(found))

    def _scroll(self, every: list[models.Filter], order: models.OrderBy, count: int) -> list[Found]:
        """Return the first entries in an order, of those that fulfil all conditions."""
        with self._talking():
            page, _ = self._client.scroll(
                self._name,
                scroll_filter=models.Filter(must=[*every]),
                limit=count,
                order_by=order,
                with_payload=list(COLUMNS),
            )
        return [read_found(one.payload or {}) for one in page]

    def sample(self, count: int) -> list[str]:
        """Return the ids of the first points: their own ids are hashes."""
        with self._talking():
            page, _ = self._client.scroll(self._name, limit=count, with_payload=["id"])
        return [(one.payload or {})["id"] for one in page]

    def _retrieve(
        self, ids: Sequence[str], columns: list[str], *, vectors: bool = False
    ) -> list[tuple[dict[str, Any], Any]]:
        """Return payload and vectors of points."""
        with self._talking():
            found = self._client.retrieve(
                self._name,
                [_point(id) for id in ids],
                with_payload=columns,
                with_vectors=[VECTOR] if vectors else False,
            )
        return [(one.payload or {}, one.vector) for one in found]


def open_url(url: DatabaseUrl) -> QdrantDatabase:
    """Connect to the collection of a URL."""
    return QdrantDatabase(url)


def _point(id: str) -> str:
    """Return the id of an entry's point: a UUID, the same in every run."""
    return str(uuid.uuid5(NAMESPACE, id))


def _to_filter(condition: Condition) -> models.Filter:
    match condition:
        case And(parts):
            return models.Filter(must=[_to_filter(part) for part in parts])
        case Or(parts):
            return models.Filter(should=[_to_filter(part) for part in parts])
        case Not(part):
            return models.Filter(must_not=[_to_filter(part)])
        case _:
            return models.Filter(must=[_to_field(condition)])


RANGES = {"<": "lt", "<=": "lte", ">": "gt", ">=": "gte"}


def _to_field(leaf: Leaf) -> models.FieldCondition:
    """Return a condition on one field; numbers are compared as 64-bit floats, but for equality."""
    match leaf:
        case OneOf(column, values):
            match: Any = models.MatchAny(any=list(values))  # type: ignore[arg-type]
        case Like(column, _):
            kind, text = leaf.simple or ("equal", "")
            matches: dict[str, Callable[[], Any]] = {
                "equal": lambda: models.MatchValue(value=text),
                "prefix": lambda: models.MatchPrefix(prefix=text),
                "substring": lambda: models.MatchSubstring(substring=text),
            }
            match = matches[kind]()
        case Compare(column, "=", value):
            match = models.MatchValue(value=value)
        case Compare(column, sign, value):
            bounds = models.Range(**{RANGES[sign]: float(value)})
            return models.FieldCondition(key=column, range=bounds)
    return models.FieldCondition(key=column, match=match)
