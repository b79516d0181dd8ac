"""What is worked out from an index once for each of its versions, when it is first asked for.

a request -> the version of the index -> the same as before: the work that is done, or under way
                                      -> another: the work begins again
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from e5v.errors import E5VError
from e5v.web.errors import Refused

if TYPE_CHECKING:
    from e5v.web.searched import SearchedIndex
    from e5v.web.searching import Searcher

Found = TypeVar("Found")


class PerVersion(Generic[Found]):
    """A list that `find` works out, cached for one version of a collection's index."""

    def __init__(
        self, find: Callable[[Searcher, SearchedIndex], Coroutine[Any, Any, list[Found]]]
    ) -> None:
        self._find = find
        self._version = -1
        self._work: asyncio.Task[list[Found]] | None = None

    async def get(self, searcher: Searcher) -> list[Found]:
        """Return the list; concurrent requests wait for the same work.

        Raises:
            Refused: there is no index.
            DataError: it is damaged.
        """
        index, version = await asyncio.to_thread(searcher.collection.version)
        if self._work is None or version != self._version:
            self._version = version
            self._work = asyncio.create_task(self._find(searcher, index))
        try:
            return await asyncio.shield(self._work)
        except (E5VError, Refused):  # usually a full queue: the next request tries again
            self._work = None
            return []
