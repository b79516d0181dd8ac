"""One part as a Parquet file: id, content, vector, tokens, cut and error of every row.

PartRow, one by one -> row groups of bounded size -> a digest of all rows in the footer

`vector` is a list of fixed size of float32, float16, int8, or uint8 (bits, packed), and null where
the item could not be embedded; `error` then says why. `content` identifies what was embedded.
"""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from e5v.errors import DataError
from e5v.extras import imported
from e5v.parts.part_folder import PartFolder
from e5v.parts.plan import PlannedPart
from e5v.parts.settings import Settings

if TYPE_CHECKING:
    from pyarrow.parquet import ParquetFile, ParquetWriter

GROUP_BYTES = 16 * 2**20  # vectors of a row group: as many are in memory,
GROUP_ROWS = 2**16  # and at most so many rows
FOOTER = b"e5v.part"


@dataclass(frozen=True)
class PartRow:
    """One row: `vector` is None and `error` says why if the item could not be embedded.

    `content` is a 16-byte digest of what was embedded (`e5v.model.images.digest`), or zeros.
    """

    id: str
    content: bytes
    vector: NDArray[np.generic] | None
    tokens: int = 0
    cut: bool = False
    error: str | None = None


@dataclass(frozen=True)
class PartFacts:
    """What a part says of itself: `rows` of `source` from number `start`.

    `errors` of them have no vector; `tokens` in all, `cut` texts that were truncated;
    `digest` is of all rows.
    """

    name: str
    source: str
    start: int
    rows: int
    errors: int
    tokens: int
    cut: int
    digest: str

    @property
    def place(self) -> tuple[str, int]:
        """The range of rows that it is of, whatever their content."""
        return self.source, self.start


class PartFile:
    """A part being written."""

    def __init__(self, file: BinaryIO, planned: PlannedPart, settings: Settings) -> None:
        self._file, self._planned, self._settings = file, planned, settings
        self._rows: list[PartRow] = []
        self._writer: ParquetWriter | None = None
        self._digest = hashlib.blake2b(digest_size=16)
        self._counts = dict.fromkeys(("rows", "errors", "tokens", "cut"), 0)

    def add(self, row: PartRow) -> None:
        """Write a row, once there are enough for a row group."""
        self._rows.append(row)
        self._counts["rows"] += 1
        self._counts["errors"] += row.vector is None
        self._counts["tokens"] += row.tokens
        self._counts["cut"] += row.cut
        width = _count_values(self._settings)
        size = len(self._rows) * width * _find_type(self._settings).itemsize
        if size >= GROUP_BYTES or len(self._rows) >= GROUP_ROWS:
            self._flush()

    def close(self) -> PartFacts:
        """Write what is left and the footer."""
        self._flush()
        assert self._writer is not None  # it has been flushed
        digest = self._digest.hexdigest()
        planned = self._planned
        facts = PartFacts(
            planned.name, planned.source, planned.start, digest=digest, **self._counts
        )
        self._writer.add_key_value_metadata({FOOTER: json.dumps(asdict(facts)).encode()})
        self._writer.close()
        return facts

    def _flush(self) -> None:
        with imported("parts"):
            import pyarrow as pa
            import pyarrow.parquet as pq

        dtype, width = _find_type(self._settings), _count_values(self._settings)
        vectors = np.zeros((len(self._rows), width), dtype)
        for place, row in enumerate(self._rows):
            if row.vector is not None:
                vectors[place] = row.vector
        absent = pa.array([row.vector is None for row in self._rows], pa.bool_())
        columns = {
            "id": pa.array([_make_valid(row.id) for row in self._rows], pa.string()),
            "content": pa.array([row.content for row in self._rows], pa.binary(16)),
            "vector": pa.FixedSizeListArray.from_arrays(vectors.reshape(-1), width, mask=absent),
            "tokens": pa.array([row.tokens for row in self._rows], pa.int32()),
            "cut": pa.array([row.cut for row in self._rows], pa.bool_()),
            "error": pa.array([row.error for row in self._rows], pa.string()),
        }
        group = pa.table(columns)
        self._writer = self._writer or pq.ParquetWriter(
            self._file,
            group.schema,
            compression=COMPRESSION,
            use_dictionary=["error"],
            write_statistics=False,
            write_page_checksum=True,
        )
        self._writer.write_table(group)
        update_digest(self._digest, group)
        self._rows = []


# Vectors are as good as random, and do not become smaller; their ids do.
COMPRESSION = {"id": "zstd", "error": "zstd", "vector.list.element": "none"}


def update_digest(state: Any, group: Any) -> None:
    """Add the rows of a group to a digest of a part."""
    for row in group.drop_columns(["vector"]).to_pylist():
        state.update(repr(tuple(row.values())).encode("utf-8", "surrogatepass"))
    state.update(read_vectors(group).reshape(-1).view(np.uint8))


def read_vectors(group: Any) -> NDArray[Any]:
    """Return the vectors (n, d) of a table; rows of zeros where there is none."""
    column = group["vector"].combine_chunks()
    width, child = column.type.list_size, column.values
    # Not to_numpy: where a row is null, integers would become floats.
    flat = np.frombuffer(child.buffers()[1], child.type.to_pandas_dtype())
    start = child.offset + column.offset * width
    rows = flat[start : start + len(column) * width].reshape(len(column), width).copy()
    rows[column.is_null().to_numpy(zero_copy_only=False)] = 0
    return rows


def read_facts(file: "ParquetFile", name: str) -> PartFacts:
    """Read what an open part says of itself.

    Raises:
        DataError: it is not a part, or another one.
    """
    stored = (file.metadata.metadata or {}).get(FOOTER)
    try:
        facts = PartFacts(**json.loads(stored or b"null"))
    except (ValueError, TypeError):
        raise DataError(f"{name} is not a part: it has no facts of one") from None
    if facts.rows != file.metadata.num_rows or f"{facts.name}.parquet" != name:
        raise DataError(f"{name} is not what it says: it has {facts.rows} rows of {facts.name}")
    return facts


def verify_part(folder: PartFolder, name: str) -> PartFacts:
    """Read a part whole and return what it says of itself.

    Raises:
        DataError: it is missing, damaged, or not a part.
    """
    state = hashlib.blake2b(digest_size=16)
    with folder.open_part(name) as file:
        facts = read_facts(file, name)
        for group in read_groups(file):
            update_digest(state, group)
    if state.hexdigest() != facts.digest:
        raise DataError(f"{folder / name} is damaged: its rows are not those that were written")
    return facts


def read_groups(file: "ParquetFile") -> Iterator[Any]:
    """Yield the row groups of an open part, as tables."""
    for number in range(file.num_row_groups):
        yield file.read_row_group(number)


def _count_values(settings: Settings) -> int:
    return -(-settings.dim // 8) if settings.precision == "binary" else settings.dim


def _find_type(settings: Settings) -> "np.dtype[Any]":
    stored = "uint8" if settings.precision == "binary" else settings.precision
    return np.dtype(stored)


def _make_valid(text: str) -> str:
    """Return a text that can be stored: a name that is not UTF-8 has half a surrogate pair."""
    return text.encode("utf-8", "backslashreplace").decode()
