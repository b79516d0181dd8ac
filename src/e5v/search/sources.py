"""The records of an index in the writer's memory, and the files they come from.

Source: a file that names entries; Known: a record without its content; Ledger: all records
"""

from collections.abc import Iterable
from dataclasses import dataclass, field


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


@dataclass
class Ledger:
    """All records, by id, by the path of their source, and by content."""

    by_id: dict[str, Known] = field(default_factory=dict)
    by_source: dict[str, dict[str, Known]] = field(default_factory=dict)
    by_digest: dict[str, Known] = field(default_factory=dict)

    @classmethod
    def of(cls, known: Iterable[Known]) -> "Ledger":
        """Return the ledger of records."""
        ledger = cls()
        for one in known:
            ledger.add(one)
        return ledger

    def add(self, known: Known) -> None:
        """Add a record; it replaces one with the same id."""
        if known.id in self.by_id:
            self.remove(self.by_id[known.id])
        self.by_id[known.id] = known
        self.by_source.setdefault(known.source.path, {})[known.id] = known
        self.by_digest[known.digest] = known

    def remove(self, known: Known) -> None:
        """Remove a record."""
        del self.by_id[known.id]
        del self.by_source[known.source.path][known.id]
        if not self.by_source[known.source.path]:
            del self.by_source[known.source.path]
        if self.by_digest.get(known.digest) is known:
            del self.by_digest[known.digest]

    def of_source(self, path: str) -> list[Known]:
        """Return the records of a source file."""
        return list(self.by_source.get(path, {}).values())
