"""Milvus: a collection with scalar fields and a vector, whose index rescores candidates by bits.

rows -> fields, keyed by the entries' ids -> IVF_RABITQ refined in float16 -> the nearest

A file of this machine is Milvus Lite: vectors are float32 there, and every one is compared.
"""

import json
import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from heapq import nlargest
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from e5v.databases.conditions import Compare, Condition, Leaf
from e5v.databases.database import FACTS, Facts, count_candidates
from e5v.databases.milvus_conditions import is_native, to_expression
from e5v.databases.rows import COLUMNS, NUMBERS, VECTOR, Found, Row, read_found
from e5v.databases.url import DatabaseUrl
from e5v.errors import DataError, E5VError, UsageError, first_line
from e5v.extras import imported
from e5v.search.entries import Entry

with imported("Milvus", extra="milvus"):
    from pymilvus import DataType, MilvusClient

SECONDS = 60.0  # an answer may take
CONNECT_SECONDS = 10.0
PAGE = 1_000  # rows of one reply
MOST = 16_384  # rows of one reply that a server gives
LONGEST = {  # bytes of a text
    "id": 256,
    "path": 16_384,
    "raw_path": 16_384,
    "kind": 16,
    "digest": 256,
    "text": 16_384,
    "stamp": 64,
    "thumbnail": 65_535,
}
LISTS, PROBED = 1_024, 64  # parts that the index divides the vectors into, and that are searched


class MilvusDatabase:
    """A collection of a Milvus server, or of a file of Milvus Lite."""

    def __init__(self, url: DatabaseUrl) -> None:
        self._url, self._name = url, url.collection
        self._half = url.local is None  # Milvus Lite has no float16
        with self._talking():
            self._client = self._connect()

    def _connect(self) -> MilvusClient:
        url = self._url
        if url.local is not None:
            return MilvusClient(str(url.local), timeout=CONNECT_SECONDS)
        token = f"{url.user}:{url.password}" if url.user and url.password else url.key
        address = f"{'https' if url.secure else 'http'}://{url.host}:{url.port}"
        return MilvusClient(
            address, token=token, db_name=url.database or "default", timeout=CONNECT_SECONDS
        )

    def close(self) -> None:
        """End the connection; a file can then be opened by others."""
        self._client.close()
        if self._url.local is not None:
            from milvus_lite import server_manager_instance

            server_manager_instance.release_server(str(self._url.local))

    @contextmanager
    def _talking(self) -> Iterator[None]:
        """Turn an error of the client into one line."""
        try:
            yield
        except E5VError:
            raise
        except Exception as error:
            message = getattr(error, "message", "") or first_line(error)
            message = self._url.hide(str(message).splitlines()[0])
            raise DataError(f"{self._url} cannot be used: {message}") from None

    def read_facts(self) -> Facts | None:
        """Return the facts, from the properties of the collection."""
        with self._talking():
            if not self._client.has_collection(self._name):
                return None
            described = self._client.describe_collection(self._name)
            facts = Facts.read(described.get("properties", {}).get(FACTS), self._url)
            self._client.load_collection(self._name)
            return facts

    def write_facts(self, facts: Facts) -> None:
        """Replace the facts."""
        with self._talking():
            self._client.alter_collection_properties(self._name, {FACTS: facts.write()})

    def create(self, facts: Facts) -> None:
        """Make the collection and its index."""
        schema = MilvusClient.create_schema(auto_id=False, enable_dynamic_field=False)
        for name, longest in LONGEST.items():
            schema.add_field(name, DataType.VARCHAR, max_length=longest, is_primary=name == "id")
        for name in NUMBERS:
            schema.add_field(name, DataType.INT64)
        kind = DataType.FLOAT16_VECTOR if self._half else DataType.FLOAT_VECTOR
        schema.add_field(VECTOR, kind, dim=facts.dim)
        index = MilvusClient.prepare_index_params()
        refined = {"nlist": LISTS, "refine": True, "refine_type": "FP16"}
        index.add_index(
            VECTOR,
            index_type="IVF_RABITQ" if self._half else "FLAT",
            metric_type="IP",
            params=refined if self._half else {},
        )
        with self._talking():
            self._client.create_collection(
                self._name,
                schema=schema,
                index_params=index,
                consistency_level="Strong",
                properties={FACTS: facts.write()},
            )

    def count(self, kind: str | None = None) -> int:
        """Count the rows."""
        wanted = "" if kind is None else to_expression(Compare("kind", "=", kind))
        [found] = self._query(wanted, ["count(*)"])
        return int(found["count(*)"])

    def stamps(self, ids: Sequence[str]) -> dict[str, str]:
        """Return the stamps of rows."""
        return {one["id"]: one["stamp"] for one in self._get(ids, ["id", "stamp"])}

    def upsert(self, rows: Sequence[Row]) -> None:
        """Write rows."""
        kind = np.float16 if self._half else np.float32
        data = [row.texts | {VECTOR: row.vector.astype(kind)} for row in rows]
        for one in data:
            _check_length(one)
        with self._talking():
            self._client.upsert(self._name, data, timeout=SECONDS)

    def ids(self) -> Iterator[Sequence[str]]:
        """Yield the ids of all rows, a page at a time."""
        for page in self._pages(["id"]):
            yield [one["id"] for one in page]

    def delete(self, ids: Sequence[str]) -> None:
        """Remove rows."""
        with self._talking():
            self._client.delete(self._name, ids=list(ids), timeout=SECONDS)

    def finish(self) -> None:
        """Close the rows that are still collected, so that they are indexed."""
        with self._talking():
            self._client.flush(self._name, timeout=SECONDS)

    def is_native(self, leaf: Leaf) -> bool:
        """Return whether Milvus has such a condition, for texts that need no escaping."""
        return is_native(leaf)

    def search(
        self, query: NDArray[np.float32], k: int, condition: Condition | None, *, exact: bool
    ) -> list[Found]:
        """Find the nearest; for `exact`, all parts of the index are searched."""
        how = {"nprobe": LISTS if exact else PROBED, "refine_k": count_candidates(k) / k}
        with self._talking():
            [hits] = self._client.search(
                self._name,
                data=[query.astype(np.float16) if self._half else query],
                anns_field=VECTOR,
                limit=min(k, MOST),
                filter="" if condition is None else to_expression(condition),
                output_fields=list(COLUMNS),
                search_params={"metric_type": "IP", "params": how if self._half else {}},
                consistency_level="Strong",
                timeout=SECONDS,
            )
        return [read_found({**one["entity"], "id": one["id"]}, one["distance"]) for one in hits]

    def entries(self, ids: Sequence[str]) -> list[Entry]:
        """Return entries by id."""
        return [read_found(one).entry for one in self._get(ids, list(COLUMNS))]

    def vectors(self, ids: Sequence[str]) -> dict[str, NDArray[np.float32]]:
        """Return vectors by id."""
        return {one["id"]: _to_vector(one[VECTOR]) for one in self._get(ids, ["id", VECTOR])}

    def newest(self, kind: str | None, count: int) -> list[Found]:
        """Return the newest entries; Milvus has no order, so the times of all rows are read."""
        wanted = "" if kind is None else to_expression(Compare("kind", "=", kind))
        times = (
            (one["mtime"], -one["number"], one["id"])
            for page in self._pages(["id", "mtime", "number"], wanted)
            for one in page
        )
        ids = [id for _, _, id in nlargest(count, times)]
        return [read_found(one) for one in self._get(ids, list(COLUMNS))]

    def sample(self, count: int) -> list[str]:
        """Return the first ids: they are hashes."""
        ids = (id for page in self.ids() for id in page)
        return list(islice(ids, count))

    def _get(self, ids: Sequence[str], fields: list[str]) -> list[dict[str, Any]]:
        """Return fields of rows by id."""
        found: list[dict[str, Any]] = []
        for start in range(0, len(ids), PAGE):
            named = json.dumps(list(ids[start : start + PAGE]))
            found += self._query(f"id in {named}", fields)
        return found

    def _query(self, expression: str, fields: list[str]) -> list[dict[str, Any]]:
        with self._talking():
            found: list[dict[str, Any]] = self._client.query(
                self._name,
                filter=expression,
                output_fields=fields,
                consistency_level="Strong",
                timeout=SECONDS,
            )
        return found

    def _pages(self, fields: list[str], expression: str = "") -> Iterator[list[dict[str, Any]]]:
        """Yield fields of all rows, a page at a time."""
        with self._talking():
            with _without_warnings():  # Milvus Lite gives no timestamp, which it need not
                pages = self._client.query_iterator(
                    self._name,
                    batch_size=PAGE,
                    filter=expression,
                    output_fields=fields,
                    consistency_level="Strong",
                )
            while page := pages.next():
                yield page
            pages.close()


def open_url(url: DatabaseUrl) -> MilvusDatabase:
    """Connect to the collection of a URL."""
    return MilvusDatabase(url)


@contextmanager
def _without_warnings() -> Iterator[None]:
    """Keep the client from logging what no user can change."""
    logger = logging.getLogger("pymilvus.client.iterator.query_iterator")
    before, logger.disabled = logger.disabled, True
    try:
        yield
    finally:
        logger.disabled = before


def _check_length(values: dict[str, Any]) -> None:
    """Raise `UsageError` for a text that is longer than its field; Milvus names no row."""
    for name, longest in LONGEST.items():
        if (size := len(values[name].encode())) > longest:
            raise UsageError(
                f"{values['path'][:200]} has a {name} of {size:,} bytes, of which Milvus holds "
                f"{longest:,}; leave out thumbnails, or choose another database"
            )


def _to_vector(stored: Any) -> NDArray[np.float32]:
    """Return a stored vector: numbers, or the bytes of float16."""
    [*values] = [stored] if isinstance(stored, bytes) else stored
    if values and isinstance(values[0], bytes):
        return np.frombuffer(values[0], "<f2").astype(np.float32)
    return np.array(values, np.float32)
