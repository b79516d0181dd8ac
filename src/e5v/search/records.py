"""All records of an index as its writer knows them: 52 bytes of each in memory.

table -> keys of id, source and content of every record -> numbers that may be meant
      -> their records are read from the table, and compared

Records that were written since are held whole, until there are many (`FRESH`).
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from e5v.extras import imported
from e5v.media.locations import file_of
from e5v.search.keys import Columns, KeyIndex, Spans, are_ascending, find_positions, keys_of
from e5v.search.marks import Marks
from e5v.search.own_records import are_own

with imported("an index"):
    import pyarrow as pa

FRESH = 50_000  # new records that are held whole
AT_ONCE = 4_096  # records read
COLUMNS = ("row", "source", "source_size", "source_mtime", "source_parts", "id", "path", "digest")


@dataclass(frozen=True, slots=True)
class Source:
    """A file that names entries, as it was when read; `parts` is the number of its entries."""

    path: str
    size: int
    mtime: int
    parts: int


@dataclass(frozen=True, slots=True)
class Known:
    """An existing record; `number` is unique and never reused, the rest is as in `Entry`."""

    number: int
    source: Source
    id: str
    path: str
    kind: str
    part: int
    size: int
    mtime: int
    digest: str


class StoredRecords(Protocol):
    """The table of the writer: `e5v.search.writer.Writer`."""

    def __len__(self) -> int:
        """Return the number of records."""

    def ledger(self, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """Yield columns of all records, some records at a time."""

    def read(self, numbers: NDArray[np.int64]) -> list[Known]:
        """Return records by number, in the order given."""


@dataclass
class FreshRecords:
    """Records that are held whole: by number, id, source and content."""

    by_number: dict[int, Known] = field(default_factory=dict)
    by_id: dict[str, Known] = field(default_factory=dict)
    by_source: dict[str, dict[int, Known]] = field(default_factory=dict)
    by_digest: dict[str, int] = field(default_factory=dict)

    def add(self, known: Known) -> None:
        """Add a record; it replaces one with the same id."""
        if known.id in self.by_id:
            self.remove(self.by_id[known.id].number)
        self.by_number[known.number] = self.by_id[known.id] = known
        self.by_source.setdefault(known.source.path, {})[known.number] = known
        self.by_digest[known.digest] = known.number

    def remove(self, number: int) -> None:
        """Remove a record."""
        known = self.by_number.pop(number)
        del self.by_id[known.id]
        del self.by_source[known.source.path][number]
        if self.by_digest.get(known.digest) == number:
            del self.by_digest[known.digest]


@dataclass(frozen=True)
class Keys:
    """The keys of n records, whose `numbers` are ascending; places are positions in these.

    `states` are in the order of `sources`: a key of the source as it was when read, with its path;
    `UNSURE` for a record of an image that a line names.
    """

    numbers: NDArray[np.int64]
    ids: KeyIndex
    digests: KeyIndex
    sources: KeyIndex
    states: NDArray[np.int64]

    @classmethod
    def of(cls, columns: list[NDArray[np.int64]]) -> "Keys":
        """Index numbers, and keys of ids, digests, sources and states; the list is emptied.

        So each is freed when it is indexed.
        """
        if not are_ascending(columns[0]):
            order = np.argsort(columns[0], kind="stable")
            columns[:] = [column[order] for column in columns]
        states, sources = columns.pop(), KeyIndex.of(columns.pop())
        states = states[sources.places]
        digests, ids = KeyIndex.of(columns.pop()), KeyIndex.of(columns.pop())
        return cls(columns.pop(), ids, digests, sources, states)

    def columns(self) -> list[NDArray[np.int64]]:
        """Return the arguments of `of`."""
        states = np.empty_like(self.states)
        states[self.sources.places] = self.states
        keys = (one.by_place() for one in (self.ids, self.digests, self.sources))
        return [self.numbers, *keys, states]


UNSURE = 0  # the key of no state


def state_key(path: str, size: int, mtime: int, parts: int) -> int:
    """Return a key of a source in one state, never `UNSURE`; it does not follow from its path's."""
    return hash(f"{parts} {size} {mtime} {path}") or 1


def read_keys(batches: Iterable[pa.RecordBatch], count: int) -> Keys:
    """Collect the keys of `count` records from batches with `COLUMNS`."""
    read = Columns(count, (np.int64,) * 5)
    for batch in batches:
        own = are_own(batch).to_numpy(zero_copy_only=False)
        sources = batch["source"].to_pylist()
        how = (batch[f"source_{one}"].to_pylist() for one in ("size", "mtime", "parts"))
        states = np.fromiter(map(state_key, sources, *how), np.int64, len(batch))
        keys = (keys_of(batch[name].to_pylist()) for name in ("id", "digest"))
        read.add([batch["row"].to_numpy(), *keys, keys_of(sources), np.where(own, states, UNSURE)])
    return Keys.of(read.take())


class RecordIndex:
    """All records, by number, id, source and content; `marks` has their present parts."""

    def __init__(self, stored: StoredRecords, marks: Marks) -> None:
        self._stored, self._marks = stored, marks
        self._keys = read_keys(stored.ledger(COLUMNS), len(stored))
        self._gone = np.zeros(len(self._keys.numbers), bool)
        self._fresh = FreshRecords()

    @property
    def keys(self) -> Keys:
        """The keys of all records."""
        if self._fresh.by_number or self._gone.any():
            self._fold()
        return self._keys

    def _fold(self) -> None:
        """Index the new records with the others, and drop those that are gone."""
        kept = ~self._gone
        old = [column[kept] for column in self._keys.columns()]
        fresh = self._fresh.by_number.values()
        new = (
            np.fromiter((one.number for one in fresh), np.int64),
            keys_of(one.id for one in fresh),
            keys_of(one.digest for one in fresh),
            keys_of(one.source.path for one in fresh),
            np.fromiter(map(_state_of, fresh), np.int64),
        )
        self._keys = Keys.of([np.concatenate(pair) for pair in zip(old, new, strict=True)])
        self._gone = np.zeros(len(self._keys.numbers), bool)
        self._fresh = FreshRecords()

    def has(self, number: int) -> bool:
        """Return whether there is a record with that number."""
        return number in self._fresh.by_number or self._place(number) >= 0

    def _place(self, number: int) -> int:
        """Return the place of a record that is not held whole; -1 if there is none."""
        [place] = find_positions(self._keys.numbers, np.array([number])).tolist()
        return -1 if place < 0 or self._gone[place] else place

    def read(self, numbers: Sequence[int] | NDArray[np.int64]) -> list[Known]:
        """Return existing records by number, in the order given."""
        wanted = np.asarray(numbers, np.int64).tolist()
        fresh = self._fresh.by_number
        stored = np.array([one for one in wanted if one not in fresh], np.int64)
        found = {one.number: self._as_now(one) for one in self._stored.read(stored)}
        return [self._as_now(fresh[one]) if one in fresh else found[one] for one in wanted]

    def _as_now(self, known: Known) -> Known:
        part = self._marks.parts.get(known.number, known.part)
        return known if part == known.part else replace(known, part=part)

    def at_slots(self, slots: NDArray[np.int64]) -> Iterator[Known]:
        """Yield the records at slots of `keys.sources`, in the order given."""
        keys = self.keys
        for start in range(0, len(slots), AT_ONCE):
            places = keys.sources.places[slots[start : start + AT_ONCE]]
            yield from self.read(keys.numbers[places])

    def of_source(self, path: str) -> list[Known]:
        """Return the records of a source file."""
        places = self._kept(self._keys.sources.find(path))
        found = self.read(self._keys.numbers[places])
        fresh = self._fresh.by_source.get(path, {})
        return [one for one in found if one.source.path == path] + self.read(list(fresh))

    def _kept(self, places: NDArray[np.int64]) -> NDArray[np.int64]:
        return places[~self._gone[places]]

    def find_ids(self, ids: Sequence[str]) -> dict[str, int]:
        """Return the numbers of the records with these ids; unknown ids are left out."""
        slots = self._keys.ids.find_all(ids).slots()
        places = self._kept(self._keys.ids.places[slots].astype(np.int64))
        wanted, fresh = set(ids), self._fresh.by_id
        found = {one.id: one.number for one in self.read(self._keys.numbers[places])}
        found = {id: number for id, number in found.items() if id in wanted}
        return found | {id: fresh[id].number for id in ids if id in fresh}

    def find_digest(self, digest: str) -> int | None:
        """Return the number of the latest record with that content, or None."""
        if digest in self._fresh.by_digest:
            return self._fresh.by_digest[digest]
        places = self._kept(self._keys.digests.find(digest))
        numbers: list[int] = self._keys.numbers[places].tolist()
        for number in reversed(numbers):
            [known] = self.read([number])
            if known.digest == digest:
                return number
        return None

    def add(self, known: Known) -> None:
        """Add a record; one with the same id must have been removed, or be new, too."""
        self._fresh.add(known)
        if len(self._fresh.by_number) >= FRESH:
            self._fold()

    def remove(self, number: int) -> None:
        """Remove a record."""
        if number in self._fresh.by_number:
            self._fresh.remove(number)
        else:
            self._gone[self._place(number)] = True

    def restate(self, known: Sequence[Known]) -> None:
        """Note that records have another part, size, mtime or state of their source.

        None of them was added since the keys were asked for.
        """
        states: dict[str, dict[int, int]] = {}
        for one in known:
            states.setdefault(one.source.path, {})[one.number] = _state_of(one)
        keys = self._keys
        for path, by_number in states.items():
            slots = keys.sources.find_all([path]).slots()
            numbers = keys.numbers[keys.sources.places[slots]].tolist()
            for slot, number in zip(slots.tolist(), numbers, strict=True):
                keys.states[slot] = by_number.get(number, keys.states[slot])

    def doubles(self, numbers: NDArray[np.int64]) -> list[Known]:
        """Return those of some records whose content may have a record that is not among them."""
        keys = self.keys
        among = np.zeros(len(keys.numbers), bool)
        places = find_positions(keys.numbers, numbers)
        among[places[places >= 0]] = True
        within = among[keys.digests.places]
        starts = np.flatnonzero(np.diff(keys.digests.keys, prepend=keys.digests.keys[:1] - 1))
        if not len(starts):
            return []
        both = np.logical_or.reduceat(within, starts) & np.logical_or.reduceat(~within, starts)
        ends = np.append(starts[1:], len(within))
        slots = Spans(starts[both], ends[both]).slots()
        return self.read(keys.numbers[keys.digests.places[slots]])

    def scan(self, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """Yield columns of all records, some records at a time."""
        return self._stored.ledger(columns)


def _state_of(known: Known) -> int:
    source = known.source
    if file_of(known.path) != source.path and known.path != source.path:
        return UNSURE
    return state_key(source.path, source.size, source.mtime, source.parts)
