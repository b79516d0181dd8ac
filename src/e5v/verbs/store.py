"""`--store` of a verb: a collection in a database of vectors, in place of an index."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from e5v.databases.conditions import read_condition
from e5v.databases.url import read_url
from e5v.errors import UsageError
from e5v.verbs.console import announce

if TYPE_CHECKING:
    from e5v.databases.store_index import StoreIndex


def check_store(store: str | None, *, index: Path | None, where: str | None = None) -> None:
    """Check the URL of a collection, if there is one, and a filter, without asking for it.

    Raises:
        UsageError: one of them cannot be understood, or an index is given, too.
    """
    if store is None:
        return
    if index is not None:
        raise UsageError("--index and --store are two places to search; give one of them")
    read_url(store)
    if where is not None:
        read_condition(where)


@contextmanager
def open_store(store: str) -> Iterator["StoreIndex"]:
    """Open a collection while the block runs; torch is not imported.

    Raises:
        E5VError: see `StoreIndex.open`.
    """
    from e5v.databases.store_index import StoreIndex

    announce(f"opening {read_url(store)}")
    with closing(StoreIndex.open(store)) as opened:
        yield opened
