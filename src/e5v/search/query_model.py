"""The model that embeds the queries of a reader: opened and checked at the first, and kept.

Manifest of what is searched -> its model, or the one that was given -> E5V
"""

from threading import Lock
from typing import TYPE_CHECKING

from e5v.search.manifest import Manifest

if TYPE_CHECKING:
    from e5v.model.embedder import E5V
    from e5v.search.index_model import IndexModel


class QueryModel:
    """The model for queries: `given`, or the one that the vectors are of. It is thread-safe."""

    def __init__(self, given: "E5V | None") -> None:
        self._given = given
        self._found: IndexModel | None = None
        self._opening = Lock()

    @property
    def is_found(self) -> bool:
        """Whether it was asked for before."""
        return self._found is not None

    def open(self, manifest: Manifest) -> "E5V":
        """Return it; the first time, it is opened and checked.

        Raises:
            DataError: it is not the one that the vectors were made with.
            ModelError: it cannot be opened.
        """
        from e5v.search.index_model import find_model

        with self._opening:
            if self._found is None:
                self._found = find_model(self._given, manifest)
            return self._found.open()
