"""The present size, mtime and part of records whose content has stayed, to be written.

Known, Piece with the same content -> differ in size, mtime or part -> written, some at once
"""

from collections.abc import Collection
from dataclasses import replace

from e5v.files import FileState
from e5v.search.catalog import Catalog
from e5v.search.pieces import Piece
from e5v.search.records import Known
from e5v.search.writer import Writer

MANY = 100_000  # records; each write takes a second per million records of the index


class StateUpdates:
    """Records that do not yet say the present state of their files."""

    def __init__(self, writer: Writer, catalog: Catalog) -> None:
        self._writer, self._catalog = writer, catalog
        self._known: list[Known] = []
        self._stated: set[str] = set()  # paths of files whose states their records say

    def add(self, known: Known, piece: Piece) -> None:
        """Add a record unless it says the same as a piece with its content."""
        state = (piece.source, piece.part, piece.size, piece.mtime)
        is_moved = known.number in self._catalog.marks.parts  # the record has another part
        if is_moved or (known.source, known.part, known.size, known.mtime) != state:
            source, part, size, mtime = state
            self._known.append(replace(known, source=source, part=part, size=size, mtime=mtime))

    def note(self, path: str) -> None:
        """Remember that the records of a file say its present state, or will after this run."""
        if path in self._catalog.states:
            self._stated.add(path)

    @property
    def are_many(self) -> bool:
        """Whether enough records wait to be written."""
        return len(self._known) >= MANY

    def write(self) -> None:
        """Write all, without their vectors.

        Raises:
            DataError: the index cannot be written.
        """
        known = [one for one in self._known if self._catalog.records.has(one.number)]
        self._known = []
        if known:
            self._writer.update(known)
            self._catalog.restate(known)

    def finish(self, states: dict[str, FileState], gone: Collection[str]) -> None:
        """Write the rest, and keep the states of files that records do not say.

        `gone` are the paths of files with records that were removed.

        Raises:
            DataError: the index cannot be written.
        """
        self.write()
        self._catalog.save()
        self._catalog.put_states(states, self._stated.union(gone))
