"""The writer's view of an index: its records, marks, file states and faults, in memory.

records, marks, states, faults -> Catalog -> changes are written back
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from e5v.search.faults import Fault, read_faults, write_faults
from e5v.search.marks import read_marks, write_marks
from e5v.search.readers import Unchanged, look
from e5v.search.sources import Known, Ledger
from e5v.search.states import State, read_states, write_states


class Catalog:
    """The catalog of one index folder, in memory.

    `ledger` has the records; `marks` and `states` what changed without rewriting a record;
    `faults` what could not be indexed, by the path of its source.
    """

    def __init__(self, folder: Path, known: Iterable[Known]) -> None:
        self._folder = folder
        self.marks = read_marks(folder)
        parts = self.marks.parts
        self.ledger = Ledger.of(
            replace(one, part=parts[one.number]) if one.number in parts else one for one in known
        )
        self.states = read_states(folder)
        self.faults: dict[str, list[Fault]] = {}
        for fault in read_faults(folder):
            self.faults.setdefault(fault.source.path, []).append(fault)
        self.marks.drop_all_but({one.number for one in self.ledger.by_id.values()})
        self._faults_changed = self._marks_changed = False

    def is_missing(self, known: Known) -> bool:
        """Return whether a record is marked as missing."""
        return known.number in self.marks.missing

    def missing(self) -> list[Known]:
        """Return the records that are marked as missing."""
        if not self.marks.missing:
            return []
        return [one for one in self.ledger.by_id.values() if self.is_missing(one)]

    def mark_missing(self, known: Known, now: int) -> bool:
        """Mark a record's file as missing since `now`; return whether that is new."""
        if self.is_missing(known):
            return False
        self.marks.missing[known.number] = now
        self._marks_changed = True
        return True

    def mark_present(self, known: Known) -> bool:
        """Mark a record's file as present; return whether it was missing before."""
        if self.marks.missing.pop(known.number, None) is None:
            return False
        self._marks_changed = True
        return True

    def move(self, known: Known, part: int) -> None:
        """Set the line or passage number of a record."""
        if known.part != part:
            self.marks.parts[known.number] = part
            self.ledger.add(replace(known, part=part))
            self._marks_changed = True

    def add(self, known: Known) -> None:
        """Add a record; it replaces one with the same id."""
        replaced = self.ledger.by_id.get(known.id)
        if replaced is not None:
            self._drop_marks(replaced)
        self.ledger.add(known)

    def remove(self, known: Known) -> None:
        """Remove a record, and its marks."""
        self._drop_marks(known)
        self.ledger.remove(self.ledger.by_id[known.id])

    def _drop_marks(self, known: Known) -> None:
        for marks in (self.marks.missing, self.marks.parts):
            self._marks_changed |= marks.pop(known.number, None) is not None

    def superseded(self) -> list[Known]:
        """Return missing records whose content has another entry, such as those of moved files."""
        missing = self.missing()
        digests = {known.digest for known in missing}
        there = {
            known.digest
            for known in (self.ledger.by_id.values() if digests else ())
            if known.digest in digests and not self.is_missing(known)
        }
        return [known for known in missing if known.digest in there]

    def unchanged(self, known: Sequence[Known]) -> Unchanged:
        """Return a function: path of an image -> its digest if the file is unchanged, else None."""
        by_path = {one.path: one for one in known if one.path != one.source.path}

        def digest_of(path: str) -> str | None:
            one = by_path.get(path)
            if one is None or look(path) != self.states.get(path, (one.size, one.mtime)):
                return None
            return one.digest

        return digest_of

    def add_fault(self, fault: Fault) -> None:
        """Record what could not be indexed."""
        self.faults.setdefault(fault.source.path, []).append(fault)
        self._faults_changed = True

    def drop_faults(self, path: str) -> None:
        """Drop the faults of a source."""
        if self.faults.pop(path, None):
            self._faults_changed = True

    def put_states(self, changed: dict[str, State], dropped: Iterable[str]) -> None:
        """Write states of files, and drop those of others."""
        fresh = {path: one for path, one in changed.items() if self.states.get(path) != one}
        old = {path for path in dropped if path in self.states and path not in changed}
        if fresh or old:
            write_states(self._folder, fresh, old)
            self.states.update(fresh)
            for path in old:
                del self.states[path]

    def save(self) -> None:
        """Write faults and marks if they changed."""
        if self._faults_changed:
            write_faults(self._folder, (one for some in self.faults.values() for one in some))
            self._faults_changed = False
        if self._marks_changed:
            write_marks(self._folder, self.marks)
            self._marks_changed = False
