"""Images that JSON lines name: they are described by these, and are not entries of their own.

records of lines -> 128 bits of each image's path -> found in a folder | claimed by a line
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from e5v.extras import imported
from e5v.search.keys import find_positions, keys_of
from e5v.search.own_records import are_own
from e5v.search.records import UNSURE, RecordIndex

with imported("an index"):
    import pyarrow.compute as pc


@dataclass(frozen=True, slots=True)
class NamedImage:
    """An image, and the file of lines that names it."""

    image: str
    source: str


class NamedImages:
    """The images of all records whose source is another file.

    Attributes:
        found: of each image, whether it was found in a folder.
        claimed: of each image, whether a line that is there names it.
    """

    def __init__(self, records: RecordIndex) -> None:
        keys, checks = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
        for pairs in name_pairs(records):
            keys.append(keys_of(one.image for one in pairs))
            checks.append(_check([one.image for one in pairs]))
        every = np.concatenate(keys)
        self._keys, first = np.unique(every, return_index=True)
        self._checks = np.concatenate(checks)[first]
        self.found = np.zeros(len(self._keys), bool)
        self.claimed = np.zeros(len(self._keys), bool)

    def find(self, paths: Sequence[str]) -> NDArray[np.int64]:
        """Return the position of each path among the images; -1 if it is none of them."""
        if not len(self._keys) or not paths:
            return np.full(len(paths), -1)
        places = find_positions(self._keys, keys_of(paths))
        return np.where(self._checks[places] == _check(paths), places, -1)


def _check(paths: Sequence[str]) -> NDArray[np.int64]:
    """Return another key of each path, that does not follow from the first."""
    return keys_of(f"{path}\0" for path in paths)


def name_pairs(records: RecordIndex) -> Iterator[list[NamedImage]]:
    """Yield the images of all records whose source is another file, some at a time."""
    if not (records.keys.states == UNSURE).any():
        return
    for batch in records.scan(("source", "path")):
        some = batch.filter(pc.invert(are_own(batch)))
        yield list(map(NamedImage, some["path"].to_pylist(), some["source"].to_pylist()))
