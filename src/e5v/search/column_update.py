"""Columns of a LanceDB table: add those that it lacks, and set some without writing vectors again.

numbers and new values -> an index of the numbers -> merged into the columns -> the index dropped

LanceDB writes whole records anew when it merges values, up to 20 KB of each, unless the column that
it joins by has an index: then it writes new files for the changed columns alone, and every record
stays where it is. Seen with lancedb 0.40; otherwise the records are the same, and only move.
"""

from pathlib import Path

from e5v.extras import imported
from e5v.search.table_rows import lacking, schema

with imported("an index"):
    import lancedb
    import pyarrow as pa
    from lancedb.index import BTree

KEY, INDEX = "row", "row_idx"


def open_or_create(folder: Path, name: str, dim: int) -> lancedb.table.Table:
    """Open a table of an index folder; create it if it does not exist, and the columns it lacks."""
    database = lancedb.connect(folder)
    try:
        opened = database.open_table(name)
    except ValueError:  # it does not exist
        opened = database.create_table(name, schema=schema(dim), exist_ok=True)
    if len(missing := lacking(opened.schema)):
        opened.add_columns(missing)  # null; no record is written again
    return opened


def update_columns(table: lancedb.table.Table, columns: pa.Table) -> None:
    """Set the columns of the records that have the numbers in the column `row`; three commits."""
    table.create_index(KEY, config=BTree(), name=INDEX)
    table.merge_insert(KEY).when_matched_update_all().execute(columns)
    table.drop_index(INDEX)
