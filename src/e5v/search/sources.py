"""Where entries come from, and what is known of those that are there already.

Source: a file that tells of entries; Known: a record, without its content; Ledger: all of them
"""

from collections.abc import Iterable
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Source:
    """A file that told of entries, as it was read; `parts` is how many it tells of."""

    path: str
    size: int
    mtime: int
    parts: int


@dataclass(frozen=True, slots=True)
class Known:
    """A record that is there; `number` is its own for ever, the rest is as in `Entry`."""

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
    """What is there, by id, by the path of its source, and by content."""

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
        """Enter a record, in place of the one with its id."""
        if known.id in self.by_id:
            self.remove(self.by_id[known.id])
        self.by_id[known.id] = known
        self.by_source.setdefault(known.source.path, {})[known.id] = known
        self.by_digest[known.digest] = known

    def remove(self, known: Known) -> None:
        """Strike a record out."""
        del self.by_id[known.id]
        del self.by_source[known.source.path][known.id]
        if not self.by_source[known.source.path]:
            del self.by_source[known.source.path]
        if self.by_digest.get(known.digest) is known:
            del self.by_digest[known.digest]

    def of_source(self, path: str) -> list[Known]:
        """Return the records that a file told of."""
        return list(self.by_source.get(path, {}).values())
