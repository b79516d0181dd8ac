"""Training data: triplets of items, and what is known of all of them.

files (`e5v.training.reading`) | rows given in Python -> checked -> Triplets

A triplet is an anchor, a positive that belongs to it, and any hard negatives. Captioned images are
triplets, too: an image with each of its captions; an image and a text together, with each of their
targets.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from pathlib import Path

from e5v.errors import DataError, ItemError, UsageError
from e5v.inputs import Item, RawItem, Side, need_here, normalise
from e5v.training.cells import as_item
from e5v.training.contents import Content, read_contents
from e5v.training.data_row import Unit


@dataclass(frozen=True, slots=True)
class Triplet:
    """An anchor, a positive that belongs to it, and any hard negatives.

    Each is an item as `E5V.encode` takes it: an image (Path, PIL image, bytes) or a mixture
    (`{"image": ..., "text": ...}`); but a string is always a text. `instruction` says what the
    anchor is for, `positive_instruction` the positive and the negatives; they go where the prompt
    has the slot `<instruction>`, or where the model's own recipe puts them.

    `anchor_side` is the anchor's, for models that word queries and documents differently; the
    positive and the negatives are of the other side. An image with captions is a document, as in an
    index, and its captions are the queries.
    """

    anchor: RawItem
    positive: RawItem
    negatives: tuple[RawItem, ...] = ()
    instruction: str = ""
    positive_instruction: str = ""
    anchor_side: Side = field(default="query", compare=False)

    def __post_init__(self) -> None:
        """Check that the negatives are several items: one string would be many texts.

        Raises:
            UsageError: they are not a tuple or a list.
        """
        if not isinstance(self.negatives, tuple | list):
            kind = type(self.negatives).__name__
            raise UsageError(f"negatives is of type {kind}; expected a tuple of items")

    @property
    def items(self) -> tuple[RawItem, ...]:
        """The anchor, the positive and the negatives, each with its instruction if it has one."""
        others = (self.positive, *self.negatives)
        if not (self.instruction or self.positive_instruction):
            return (self.anchor, *others)
        return (
            _instruct(self.anchor, self.instruction),
            *(_instruct(one, self.positive_instruction) for one in others),
        )

    @property
    def sides(self) -> tuple[Side, ...]:
        """The side of each of `items`."""
        other: Side = "document" if self.anchor_side == "query" else "query"
        return (self.anchor_side, *(other for _ in (self.positive, *self.negatives)))


def _instruct(raw: RawItem, instruction: str) -> RawItem:
    return replace(as_item(raw), instruction=instruction) if instruction else raw


@dataclass(frozen=True)
class Broken:
    """A row that cannot be used.

    `row` counts the rows of the file from 1: a CSV's header does not count, a row of several lines
    counts once, and blank lines count. For JSON lines it is the line number.
    """

    file: Path
    row: int
    cause: str
    unit: Unit = "row"

    def __str__(self) -> str:
        """Say which row and why, in one line."""
        return f"{self.file}, {self.unit} {self.row}: {self.cause}"


@dataclass(frozen=True)
class Source:
    """A source of rows, such as a file: its name, and how many of its rows can be used.

    `groups` are the numbers of rows that are read from disk together, `together` of them at a time;
    empty if any row can be read at any time.
    """

    name: str
    size: int
    groups: tuple[int, ...] = ()
    together: int = 1


@dataclass(frozen=True)
class Kinds:
    """What kinds of rows there are: the numbers of hard negatives, and examples of items.

    There is an example of each sequence of texts and images on each side, with and without an
    instruction; none of a text alone.
    """

    negatives: set[int] = field(default_factory=set)
    examples: dict[tuple[object, ...], Item] = field(default_factory=dict)

    def add(self, row: Triplet) -> None:
        """Add the kinds of a row's items: the anchor, the positive and the negatives."""
        self.negatives.add(len(row.negatives))
        for raw, side in zip(row.items, row.sides, strict=True):
            if not isinstance(raw, str):
                item = as_item(raw)
                item = replace(item, side=item.side or side)
                kind = (*map(type, item.parts), bool(item.instruction), item.side)
                self.examples.setdefault(kind, item)


@dataclass(frozen=True)
class Triplets:
    """The rows of all files, in order: those that can be used, and the broken ones.

    Rows of large files stay on disk, and are read when they are asked for. `places[i]` is the index
    of `rows[i]` among all rows of data, broken ones included; a row with several positives counts
    once for each. A teacher's file uses the same indices. `notes` name the unused columns of each
    file. `content` is a digest of all rows, images included. `sources` are the files, in order;
    their sizes add up to the number of rows.
    """

    rows: Sequence[Triplet]
    places: Sequence[int]
    broken: tuple[Broken, ...]
    notes: tuple[str, ...] = ()
    content: str = field(default="", compare=False)
    sources: tuple[Source, ...] = field(default=(), compare=False)
    kinds: Kinds = field(default_factory=Kinds, compare=False)

    @property
    def count(self) -> int:
        """The number of rows of data, broken ones included."""
        return len(self.rows) + len(self.broken)

    @property
    def has_images(self) -> bool:
        """Whether an item has an image."""
        return any(item.images for item in self.kinds.examples.values())

    @property
    def has_instructions(self) -> bool:
        """Whether an item has an instruction."""
        return any(item.instruction for item in self.kinds.examples.values())


def collect_triplets(rows: Iterable[Triplet]) -> Triplets:
    """Check triplets that are given in Python.

    Raises:
        DataError: there is none, or an item cannot be used; names its row.
    """
    checked = tuple(_check_triplet(row, number) for number, row in enumerate(rows, 1))
    if not checked:
        raise DataError("the data has no rows; give one or more triplets", argument="data")
    contents = read_contents([row.items for row in checked])
    for number, content in enumerate(contents, 1):
        if content.fault:
            raise DataError(f"row {number} of the data: {content.fault}", argument="data")
    kinds = Kinds()
    for row in checked:
        kinds.add(row)
    return Triplets(
        checked,
        tuple(range(len(checked))),
        (),
        content=_join_digests(contents),
        sources=(Source("the data", len(checked)),),
        kinds=kinds,
    )


def _check_triplet(row: Triplet, number: int) -> Triplet:
    if not isinstance(row, Triplet):
        raise DataError(
            f"row {number} of the data is of type {type(row).__name__}; expected Triplet",
            argument="data",
        )
    for instruction in (row.instruction, row.positive_instruction):
        if not isinstance(instruction, str):
            kind = type(instruction).__name__
            raise DataError(
                f"row {number} of the data has an instruction of type {kind}; expected a string",
                argument="data",
            )
    anchor, positive, *negatives = (
        _check_item(item, number) for item in (row.anchor, row.positive, *row.negatives)
    )
    return replace(row, anchor=anchor, positive=positive, negatives=tuple(negatives))


def _check_item(raw: RawItem, number: int) -> RawItem:
    """Return an item that needs no further check; a text alone as a string."""
    try:
        item = need_here(normalise({"text": raw} if isinstance(raw, str) else raw))
    except ItemError as error:
        raise DataError(f"row {number} of the data: {error.cause}", argument="data") from None
    if not item.parts or item.system is not None:
        cause = "is empty" if not item.parts else "has a system turn, which is not trained on"
        raise DataError(f"row {number} of the data {cause}", argument="data")
    return item.texts[0] if len(item.parts) == 1 and item.texts else item


def _join_digests(contents: Iterable[Content]) -> str:
    """Return a digest of all rows that can be used."""
    return blake2b(b"".join(one.digest for one in contents), digest_size=16).hexdigest()
