"""Tell records of a file itself, or of a place in it, from those of images that its lines name.

columns path and source -> the path without its place -> the same as the source or not
"""

from e5v.extras import imported
from e5v.media.locations import PATTERN

with imported("an index"):
    import pyarrow as pa
    import pyarrow.compute as pc


def are_own(batch: pa.RecordBatch) -> pa.BooleanArray:
    """Return of each record whether it is of its source itself, or of a place in it.

    Others are of an image that a line of the source names.
    """
    same = pc.equal(batch["path"], batch["source"])
    if pc.all(same).as_py():
        return same
    files = pc.replace_substring_regex(batch["path"], pattern=PATTERN, replacement="")
    return pc.equal(files, batch["source"])
