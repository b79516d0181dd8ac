"""Open a collection by its URL, with mistakes found in the order of what they cost.

DatabaseUrl -> library there? -> server answers? -> the database's own file -> VectorDatabase
"""

import socket
from collections.abc import Callable
from importlib import import_module
from typing import Any

from e5v.databases.database import Facts, VectorDatabase
from e5v.databases.url import DatabaseUrl
from e5v.errors import DataError, UsageError
from e5v.extras import need

SECONDS = 10  # until a server has to accept a connection


def open_database(url: DatabaseUrl, *, create: bool = False) -> VectorDatabase:
    """Connect to the database of a collection, which need not exist.

    With `create`, a folder or file of this machine is made; its parent must exist.

    Raises:
        MissingExtraError: its client is not installed.
        UsageError: there is no such folder or file.
        DataError: it cannot be reached, or refuses.
    """
    need(url.engine.title, *url.engine.libraries, extra=url.engine.extra)
    if url.local is not None:
        _check_local(url, create=create)
    else:
        _check_server(url)
    opened: Callable[[DatabaseUrl], Any] = import_module(url.engine.module).open_url
    database: VectorDatabase = opened(url)
    return database


def read_complete_facts(database: VectorDatabase, url: DatabaseUrl) -> Facts:
    """Return the facts of a collection that was exported whole.

    Raises:
        UsageError: there is no such collection.
        DataError: it was not made by e5v, or the export to it was not finished.
    """
    facts = database.read_facts()
    if facts is None:
        raise UsageError(
            f"{url} does not exist; export an index to it first, with e5v export", argument="store"
        )
    if not facts.complete:
        raise DataError(
            f"the export to {url} runs, or was stopped before its end; wait for it, or run "
            "e5v export again",
            argument="store",
        )
    return facts


def _check_local(url: DatabaseUrl, *, create: bool) -> None:
    """Raise `UsageError` if a folder or file is missing, which its client would make."""
    assert url.local is not None
    if url.local.exists() or (create and url.local.parent.is_dir()):
        return
    missing = url.local.parent if create else url.local
    raise UsageError(f"{url}: {missing} does not exist; check the path", argument="store")


def _check_server(url: DatabaseUrl) -> None:
    """Raise `DataError` unless the server accepts a connection: some clients wait for minutes."""
    if not url.host:  # a socket, or what the environment says
        return
    try:
        with socket.create_connection((url.host, url.port), SECONDS):
            return
    except OSError as error:
        reason = error.strerror or str(error)
        raise DataError(
            f"{url.engine.title} at {url.host}:{url.port} cannot be reached: {reason}; check host "
            "and port, and that the server runs",
            argument="store",
        ) from None
