"""The present size, mtime and part of records whose content has stayed, to be written.

Known, Piece with the same content -> differ in size, mtime or part -> written, some at once
"""

from dataclasses import replace

from e5v.search.catalog import Catalog
from e5v.search.readers import Piece
from e5v.search.records import Known
from e5v.search.writer import Writer

MANY = 100_000  # records; each write takes a second per million records of the index


class StateUpdates:
    """Records that do not yet say the present state of their files."""

    def __init__(self, writer: Writer, catalog: Catalog) -> None:
        self._writer, self._catalog = writer, catalog
        self._known: list[Known] = []

    def add(self, known: Known, piece: Piece) -> None:
        """Add a record unless it says the same as a piece with its content."""
        state = (piece.source, piece.part, piece.size, piece.mtime)
        is_moved = known.number in self._catalog.marks.parts  # the record has another part
        if is_moved or (known.source, known.part, known.size, known.mtime) != state:
            source, part, size, mtime = state
            self._known.append(replace(known, source=source, part=part, size=size, mtime=mtime))

    @property
    def are_many(self) -> bool:
        """Whether enough records wait to be written."""
        return len(self._known) >= MANY

    def write(self) -> None:
        """Write all, without their vectors.

        Raises:
            DataError: the index cannot be written.
        """
        known, self._known = self._known, []
        if known:
            self._writer.update(known)
            self._catalog.restate(known)
