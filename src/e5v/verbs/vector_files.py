"""Vectors as rows of a file: JSON lines, a NumPy array, or Parquet.

VectorRow, one by one -> VectorFile of the format, beside the target -> renamed onto the target

Rows are written as they come, so a table may be larger than memory.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Protocol

import numpy as np
from numpy.typing import NDArray

from e5v.errors import UsageError
from e5v.extras import imported
from e5v.files import replace_file

GROUP_BYTES = 16 * 2**20  # vectors held before they are written as one row group of Parquet,
GROUP_ROWS = 2**16  # and at most how many: beside a few bytes of signs, their names are the bulk
NAMES = frozenset({"id", "path", "text"})  # what may stand for an item alone


@dataclass(frozen=True)
class VectorRow:
    """One vector and what it is of: `label` as the user named it, `kind` text, image or mixture."""

    position: int
    label: Mapping[str, Any]
    kind: str
    vector: NDArray[np.generic]


class VectorFile(Protocol):
    """A file of rows being written."""

    def add(self, row: VectorRow) -> None:
        """Write a row; every vector has the shape and type of the first."""

    def close(self) -> None:
        """Write what is left."""


class JsonLines:
    """An object per line: the item's label and "vector"."""

    def __init__(self, file: BinaryIO, facts: Mapping[str, str]) -> None:
        del facts  # a line is about its item alone
        self._file = file

    def add(self, row: VectorRow) -> None:
        """Write one line; numbers in the fewest digits that give the same value back."""
        label = json.dumps(dict(row.label))[1:-1]
        numbers = ", ".join(map(str, row.vector))
        line = f'{{{label}{", " if label else ""}"vector": [{numbers}]}}\n'
        self._file.write(line.encode())

    def close(self) -> None:
        """Do nothing: every line is written."""


class Npy:
    """The array (n, d) alone, as `numpy.save` writes it."""

    def __init__(self, file: BinaryIO, facts: Mapping[str, str]) -> None:
        del facts  # the format has no place for them
        self._file = file
        self._count = 0
        self._shape: tuple[int, ...] = ()
        self._dtype: np.dtype[Any] = np.dtype(np.float32)

    def add(self, row: VectorRow) -> None:
        """Write one row of the array."""
        if not self._count:
            self._shape, self._dtype = row.vector.shape, row.vector.dtype
            self._write_header()
        self._count += 1
        self._file.write(row.vector.tobytes())

    def close(self) -> None:
        """Write the number of rows into the header, which has room for it."""
        self._file.seek(0)
        self._write_header()

    def _write_header(self) -> None:
        descr = np.lib.format.dtype_to_descr(self._dtype)
        shape = (self._count, *self._shape)
        header = {"descr": descr, "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(self._file, header)


class Parquet:
    """Columns position, source, kind and vector (a list of fixed size); facts in the schema."""

    def __init__(self, file: BinaryIO, facts: Mapping[str, str]) -> None:
        self._file = file
        self._facts = {f"e5v.{name}": value for name, value in facts.items()}
        self._rows: list[VectorRow] = []
        self._writer: Any = None

    def add(self, row: VectorRow) -> None:
        """Keep the row until there are enough for a row group."""
        self._rows.append(row)
        count = len(self._rows)
        if count * row.vector.nbytes >= GROUP_BYTES or count >= GROUP_ROWS:
            self._flush()

    def close(self) -> None:
        """Write the last row group and the footer."""
        if self._rows:
            self._flush()
        if self._writer:
            self._writer.close()

    def _flush(self) -> None:
        with imported("Parquet"):
            import pyarrow as pa
            import pyarrow.parquet as pq

        vectors = np.stack([row.vector for row in self._rows])
        columns = {
            "position": pa.array([row.position for row in self._rows], pa.int64()),
            "source": pa.array([_format_source(row.label) for row in self._rows], pa.string()),
            "kind": pa.array([row.kind for row in self._rows], pa.string()),
            "vector": pa.FixedSizeListArray.from_arrays(vectors.reshape(-1), vectors.shape[1]),
        }
        group = pa.table(columns, metadata=self._facts)
        self._writer = self._writer or pq.ParquetWriter(self._file, group.schema)
        self._writer.write_table(group)
        self._rows = []


FORMATS: dict[str, Callable[[BinaryIO, Mapping[str, str]], VectorFile]] = {
    "jsonl": JsonLines,
    "npy": Npy,
    "parquet": Parquet,
}


def _format_source(label: Mapping[str, Any]) -> str:
    """Name an item in one string: its id, path or text, or all of its label."""
    name = (
        next(iter(label.values())) if len(label) == 1 and NAMES.issuperset(label) else dict(label)
    )
    source = name if isinstance(name, str) else json.dumps(name)
    return source.encode("utf-8", "backslashreplace").decode()


@contextmanager
def new_file(path: Path) -> Iterator[BinaryIO]:
    """Open a new file beside `path` and give it that name once all is well; else remove it.

    Raises:
        UsageError: the folder does not exist, or the path is something else than a file.
    """
    target = path.resolve()  # a link stays a link
    if not target.parent.is_dir():
        raise UsageError(f"the folder {path.parent} does not exist; make it first")
    if target.exists() and not target.is_file():
        raise UsageError(f"{path} is no plain file; name a file to write")
    with replace_file(target) as part, part.open("wb") as file:
        yield file
