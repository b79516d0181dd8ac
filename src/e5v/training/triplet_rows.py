"""From a row of a data file to its triplets.

CSV | TSV | JSON | JSON lines | Parquet -> the cells of a row -> triplets, or why there are none

The columns are anchor and positive; SimCSE's sent0 and sent1; or FlagEmbedding's query and pos.
Hard negatives are under negative, neg, hard_neg or hard_negative. Positives and negatives may have
several columns (negative_1, negative_2), or be lists: a row gives one triplet for each positive,
with all its negatives. The column instruction (query_instruction, or FlagEmbedding's prompt) says
what the anchor is for, positive_instruction (document_instruction) the other side.

A cell is a text, a passage of Tevatron's, or an item with an image: `{"image": path, "text": ...}`
(`e5v.training.cells`). Captioned images are triplets, too: an image with each of its captions; an
image and a text together, with each of their targets.

Texts stay as they are. A row without anchor or positive is broken, a row without a negative is not.
"""

from collections.abc import Collection
from pathlib import Path

from e5v.errors import DataError
from e5v.inputs import Side
from e5v.training.cells import UnusableError, read_captioned, read_instruction, read_items
from e5v.training.columns import EXPECTED, find_columns, list_names
from e5v.training.data_row import DataRow
from e5v.training.triplets import Triplet


def parse_row(file: Path, row: DataRow) -> list[Triplet]:
    """Return the triplets of a row; several if it has several positives.

    Raises:
        UnusableError: it has none; says why.
    """
    if row.fault:
        raise UnusableError(row.fault)
    cells, folder = row.cells, str(file.parent)
    columns = find_columns(cells)
    if columns is None:
        raise UnusableError(f"its columns are {list_names(cells)}; expected {EXPECTED}")
    negatives = tuple(read_items(cells, columns.negatives, folder))
    asked = (
        read_instruction(cells, columns.instruction, folder),
        read_instruction(cells, columns.positive_instruction, folder),
    )
    if columns.captioned:
        captioned = read_captioned(cells, folder)
        side: Side = "query" if captioned.is_edit or asked[0] else "document"
        return [
            Triplet(captioned.anchor, one, negatives, *asked, side) for one in captioned.positives
        ]
    anchor = cells[columns.anchor]
    if not isinstance(anchor, str | bytes | dict | None):
        raise UnusableError(f"{columns.anchor} is of type {type(anchor).__name__}; expected text")
    anchors = read_items(cells, (columns.anchor,), folder)
    positives = read_items(cells, columns.positives, folder)
    for name, items in ((columns.anchor, anchors), (columns.positives[0], positives)):
        if not items:
            raise UnusableError(f"{name} is empty")
    return [Triplet(anchors[0], one, negatives, *asked) for one in positives]


def check_columns(file: Path, names: Collection[str]) -> Collection[str]:
    """Return the columns of a file that are used.

    Raises:
        DataError: there is no anchor, or no positive.
    """
    if find_columns(names) is None:
        raise DataError(f"{file}: its columns are {list_names(names)}; expected {EXPECTED}")
    return used_columns(names)


def used_columns(names: Collection[str]) -> Collection[str]:
    """Return the columns that are used; none if they are not known."""
    columns = find_columns(names)
    return columns.names if columns else ()
