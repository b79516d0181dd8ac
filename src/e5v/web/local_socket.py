"""Searches of the same user's other processes, over a Unix socket that only that user can open.

connection of this user -> a line -> SearchMessage of this index and version -> hits, as a line
                                  -> "stop" -> the server ends

Nothing of this is reachable over the network or from a browser: no port is opened for it, and the
rules for HTTP requests (`access.py`) are not involved. What is answered here, the same user could
also read from the index itself.
"""

from __future__ import annotations

import asyncio
import json
import logging
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from starlette.exceptions import HTTPException

from e5v.errors import E5VError, UsageError
from e5v.model.recipe import Purpose
from e5v.search.query import (
    Query,
    QueryVectors,
    embed_query,
    find,
    list_items,
    load_stored_example,
)
from e5v.search.server_client import is_answering, is_own_peer
from e5v.search.server_messages import (
    LARGEST,
    STOP,
    SearchMessage,
    read_search,
    write_hits,
    write_line,
)
from e5v.search.server_record import (
    IS_SUPPORTED,
    ServerRecord,
    find_server,
    remove_record,
    write_record,
)
from e5v.web.activity import Activity
from e5v.web.index_view import Collection

if TYPE_CHECKING:
    from e5v.search.stored_example import StoredExample
    from e5v.web.service import Service

LOG = logging.getLogger(__name__)
READ_SECONDS = 30.0  # for a line to arrive
LONGEST = 100  # bytes of a socket's path; systems allow 104 or 108


@dataclass(frozen=True)
class LocalAnswers:
    """Answers other processes of this user; `end` ends the server, `is_ending` tells that it is."""

    service: Service
    collection: Collection
    activity: Activity
    end: Callable[[], None]
    is_ending: Callable[[], bool]

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one connection, and close it."""
        try:
            if is_own_peer(writer.get_extra_info("socket")):
                line = await asyncio.wait_for(reader.readline(), READ_SECONDS)
                with self.activity.use():
                    await self._answer_line(line, reader, writer)
        except (OSError, ValueError, TimeoutError):  # the client is gone, or sends something else
            pass
        finally:
            writer.close()

    async def _answer_line(
        self, line: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        asked = json.loads(line) if line.endswith(b"\n") else None
        if asked == STOP:
            writer.write(write_line({"accepted": True}))
            await writer.drain()
            self.end()
            await reader.read()  # the client waits until this process closes the connection
        elif isinstance(asked, dict) and "search" in asked:
            async for reply in self._search(asked["search"]):
                writer.write(reply)
                await writer.drain()

    async def _search(self, fields: object) -> AsyncIterator[bytes]:
        """Yield the replies to a search."""
        try:
            message = self._accept(fields)
            yield write_line({"accepted": True})
            yield await self._find(message)
        except (E5VError, HTTPException) as error:
            yield write_line({"declined": str(error)})
        except Exception:  # whoever asks then searches by itself, and shows what is wrong
            LOG.exception("a search of this user failed")
            yield write_line({"declined": "the server failed"})

    def _accept(self, fields: object) -> SearchMessage:
        """Return the search that was sent.

        Raises:
            UsageError: it cannot be answered.
        """
        try:
            message = read_search(fields)
        except (ValueError, TypeError, AttributeError) as error:
            raise UsageError(f"not a search: {error}") from None
        if message.version != version("e5v") or self.is_ending():
            raise UsageError("another version, or about to end")
        return message

    async def _find(self, message: SearchMessage) -> bytes:
        """Search as `e5v search` does by itself: the same calls, on the index as it is now."""
        index = await asyncio.to_thread(self.collection.latest)
        here = (str(self.collection.opened), index.fingerprint)
        if (message.folder, message.fingerprint) != here:
            raise UsageError("another index")
        query = Query(message.text, message.image, message.without, message.like)
        stored = await asyncio.to_thread(load_stored_example, index, query)
        vectors = await self.service.searcher.batcher.do(lambda: self._embed(query, stored))
        k, where, least = message.k, message.where, message.min_score
        hits = await asyncio.to_thread(find, index, vectors, k=k, where=where, min_score=least)
        return await asyncio.to_thread(write_hits, hits, thumbnails=message.thumbnails)

    def _embed(self, query: Query, stored: StoredExample | None) -> QueryVectors:
        """Embed a query alone, in no batch with others: rounding is then that of `e5v search`.

        Raises:
            UsageError: a text is too long, of which the process that asks should warn.
        """
        model, purpose = self.service.model, Purpose("", "query")
        if query.text or query.without:
            items = list_items(query, stored).listed()
            if any(model.prepare(item, purpose=purpose).cut for item in items):
                raise UsageError("a text is too long")
        return embed_query(model, query, stored)


@asynccontextmanager
async def open_local_socket(answers: LocalAnswers, record: ServerRecord) -> AsyncIterator[None]:
    """Answer while the block runs, and let the index say so.

    `record` lacks the socket, which is made here. Without Unix sockets, with a folder that cannot
    be written, or if another server of the index is there already, nothing is done.
    """
    folder = Path(record.folder)
    other = find_server(folder) if IS_SUPPORTED else None
    if not IS_SUPPORTED or (other and is_answering(other)):
        yield
        return
    with tempfile.TemporaryDirectory(prefix="e5v-", ignore_cleanup_errors=True) as private:
        path = Path(private) / "search"
        if len(bytes(path)) > LONGEST:
            yield
            return
        server = await asyncio.start_unix_server(answers.answer, path, limit=LARGEST)
        path.chmod(0o600)
        own = replace(record, socket=str(path))
        write_record(own)
        try:
            yield
        finally:
            remove_record(own, folder)
            server.close()
            with suppress(OSError):
                path.unlink()
