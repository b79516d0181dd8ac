"""Machines that share an index on an object store, and what the store then has."""

import json
from collections.abc import Callable
from datetime import datetime, timedelta

import lancedb
import pyarrow as pa

from e5v.places import StoreUrl
from e5v.search.index import Index
from e5v.search.index_folder import IndexFolder
from e5v.search.lease import FILE as LEASE
from e5v.search.locating import open_folder
from e5v.search.store_head import FILE as COMMIT
from e5v.stores.objects import read_object, write_object
from tests.store_server import Bucket

# From now on, be the machine of a name: with a cache of its own.
Machine = Callable[[str], None]


def place_of(bucket: Bucket) -> IndexFolder:
    """Return the place of an index, as this machine sees it."""
    return open_folder(str(bucket.url / "x"))


def abandon_lease(url: StoreUrl) -> None:
    """Let the time of a lease be over, as that of a process that was killed or suspended."""
    holder = json.loads(read_object(url / LEASE))
    holder["expires"] = (datetime.now().astimezone() - timedelta(seconds=1)).isoformat()
    write_object(url / LEASE, json.dumps(holder).encode())


def rows_of(index: Index) -> pa.Table:
    """Return all rows of an index that is open, with their vectors, by number."""
    return lancedb.connect(index._folder).open_table("entries").to_arrow().sort_by("row")


def check_objects(bucket: Bucket) -> None:
    """Check that the store has what the commit names, and nothing else."""
    there = {key.removeprefix("x/") for key in bucket.read()}
    named = {
        one["key"] for one in json.loads(read_object(bucket.url / "x" / COMMIT))["files"].values()
    }
    others = there - named - {COMMIT, LEASE}
    assert named <= there
    assert {key.rpartition("/")[0] for key in others} <= {"entries.lance/_versions"}
