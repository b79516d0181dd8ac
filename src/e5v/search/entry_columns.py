"""The columns of the table of entries, and their types."""

from e5v.extras import imported

with imported("an index"):
    import pyarrow as pa

SHOWN = ("id", "path", "kind", "part", "size", "mtime", "digest", "text", "thumbnail")
COLUMNS = (*SHOWN, "width", "height")  # of an Entry
SOURCE = ("source", "source_size", "source_mtime", "source_parts")  # the file that names it
LEDGER = ("row", *SOURCE, "id", "path", "kind", "part", "size", "mtime", "digest")


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
        "vector": pa.list_(pa.float16(), dim),
    }
    return pa.schema(list(types.items()))
