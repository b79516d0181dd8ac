"""The items that hard negatives are mined from and for, each once.

rows -> equal items counted once -> anchors, positives, and which belong together -> Pairs
corpus of items -> the same -> E5V -> blocks of vectors; an index has its vectors already
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from e5v.errors import DataError, ItemError
from e5v.inputs import RawItem, Side
from e5v.model.embedder import E5V
from e5v.model.encoded import Encoded, Skipped
from e5v.model.image_files import UnreadableError
from e5v.training.cells import as_item
from e5v.training.contents import identify
from e5v.training.triplets import Triplet

BLOCK = 8_192  # vectors of a corpus that are compared at once
Numbers = NDArray[np.int64]
Vectors = NDArray[np.float32]


class Progress(Protocol):
    """Shows how far mining is."""

    def begin(self, doing: str, total: int) -> None:
        """Begin a part of the work, with a number of items."""

    def step(self, count: int = 1) -> None:
        """Count items that are done."""


class Corpus(Protocol):
    """Items to mine negatives from, all different; a place is the number of one, from 0."""

    def __len__(self) -> int:
        """Return the number of items."""

    def find(self, item: RawItem) -> int | None:
        """Return the place of the item with equal content, or None."""

    def blocks(self, progress: Progress) -> Iterator[tuple[Numbers, Vectors]]:
        """Yield the places (m,) of all items, ascending, with their unit vectors (m, d).

        An item that cannot be embedded is left out.
        """

    def items(self, places: Sequence[int]) -> list[RawItem]:
        """Return the items at some places, as `Triplet` takes them."""


@dataclass(frozen=True)
class DistinctItems:
    """Items in the order given, equal ones once.

    `numbers[i]` is the place of the item given as number i; -1 if it cannot be read, and `faults`
    say why.
    """

    items: tuple[RawItem, ...]
    numbers: tuple[int, ...]
    faults: tuple[str, ...]
    places: dict[str, int] = field(repr=False)

    @classmethod
    def of(cls, given: Iterable[RawItem]) -> "DistinctItems":
        """Compare items by content; the files of images are read."""
        items: list[RawItem] = []
        numbers, faults = [], []
        places: dict[str, int] = {}
        for item in given:
            try:
                number = places.setdefault(identify(item), len(items))
            except UnreadableError as error:
                number = -1
                faults.append(str(error))
            if number == len(items):
                items.append(item)
            numbers.append(number)
        return cls(tuple(items), tuple(numbers), tuple(faults), places)

    def __len__(self) -> int:
        """Return the number of different items."""
        return len(self.items)


@dataclass(frozen=True)
class Pairs:
    """The anchors and positives of rows.

    Pair i is anchor number `anchor[i]` and positive number `positive[i]`, both (p,); every pair
    occurs once.
    """

    anchors: DistinctItems
    positives: DistinctItems
    anchor: Numbers
    positive: Numbers

    @classmethod
    def of(cls, rows: Sequence[Triplet]) -> "Pairs":
        """Collect the pairs of rows.

        Raises:
            DataError: an image has vanished since the rows were read.
        """
        anchors = DistinctItems.of(row.anchor for row in rows)
        positives = DistinctItems.of(row.positive for row in rows)
        for fault in (*anchors.faults, *positives.faults):
            raise DataError(f"an item of the data cannot be used: {fault}", argument="data")
        both = np.array([anchors.numbers, positives.numbers], np.int64)
        anchor, positive = np.unique(both, axis=1)
        return cls(anchors, positives, anchor, positive)


class ItemCorpus:
    """A corpus of items that a model embeds, a block at a time.

    With `skip`, an item that cannot be embedded is left out, and `faults` say why.
    """

    def __init__(self, distinct: DistinctItems, embedder: E5V, *, skip: bool = False) -> None:
        self._distinct, self._embedder, self._skip = distinct, embedder, skip
        self.faults: list[str] = []

    def __len__(self) -> int:
        """Return the number of items."""
        return len(self._distinct)

    def find(self, item: RawItem) -> int | None:
        """Return the place of the item with equal content, or None."""
        return self._distinct.places.get(identify(item))

    def blocks(self, progress: Progress) -> Iterator[tuple[Numbers, Vectors]]:
        """Yield the vectors of all items, embedded on the way.

        Raises:
            DataError: one cannot be embedded, without `skip`.
        """
        faults = self.faults if self._skip else None
        return embed_blocks(self._embedder, self._distinct.items, progress, faults)

    def items(self, places: Sequence[int]) -> list[RawItem]:
        """Return the items at some places."""
        return [self._distinct.items[place] for place in places]


def embed_blocks(
    embedder: E5V,
    items: Sequence[RawItem],
    progress: Progress,
    faults: list[str] | None = None,
    *,
    side: Side = "document",
) -> Iterator[tuple[Numbers, Vectors]]:
    """Embed items of one side; yield blocks of their numbers (m,) and vectors (m, d).

    An item that cannot be embedded is left out and its fault added to `faults`, if that is a list.

    Raises:
        DataError: one cannot be embedded, and `faults` is None.
    """
    numbers: list[int] = []
    vectors: list[Vectors] = []
    for result in embedder.encode_iter(map(as_item, items), side=side, on_error="skip"):
        if isinstance(result, Encoded):
            numbers.append(result.position)
            vectors.append(result.vector)
        else:
            _note_fault(result, faults)
        progress.step()
        if len(vectors) == BLOCK:
            yield np.array(numbers, np.int64), np.stack(vectors)
            numbers, vectors = [], []
    if vectors:
        yield np.array(numbers, np.int64), np.stack(vectors)


def _note_fault(skipped: Skipped, faults: list[str] | None) -> None:
    error = skipped.error
    cause = error.cause if isinstance(error, ItemError) else str(error)
    if faults is None:
        raise DataError(f"an item of the data cannot be embedded: {cause}", argument="data")
    faults.append(cause)
