"""The columns of the table of entries, and records as rows of it.

Record <-> number and values by column; with vectors -> one Arrow table, in the columns of `schema`
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from e5v.extras import imported
from e5v.search.entries import CAPTURED, Entry
from e5v.search.records import Known, Source

with imported("an index"):
    import pyarrow as pa

VECTOR = "vector"
SHOWN = ("id", "path", "kind", "part", "size", "mtime", "digest", "text", "thumbnail")
COLUMNS = (*SHOWN, "width", "height", *CAPTURED)  # of an Entry; CAPTURED since format 4
SOURCE = ("source", "source_size", "source_mtime", "source_parts")  # the file that names it
LEDGER = ("row", *SOURCE, "id", "path", "kind", "part", "size", "mtime", "digest")


@dataclass(frozen=True, slots=True)
class Record:
    """What is written of an entry: the entry, its source, and its vector (d,)."""

    entry: Entry
    source: Source
    vector: NDArray[np.floating]


def describe(number: int, record: Record) -> dict[str, Any]:
    """Return the values of a record by column, but for its vector."""
    source = record.source
    stored = dict(zip(SOURCE, (source.path, source.size, source.mtime, source.parts), strict=True))
    columns = {name: value for name, value in asdict(record.entry).items() if name in COLUMNS}
    return {"row": number, **stored, **columns}


def record_of(row: Mapping[str, Any], vector: NDArray[np.floating]) -> Record:
    """Return the record of a row and its vector (d,)."""
    entry = Entry(**{name: row[name] for name in COLUMNS if name in row})
    return Record(entry, _source_of(row), vector)


def known_of(row: Mapping[str, Any]) -> Known:
    """Return what a writer remembers of a row."""
    return Known(row["row"], _source_of(row), *(row[name] for name in LEDGER[len(SOURCE) + 1 :]))


def _source_of(row: Mapping[str, Any]) -> Source:
    return Source(*(row[name] for name in SOURCE))


def schema(dim: int) -> pa.Schema:
    """Return the columns of the table; `source_parts` is the number of entries of its source."""
    text, whole = pa.string(), pa.int64()
    types = {
        "row": whole,
        "source": text,
        "source_size": whole,
        "source_mtime": whole,
        "source_parts": whole,
        **dict.fromkeys(COLUMNS, text),
        "part": whole,
        "size": whole,
        "mtime": whole,
        "thumbnail": pa.binary(),
        "width": whole,
        "height": whole,
        VECTOR: pa.list_(pa.float16(), dim),
        "latitude": pa.float64(),
        "longitude": pa.float64(),
    }
    return pa.schema(list(types.items()))


def lacking(columns: pa.Schema) -> pa.Schema:
    """Return the columns that a table of an earlier format lacks."""
    every = schema(1)
    return pa.schema([every.field(name) for name in CAPTURED if name not in columns.names])


def make_rows(
    columns: pa.Schema, records: Sequence[Mapping[str, Any]], vectors: NDArray[np.float16]
) -> pa.Table:
    """Return records and their vectors (n, d) in the columns of a table."""
    flat = pa.array(np.ascontiguousarray(vectors).reshape(-1))
    rows = pa.FixedSizeListArray.from_arrays(flat, vectors.shape[1])
    arrays = [
        rows if one.name == VECTOR else pa.array([record[one.name] for record in records], one.type)
        for one in columns
    ]
    return pa.Table.from_arrays(arrays, columns.names)


def make_states(known: Sequence[Known]) -> pa.Table:
    """Return what records say of their files, by number, as columns of a table."""
    sources = [one.source for one in known]
    columns = {
        "row": [one.number for one in known],
        "source_size": [one.size for one in sources],
        "source_mtime": [one.mtime for one in sources],
        "source_parts": [one.parts for one in sources],
        "part": [one.part for one in known],
        "size": [one.size for one in known],
        "mtime": [one.mtime for one in known],
    }
    return pa.table({name: pa.array(values, pa.int64()) for name, values in columns.items()})
