"""What a database of vectors does for an index, and what a collection says of itself.

Facts, rows -> VectorDatabase -> stamps, entries, vectors, the nearest

One file per database implements this, and alone imports the database's client: `qdrant.py`,
`milvus.py`, `pgvector.py`.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from e5v.databases.conditions import Condition, Leaf
from e5v.databases.rows import Found, Row
from e5v.errors import DataError
from e5v.model.opening import Opening, drop_usual, kept_options
from e5v.search.entries import Entry
from e5v.search.manifest import Manifest

FACTS = "e5v"  # under which a collection keeps its facts
FORMAT = 1
EACH, LEAST = 10, 200  # candidates by sign bits, per hit and at least, that are scored exactly


@dataclass(frozen=True)
class Facts:
    """What a collection says of itself.

    `fingerprint`, `model`, `dtype`, `tiling`, `recipe`, `adapter`, `image_tokens`, `weights` and
    `dim` are as in the index's manifest, `prompt` is that of texts and images. `run` is new with
    every export that changed something, and `rows` how many there then were; while one runs, or if
    it was stopped, `complete` is false.
    """

    fingerprint: str
    model: str
    dtype: str
    dim: int
    prompt: str
    run: str
    rows: int = 0
    complete: bool = False
    tiling: str = Opening.tiling
    format: int = FORMAT
    recipe: str | None = None
    adapter: str | None = None
    image_tokens: int | None = None
    weights: str = Opening.weights

    @property
    def manifest(self) -> Manifest:
        """The metadata of the index that was exported, without its folders."""
        return Manifest(self.fingerprint, self.model, dim=self.dim, **kept_options(self))

    def write(self) -> str:
        """Return the facts as JSON."""
        return json.dumps(drop_usual(asdict(self)))

    @classmethod
    def read(cls, written: object, place: object) -> "Facts":
        """Read what `write` returned; `place` is the collection, for a message.

        Raises:
            DataError: this is no collection of e5v, or one of another version.
        """
        try:
            stored = json.loads(str(written))
            if stored["format"] != FORMAT:
                raise DataError(
                    f"{place} has format {stored['format']}, expected {FORMAT}; export the index "
                    "to another collection"
                )
            return cls(**stored)
        except (ValueError, TypeError, KeyError):
            raise DataError(
                f"{place} exists, and was not made by e5v export; name another collection"
            ) from None


class VectorDatabase(Protocol):
    """One collection of a database; every method may raise `DataError` in one line.

    Vectors have length 1 and are compared by their dot product.
    """

    def read_facts(self) -> Facts | None:
        """Return the facts of the collection; None if there is no collection."""

    def write_facts(self, facts: Facts) -> None:
        """Replace the facts of the collection."""

    def create(self, facts: Facts) -> None:
        """Make the collection, empty, with its facts."""

    def count(self, kind: str | None = None) -> int:
        """Count the rows, all or of one kind."""

    def stamps(self, ids: Sequence[str]) -> dict[str, str]:
        """Return the stamps of those of these rows that there are, by id."""

    def upsert(self, rows: Sequence[Row]) -> None:
        """Write rows; each replaces that of its id."""

    def ids(self) -> Iterator[Sequence[str]]:
        """Yield the ids of all rows, some at a time."""

    def delete(self, ids: Sequence[str]) -> None:
        """Remove rows."""

    def finish(self) -> None:
        """Make what searches need, once rows were written."""

    def is_native(self, leaf: Leaf) -> bool:
        """Return whether the database itself can check a condition."""

    def search(
        self, query: NDArray[np.float32], k: int, condition: Condition | None, *, exact: bool
    ) -> list[Found]:
        """Find the `k` rows nearest to a unit vector (d,), nearest first.

        With `exact`, every row is compared; otherwise sign bits choose the candidates.
        """

    def entries(self, ids: Sequence[str]) -> list[Entry]:
        """Return those of these entries that there are, in any order."""

    def vectors(self, ids: Sequence[str]) -> dict[str, NDArray[np.float32]]:
        """Return the stored vectors (d,) of those of these rows that there are, by id."""

    def newest(self, kind: str | None, count: int) -> list[Found]:
        """Return entries by mtime, newest first, all or of one kind."""

    def sample(self, count: int) -> list[str]:
        """Return ids spread over the collection, the same every time."""

    def close(self) -> None:
        """End the connection; a folder or file of this machine can then be opened by others."""


def count_candidates(k: int) -> int:
    """Return how many candidates by sign bits to score exactly for `k` hits."""
    return max(LEAST, EACH * k)
