"""PostgreSQL with pgvector: a table with a column of vectors, and an index of their sign bits.

rows -> a table, keyed by the entries' ids -> HNSW over sign bits -> scores of the candidates

With pgvector 0.7 or later, vectors are halfvec, and the index is over binary_quantize of them: an
HNSW index over the vectors themselves is limited to 4,000 numbers (2,000 of a vector), one over
bits to 64,000. Before, vectors are float32 and every one is compared.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from threading import RLock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from e5v.databases.conditions import And, Compare, Condition, Leaf, Like, Not, OneOf, Or
from e5v.databases.database import FACTS, Facts, count_candidates
from e5v.databases.rows import COLUMNS, NUMBERS, TEXTS, VECTOR, Found, Row, read_found
from e5v.databases.url import DatabaseUrl
from e5v.errors import DataError, E5VError, first_line
from e5v.extras import imported
from e5v.search.entries import Entry

with imported("PostgreSQL", extra="pgvector"):
    import psycopg
    from pgvector import HalfVector, Vector
    from pgvector.psycopg import register_vector
    from psycopg import sql
    from psycopg.rows import dict_row

CONNECT_SECONDS = 10
PAGE = 1_000  # rows of one reply
HALF = (0, 7)  # versions of pgvector from which there are halfvec and binary_quantize,
ITERATIVE = (0, 8)  # and an index scan that goes on until enough rows pass the filter
MOST_CANDIDATES = 1_000  # of hnsw.ef_search
SIGNS = {  # of conditions
    "=": sql.SQL("({} = {})"),
    "<": sql.SQL("({} < {})"),
    "<=": sql.SQL("({} <= {})"),
    ">": sql.SQL("({} > {})"),
    ">=": sql.SQL("({} >= {})"),
}
NEAR = sql.SQL(
    "(SELECT * FROM {} WHERE {} ORDER BY {} <~> binary_quantize(%(query)s) LIMIT {}) candidates"
)
Sql = sql.SQL | sql.Composed
NUL = "\0"  # no text of PostgreSQL can have it


class PgvectorDatabase:
    """A table of a PostgreSQL server."""

    def __init__(self, url: DatabaseUrl) -> None:
        self._url, self._table = url, sql.Identifier(url.collection)
        self._index = sql.Identifier(f"{url.collection[:50]}_bits")
        self._using = RLock()  # transactions of several threads would be one
        self._open: psycopg.Connection[dict[str, Any]] | None = None
        self._version = (0, 0)
        with self._talking():
            self._connection()

    def _connection(self) -> "psycopg.Connection[dict[str, Any]]":
        """Return the connection, made anew if it was lost."""
        if self._open is None or self._open.closed:
            fresh = psycopg.connect(
                self._url.connection,
                autocommit=True,
                connect_timeout=CONNECT_SECONDS,
                row_factory=dict_row,
            )
            self._prepare(fresh)
            self._open = fresh
        return self._open

    def _prepare(self, fresh: "psycopg.Connection[dict[str, Any]]") -> None:
        """Find out the version of pgvector, and register its types if it is there."""
        found = fresh.execute("SELECT extversion FROM pg_extension WHERE extname = 'vector'")
        if row := found.fetchone():
            major, minor, *_ = str(row["extversion"]).split(".")
            self._version = int(major), int(minor)
            register_vector(fresh)

    def close(self) -> None:
        """End the connection."""
        if self._open is not None:
            self._open.close()

    @contextmanager
    def _talking(self) -> Iterator[None]:
        """Have the connection alone, and turn an error of the client into one line."""
        try:
            with self._using:
                yield
        except E5VError:
            raise
        except Exception as error:
            message = self._url.hide(first_line(error))
            raise DataError(f"{self._url} cannot be used: {message}") from None

    def _ask(self, query: Sql, values: Sequence[object] = ()) -> list[dict[str, Any]]:
        with self._talking():
            found = self._connection().execute(query, values)
            return found.fetchall() if found.description else []

    @property
    def _half(self) -> bool:
        return self._version >= HALF

    def _vector(self, vector: NDArray[np.floating]) -> "HalfVector | Vector":
        return HalfVector(vector) if self._half else Vector(vector.astype(np.float32))

    def read_facts(self) -> Facts | None:
        """Return the facts, from the comment of the table."""
        query = "SELECT to_regclass(%s) AS t, obj_description(to_regclass(%s), 'pg_class') AS facts"
        [found] = self._ask(sql.SQL(query), [self._table.as_string()] * 2)
        if found["t"] is None:
            return None
        return Facts.read(str(found["facts"]).removeprefix(f"{FACTS} "), self._url)

    def write_facts(self, facts: Facts) -> None:
        """Replace the facts."""
        comment = sql.Literal(f"{FACTS} {facts.write()}")
        self._ask(sql.SQL("COMMENT ON TABLE {} IS {}").format(self._table, comment))

    def create(self, facts: Facts) -> None:
        """Make the table, and pgvector's extension if it is missing."""
        self._ask(sql.SQL("CREATE EXTENSION IF NOT EXISTS vector"))
        with self._talking():
            self._prepare(self._connection())
        kind = sql.SQL("halfvec" if self._half else "vector")
        columns = [
            sql.SQL('id text COLLATE "C" PRIMARY KEY'),
            *(sql.SQL('{} text COLLATE "C" NOT NULL').format(_name(one)) for one in TEXTS),
            *(sql.SQL("{} bigint NOT NULL").format(_name(one)) for one in NUMBERS),
            sql.SQL("thumbnail bytea NOT NULL, stamp text NOT NULL"),
            sql.SQL("{} {}({}) NOT NULL").format(_name(VECTOR), kind, sql.Literal(facts.dim)),
        ]
        make = sql.SQL("CREATE TABLE {} ({})")
        with self._talking(), self._connection().transaction():
            self._ask(make.format(self._table, sql.SQL(", ").join(columns)))
            self.write_facts(facts)
            self._ask(sql.SQL("CREATE INDEX ON {} (mtime DESC, number)").format(self._table))

    def count(self, kind: str | None = None) -> int:
        """Count the rows."""
        query = sql.SQL("SELECT count(*) AS rows FROM {} WHERE %s::text IS NULL OR kind = %s")
        [found] = self._ask(query.format(self._table), [kind, kind])
        return int(found["rows"])

    def stamps(self, ids: Sequence[str]) -> dict[str, str]:
        """Return the stamps of rows."""
        return {one["id"]: one["stamp"] for one in self._get(ids, ["id", "stamp"])}

    def upsert(self, rows: Sequence[Row]) -> None:
        """Write rows, as one transaction."""
        names = [*COLUMNS, "stamp", VECTOR]  # in the order of a row's values
        changes = [sql.SQL("{0} = EXCLUDED.{0}").format(_name(one)) for one in names[1:]]
        query = sql.SQL("INSERT INTO {} ({}) VALUES ({}) ON CONFLICT (id) DO UPDATE SET {}").format(
            self._table,
            _names(names),
            sql.SQL(", ").join([sql.Placeholder()] * len(names)),
            sql.SQL(", ").join(changes),
        )
        values = [
            [*map(_storable, row.values.values()), row.stamp, self._vector(row.vector)]
            for row in rows
        ]
        with self._talking():
            connection = self._connection()
            with connection.transaction(), connection.cursor() as cursor:
                cursor.executemany(query, values)

    def ids(self) -> Iterator[Sequence[str]]:
        """Yield the ids of all rows, in order, a page at a time."""
        query = sql.SQL("SELECT id FROM {} WHERE id > %s ORDER BY id LIMIT %s").format(self._table)
        last = ""
        while page := [one["id"] for one in self._ask(query, [last, PAGE])]:
            yield page
            last = page[-1]

    def delete(self, ids: Sequence[str]) -> None:
        """Remove rows."""
        query = sql.SQL("DELETE FROM {} WHERE id = ANY(%s)").format(self._table)
        self._ask(query, [list(ids)])

    def finish(self) -> None:
        """Make the index over sign bits, unless it is there or the extension has none."""
        if not self._half:
            return
        facts = self.read_facts()
        bits = self._bits(facts.dim if facts else 0)
        query = sql.SQL("CREATE INDEX IF NOT EXISTS {} ON {} USING hnsw (({}) bit_hamming_ops)")
        self._ask(query.format(self._index, self._table, bits))
        self._ask(sql.SQL("ANALYZE {}").format(self._table))

    def _bits(self, dim: int) -> sql.Composed:
        """The sign bits of a row, written as in the index, which is otherwise not used."""
        return sql.SQL("binary_quantize({})::bit({})").format(_name(VECTOR), sql.Literal(dim))

    def is_native(self, leaf: Leaf) -> bool:
        """Return whether PostgreSQL compares as the index does: ILIKE depends on its language."""
        return not (isinstance(leaf, Like) and leaf.ignore_case)

    def search(
        self, query: NDArray[np.float32], k: int, condition: Condition | None, *, exact: bool
    ) -> list[Found]:
        """Find the nearest: all scores, or those of candidates from the index over sign bits."""
        where = _to_sql(condition)
        score = sql.SQL("({}::vector <#> %(query)s)").format(_name(VECTOR))  # not of a half query
        source = sql.SQL("{} WHERE {}").format(self._table, where)
        if self._half and not exact:
            most = sql.Literal(max(k, min(MOST_CANDIDATES, count_candidates(k))))
            source = NEAR.format(self._table, where, self._bits(len(query)), most)
        ask = sql.SQL("SELECT {}, -{} AS score FROM {} ORDER BY {}, number LIMIT %(k)s").format(
            _names(COLUMNS), score, source, score
        )
        with self._talking():
            connection = self._connection()
            with connection.transaction():
                self._set_candidates(connection, k)
                found = connection.execute(ask, {"query": Vector(query), "k": k}).fetchall()
        return [read_found(one, one["score"]) for one in found]

    def _set_candidates(self, connection: "psycopg.Connection[dict[str, Any]]", k: int) -> None:
        """Have the index give enough candidates, in this transaction."""
        if self._half:
            most = min(MOST_CANDIDATES, count_candidates(k))
            connection.execute(f"SET LOCAL hnsw.ef_search = {most}")
        if self._version >= ITERATIVE:
            connection.execute("SET LOCAL hnsw.iterative_scan = relaxed_order")

    def entries(self, ids: Sequence[str]) -> list[Entry]:
        """Return entries by id."""
        return [read_found(one).entry for one in self._get(ids, COLUMNS)]

    def vectors(self, ids: Sequence[str]) -> dict[str, NDArray[np.float32]]:
        """Return vectors by id."""
        found = self._get(ids, ["id", VECTOR])
        return {one["id"]: one[VECTOR].to_numpy().astype(np.float32) for one in found}

    def newest(self, kind: str | None, count: int) -> list[Found]:
        """Return the newest entries."""
        query = sql.SQL(
            "SELECT {} FROM {} WHERE %s::text IS NULL OR kind = %s "
            "ORDER BY mtime DESC, number LIMIT %s"
        ).format(_names(COLUMNS), self._table)
        return [read_found(one) for one in self._ask(query, [kind, kind, count])]

    def sample(self, count: int) -> list[str]:
        """Return the first ids: they are hashes."""
        query = sql.SQL("SELECT id FROM {} ORDER BY id LIMIT %s").format(self._table)
        return [one["id"] for one in self._ask(query, [count])]

    def _get(self, ids: Sequence[str], columns: Sequence[str]) -> list[dict[str, Any]]:
        """Return columns of rows by id."""
        query = sql.SQL("SELECT {} FROM {} WHERE id = ANY(%s)").format(_names(columns), self._table)
        return self._ask(query, [list(ids)])


def open_url(url: DatabaseUrl) -> PgvectorDatabase:
    """Connect to the table of a URL."""
    return PgvectorDatabase(url)


def _name(column: str) -> sql.Identifier:
    return sql.Identifier(column)


def _names(columns: Sequence[str]) -> sql.Composed:
    return sql.SQL(", ").join(map(_name, columns))


def _storable(value: object) -> object:
    """Return a text without what PostgreSQL cannot hold: the character NUL."""
    return value.replace(NUL, "\ufffd") if isinstance(value, str) else value


def _to_sql(condition: Condition | None) -> Sql:
    match condition:
        case None:
            return sql.SQL("true")
        case And(parts) | Or(parts):
            sign = sql.SQL(" AND " if isinstance(condition, And) else " OR ")
            return sql.SQL("({})").format(sign.join(map(_to_sql, parts)))
        case Not(part):
            return sql.SQL("NOT {}").format(_to_sql(part))
        case OneOf(column, values):
            listed = sql.SQL(", ").join(map(_literal, values))
            return sql.SQL("({} IN ({}))").format(_name(column), listed)
        case Like(column, pattern):
            return sql.SQL("({} LIKE {})").format(_name(column), _literal(pattern))
        case Compare(column, compared, value):
            return SIGNS[compared].format(_name(column), _literal(value))


def _literal(value: str | int) -> sql.SQL:
    """Write a literal; a percent sign is doubled, as the query has placeholders."""
    return sql.SQL(sql.Literal(_storable(value)).as_string().replace("%", "%%"))
