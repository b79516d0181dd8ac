"""Export an index to one Parquet file: ids, payload and vectors, a row per entry.

index -> blocks of rows -> row groups -> a file that appears when it is complete
"""

from collections.abc import Generator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from e5v.databases.database import FACTS
from e5v.databases.exporting import ExportProgress, batch_rows, make_facts
from e5v.extras import imported
from e5v.files import replace_file
from e5v.search.entry_blocks import Block, EntryBlocks
from e5v.search.index_folder import IndexFolder

COLUMNS = ("id", "path", "kind", "part", "size", "mtime", "digest", "text", "thumbnail")
GROUP = 16  # batches in a row group


def export_parquet(
    index: str | Path | IndexFolder, path: Path, *, thumbnails: bool = True
) -> Generator[ExportProgress]:
    """Write the entries of an index with their vectors (float16) to a file; yield the progress.

    The metadata of its schema has the facts of the export as JSON, under "e5v".

    Raises:
        DataError: there is no index, or it cannot be read.
        MissingExtraError: pyarrow is not installed.
    """
    with imported("Parquet"):
        import pyarrow as pa
        import pyarrow.parquet as pq

    blocks = EntryBlocks.open(index)
    schema, done = _schema(blocks), ExportProgress(0, len(blocks))
    with replace_file(path) as part, pq.ParquetWriter(part, schema) as writer:
        waiting: list[Any] = []
        for block in blocks.read(batch_rows(blocks.manifest.dim)):
            waiting.append(_make_table(block, schema, thumbnails=thumbnails))
            if len(waiting) == GROUP:
                writer.write_table(pa.concat_tables(waiting))
                waiting.clear()
            count = len(block.entries)
            done = replace(done, rows=done.rows + count, sent=done.sent + count)
            yield done
        if waiting:
            writer.write_table(pa.concat_tables(waiting))
    yield done


def _schema(blocks: EntryBlocks) -> Any:
    import pyarrow as pa

    facts = make_facts(blocks.manifest)
    facts = replace(facts, rows=len(blocks), complete=True)
    types = dict.fromkeys(COLUMNS, pa.string()) | {"thumbnail": pa.binary()}
    types |= dict.fromkeys(("part", "size", "mtime", "width", "height"), pa.int64())
    types["vector"] = pa.list_(pa.float16(), blocks.manifest.dim)
    return pa.schema(list(types.items()), metadata={FACTS: facts.write()})


def _make_table(block: Block, schema: Any, *, thumbnails: bool) -> Any:
    import pyarrow as pa

    columns = {
        field.name: pa.array([getattr(one, field.name) for one in block.entries], field.type)
        for field in schema
        if field.name not in {"vector", "thumbnail"}
    }
    small = [one.thumbnail if thumbnails else b"" for one in block.entries]
    flat = pa.array(np.ascontiguousarray(block.vectors).reshape(-1))
    columns["thumbnail"] = pa.array(small, pa.binary())
    columns["vector"] = pa.FixedSizeListArray.from_arrays(flat, block.vectors.shape[1])
    return pa.table(columns, schema=schema)
