"""An entry of the index as the example of a query.

Entry -> the image or the whole text that it was embedded from
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from e5v.errors import DataError
from e5v.inputs import Image, Part, Text
from e5v.media.decoder import read_stored_image
from e5v.model.image_files import UnreadableError
from e5v.search.pieces import EXCERPT
from e5v.search.readers import whole_text
from e5v.search.scan import FORMS

if TYPE_CHECKING:
    from e5v.search.entries import Entry


@dataclass(frozen=True)
class StoredExample:
    """An entry of the index as the example of a query.

    `vector` (d,) is the index's own; `part` is what it was embedded from, read only if the query
    has words, too; `kind` is that of the entry.
    """

    vector: NDArray[np.float32]
    part: Part | None
    kind: str


def read_part(entry: Entry) -> Part:
    """Return what an entry was embedded from: of a long line the index keeps only the beginning.

    Raises:
        DataError: the file of a long line has changed since it was indexed, or is missing; or a
            page or frame cannot be decoded.
    """
    if entry.kind == "image":
        return read_image(entry.path)
    if len(entry.text) < EXCERPT or FORMS.get(Path(entry.path).suffix.lower()) != "lines":
        return Text(entry.text)
    try:
        text = whole_text(entry.path, entry.digest)
    except OSError:
        text = None
    if text is None:
        raise DataError(
            "the whole text of the like entry is not available: its file has changed since it was "
            "indexed; run e5v index again, or leave out text",
            argument="like",
        )
    return Text(text)


def read_image(path: str) -> Image:
    """Return the image of an entry's path, decoded if it is inside of a file.

    Raises:
        DataError: it cannot be decoded.
    """
    try:
        content = read_stored_image(path)
    except UnreadableError as error:
        raise DataError(f"{path} {error}", argument="like") from None
    return Image(Path(path)) if content is None else Image(content, path)
