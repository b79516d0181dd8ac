"""Read triplets from files.

file | data set of the hub -> some hundreds of rows at a time -> triplets -> images decoded, digest
                           -> Triplets: in memory, or an index of rows that stay on disk

Broken rows are skipped and reported; unused columns are reported.
"""

from array import array
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from itertools import accumulate, chain, islice
from pathlib import Path
from typing import Any, overload

from e5v.errors import DataError, plural
from e5v.hub_sets import HubSplit
from e5v.inputs import RawItem
from e5v.jsonl import listed
from e5v.training.cells import UnusableError, looks_like_name
from e5v.training.contents import read_contents
from e5v.training.data_files import read_rows
from e5v.training.data_row import DataRow
from e5v.training.hub_rows import HubStore
from e5v.training.stored_rows import StoredTriplets, open_store, tell_of_memory
from e5v.training.triplet_rows import check_columns, parse_row, used_columns
from e5v.training.triplets import Broken, Kinds, Source, Triplet, Triplets

ROWS_AT_ONCE = 256  # whose images are in memory together
NAMED = 3  # texts that a note names


def read_triplets(files: Sequence[Path]) -> Triplets:
    """Read the rows of all files, each in the format of its suffix.

    Large files stay on disk, unless they are JSON arrays (`e5v.training.stored_rows`), and so does
    a data set of the hub, which is given as hub:ORG/NAME:SPLIT (`e5v.training.hub_rows`).

    Raises:
        DataError: a file cannot be read, its format is not supported, its columns are not known,
            or none of its rows can be used.
        MissingExtraError: a data set of the hub is given, and `datasets` is not installed.
    """
    kinds, content, places = Kinds(), blake2b(digest_size=16), array("q")
    read: list[_Reading] = []
    for file in files:
        one = _open(file, kinds, content, sum(earlier.count for earlier in read))
        one.read()
        places += one.places
        read.append(one)
    parts = [one.kept for one in read]
    small = all(isinstance(part, list) for part in parts)
    return Triplets(
        tuple(chain.from_iterable(parts)) if small else _Joined(parts),
        tuple(places) if small else places,
        tuple(broken for one in read for broken in one.broken),
        tuple(note for one in read for note in one.notes()),
        content.hexdigest(),
        tuple(_name_sources(files, parts)),
        kinds,
    )


def _open(file: Path, kinds: Kinds, content: Any, first: int) -> "_Reading":
    split = HubSplit.of(file)
    store = HubStore(file, split, check_columns) if split else open_store(file, check_columns)
    if store is None:
        return _Reading(file, read_rows(file, check_columns), [], kinds, content, first)
    kept = StoredTriplets(file, store, parse_row)
    return _Reading(file, store.rows(), kept, kinds, content, first)


def _name_sources(files: Sequence[Path], parts: Sequence[Sequence[Triplet]]) -> Iterator[Source]:
    """Name each file, by its whole path where two have one name."""
    names = [file.name for file in files]
    for file, part in zip(files, parts, strict=True):
        name = file.name if names.count(file.name) == 1 else str(file)
        groups = part.groups if isinstance(part, StoredTriplets) else ()
        together = part.store.together if isinstance(part, StoredTriplets) else 1
        yield Source(name, len(part), groups, together)


@dataclass(slots=True)
class _Found:
    """A triplet of a row, the `which`-th, and its items; or why the row has none."""

    row: DataRow
    which: int = 0
    triplet: Triplet | None = None
    items: Sequence[RawItem] = ()
    cause: str = ""


class _Reading:
    """The pass over a file: the triplets it keeps, and what is known of all of them.

    `first` is the place of the file's first row among the rows of all files.
    """

    def __init__(
        self,
        file: Path,
        rows: Iterable[DataRow],
        kept: list[Triplet] | StoredTriplets,
        kinds: Kinds,
        content: Any,
        first: int,
    ) -> None:
        self._file, self._rows = file, rows
        self.kept = kept
        self._kinds, self._content, self._first = kinds, content, first
        self.broken: list[Broken] = []
        self.places = array("q")
        self.count = 0
        self._ignored: dict[str, None] = {}
        self._named: list[str] = []
        self._name_count = 0

    def read(self) -> None:
        """Read all rows.

        Raises:
            DataError: the file cannot be read, or no row can be used.
        """
        rows = iter(self._rows)
        while some := list(islice(rows, ROWS_AT_ONCE)):
            self._take([found for row in some for found in self._parse(row)])
        if not self.places:
            told = str(self.broken[0]).removeprefix(f"{self._file}, ") if self.broken else ""
            raise DataError(f"{self._file} has no usable row ({told or 'it has no rows'})")

    def notes(self) -> Iterator[str]:
        """Note unused columns, texts named like an image, and a large file that is in memory."""
        if self._ignored:
            yield f"{self._file}: ignored columns: {listed(self._ignored)}"
        if self._named:
            texts = plural(self._name_count, "text")
            yield (
                f"{self._file}: {texts} named like an image, trained on as text: "
                f"{listed(self._named)}"
            )
        if isinstance(self.kept, list) and (told := tell_of_memory(self._file)):
            yield told

    def _parse(self, row: DataRow) -> list[_Found]:
        try:
            triplets = parse_row(self._file, row)
        except UnusableError as cause:
            return [_Found(row, cause=str(cause))]
        used = used_columns(row.cells)
        if len(used) < len(row.cells):
            self._ignored |= {name: None for name in row.cells if name not in used}
        return [_Found(row, which, one, one.items) for which, one in enumerate(triplets)]

    def _take(self, found: Sequence[_Found]) -> None:
        contents = read_contents([one.items for one in found])
        for one, content in zip(found, contents, strict=True):
            self._content.update(content.digest)
            if one.triplet is None or content.fault:
                cause, row = one.cause or content.fault, one.row
                self.broken.append(Broken(self._file, row.number, cause, row.unit))
            else:
                self._keep(one.triplet, one)
                self.places.append(self._first + self.count)
            self.count += 1

    def _keep(self, triplet: Triplet, found: _Found) -> None:
        self._kinds.add(triplet)
        for item in found.items:
            if isinstance(item, str) and looks_like_name(item):
                self._name_count += 1
                self._named += [item] if len(self._named) < NAMED else []
        if isinstance(self.kept, list):
            self.kept.append(triplet)
        else:
            self.kept.add(found.row, found.which)


@dataclass(frozen=True, eq=False)
class _Joined(Sequence[Triplet]):
    """Several sequences, one after the other."""

    parts: Sequence[Sequence[Triplet]]

    def __len__(self) -> int:
        return sum(map(len, self.parts))

    @overload
    def __getitem__(self, place: int) -> Triplet: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[Triplet]: ...
    def __getitem__(self, place: int | slice) -> Triplet | Sequence[Triplet]:
        if isinstance(place, slice):
            return [self[one] for one in range(*place.indices(len(self)))]
        starts = [*accumulate(map(len, self.parts), initial=0)]
        part = bisect_right(starts, place) - 1
        return self.parts[part][place - starts[part]]
