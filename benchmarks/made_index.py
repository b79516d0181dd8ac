"""A made-up index of any size, and the folder that it follows, in minutes.

a world's vectors (worlds.py) -> batches in the table's own columns -> LanceDB
                              -> the writer makes signs and LanceDB's index, as of any table
numbers -> an empty file each, of one mtime -> an incremental run finds nothing changed

Nothing is embedded, and no record is a Python object, so ten million rows take less than an hour.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import lancedb
import numpy as np
import pyarrow as pa

from benchmarks.worlds import Drawer
from e5v.search.entries import CAPTURED
from e5v.search.entry_table import NAME
from e5v.search.manifest import Manifest, write_manifest
from e5v.search.table_rows import schema
from e5v.search.writer import writing

BATCH = 2**15  # rows
EACH = 10_000  # files in a folder
MTIME = 1_700_000_000_000_000_000  # nanoseconds


@dataclass(frozen=True)
class MadeIndex:
    """An index of `rows` photos in `photos`, which are empty files."""

    folder: Path
    photos: Path
    rows: int


def make_photos(photos: Path, rows: int) -> None:
    """Make empty files, in folders of some; those that are there stay."""
    for start in range(0, rows, EACH):
        inner = photos / f"{start // EACH:05d}"
        inner.mkdir(parents=True, exist_ok=True)
        for number in range(start, min(start + EACH, rows)):
            path = _path(photos, number)
            if not os.path.exists(path):  # noqa: PTH110
                os.close(os.open(path, os.O_CREAT | os.O_WRONLY))
                os.utime(path, ns=(MTIME, MTIME))


def _path(photos: Path, number: int) -> str:
    return f"{photos}/{number // EACH:05d}/{number:08d}.jpg"


def make_index(made: MadeIndex, drawer: Drawer) -> None:
    """Write the index; its folder must not exist."""
    manifest = Manifest("made-up", "made-up", "float32", drawer.dim, roots=(str(made.photos),))
    made.folder.mkdir(parents=True)
    columns = schema(drawer.dim)
    table = lancedb.connect(made.folder).create_table(NAME, schema=columns)
    table.add(pa.RecordBatchReader.from_batches(columns, _batches(made, drawer)))
    write_manifest(made.folder, manifest)
    with writing(made.folder, lambda: manifest) as writer:  # which makes the signs
        writer.optimize()


def _batches(made: MadeIndex, drawer: Drawer) -> Iterator[pa.RecordBatch]:
    for start in range(0, made.rows, BATCH):
        numbers = range(start, min(start + BATCH, made.rows))
        yield make_batch(made.photos, numbers, drawer)


def make_batch(photos: Path, numbers: range, drawer: Drawer) -> pa.RecordBatch:
    """Return the records of some photos, numbered from 0, as the table has them."""
    count = len(numbers)
    paths = pa.array([_path(photos, number) for number in numbers], pa.string())
    names = pa.array([f"{number:032x}" for number in numbers], pa.string())
    rows = drawer.rows(count, seed=numbers.start).astype(np.float16)
    values: dict[str, object] = {
        "row": np.arange(numbers.start, numbers.stop) + 1,
        "source": paths,
        "source_mtime": np.full(count, MTIME),
        "source_parts": np.ones(count, np.int64),
        "id": names,
        "path": paths,
        "kind": ["image"] * count,
        "mtime": np.full(count, MTIME),
        "digest": names,
        "text": [f"a made-up caption of photo {number}" for number in numbers],
        "thumbnail": [b""] * count,
        "vector": pa.FixedSizeListArray.from_arrays(pa.array(rows.reshape(-1)), drawer.dim),
        **dict.fromkeys(CAPTURED, [None] * count),
    }
    zeros = np.zeros(count, np.int64)
    columns = schema(drawer.dim)
    arrays = [_array(values.get(field.name, zeros), field.type) for field in columns]
    return pa.RecordBatch.from_arrays(arrays, schema=columns)


def _array(values: object, type_: pa.DataType) -> pa.Array:
    return values if isinstance(values, pa.Array) else pa.array(values, type_)
