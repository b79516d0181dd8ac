"""The lease of the one writer of an index on a store, and what happens to one who lost it."""

import os
import time
from contextlib import ExitStack
from typing import Any

import pytest

from e5v.errors import DataError
from e5v.search import lease as module
from e5v.search.entry_table import Table
from e5v.search.index import Index
from e5v.search.lease import leased
from e5v.search.writer import Writer, writing
from tests.search.made import DIM, change, fill, ids, make_manifest, records, vectors
from tests.search.stored import Machine, abandon_lease, check_objects, place_of
from tests.store_server import Bucket, Faults


def test_a_second_writer_is_told_of_the_first(bucket: Bucket, machine: Machine) -> None:
    """Catches two writers at once, and a refusal that does not say whom to look for."""
    place = place_of(bucket)
    with writing(place, make_manifest) as writer:
        writer.commit(records(vectors(5)), [])
        machine("there")
        told = (
            rf"is being written by process {os.getpid()} of .* on .* since .* \(its lease ends at"
        )
        with pytest.raises(DataError, match=told), writing(place_of(bucket), make_manifest):
            pytest.fail("two writers at once")
        assert len(Index.open(str(bucket.url / "x"))) == 5  # readers do not care
    change(place_of(bucket), lambda writer: None)  # it was given back


def test_it_is_renewed(bucket: Bucket, machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches a long run that loses its lease although it lives."""
    monkeypatch.setattr(module, "SECONDS", 0.6)
    with leased(bucket.url) as lease:
        first = lease.holder.expires
        assert first is not None
        end = time.monotonic() + 20
        while lease.holder.expires == first and time.monotonic() < end:
            time.sleep(0.05)
        assert (lease.holder.expires or "") > first
        lease.check()


@pytest.mark.parametrize("commits", [True, False])
def test_who_was_suspended_commits_nothing(
    bucket: Bucket, machine: Machine, *, commits: bool
) -> None:
    """Catches a writer that comes back and overwrites what another wrote meanwhile."""
    rows = vectors(40)
    fill(place_of(bucket), rows[:10])
    old = ExitStack()
    writer = old.enter_context(writing(place_of(bucket), make_manifest))
    writer.commit(records(rows[10:20], first=10), [])
    abandon_lease(bucket.url / "x")
    machine("there")
    with writing(place_of(bucket), make_manifest) as new:
        if commits:
            new.commit(records(rows[20:30], first=20), [])
        for act in (lambda: writer.commit(records(rows[30:], first=30), []), old.close):
            with pytest.raises(DataError, match=r"s3://.*/x is lost: it was taken over by"):
                act()
        new.commit(records(rows[20:30], first=20, version=1), [])
    for name in ("here", "there"):
        machine(name)
        index = Index.open(str(bucket.url / "x"))
        assert sorted(index.vectors()[0]) == ids(range(30))
    change(place_of(bucket), lambda writer: None)
    check_objects(bucket)


def test_two_that_make_one_index(bucket: Bucket, machine: Machine) -> None:
    """Catches a new index that a suspended writer makes in the place of another's."""
    old = place_of(bucket).writing()
    workspace = old.__enter__()
    abandon_lease(bucket.url / "x")
    machine("there")
    with writing(place_of(bucket), make_manifest) as new:
        Table.create(workspace.path, DIM)
        with pytest.raises(DataError, match=r"s3://.*/x is lost: it was taken over by"):
            workspace.publish(1)
        new.commit(records(vectors(5)), [])
    old.__exit__(None, None, None)
    assert len(Index.open(place_of(bucket))) == 5


def test_a_lease_that_is_over(bucket: Bucket, machine: Machine) -> None:
    """Catches a writer that commits when its time is over, though nobody took its place."""
    place = place_of(bucket)

    def write(writer: Any) -> None:
        writer._workspace.lease._until = 0.0
        writer.commit(records(vectors(5)), [])

    with pytest.raises(DataError, match="is lost, which was not renewed; what was committed is"):
        change(place, write)
    assert len(Index.open(place)) == 0


@pytest.mark.parametrize("content", [b"{}", b"no json", b"[1]"])
def test_a_lease_that_is_none(bucket: Bucket, machine: Machine, content: bytes) -> None:
    """Catches a traceback for a file of that name that somebody made."""
    bucket.put("x/writer.lease", content)
    with pytest.raises(DataError, match=r"writer\.lease cannot be read as a lease"):
        change(place_of(bucket), lambda writer: None)


def test_lost_answers(bucket: Bucket, machine: Machine, faults: Faults) -> None:
    """Catches a lease or a commit that is taken for another's, as its answer was lost."""
    rows = vectors(30)
    for start in (0, 10, 20):
        faults.add("lose", "PUT", 3)
        faults.add("busy", "PUT", 2)

        def write(writer: Writer, start: int = start) -> None:
            faults.add("lose", "PUT", 9)
            writer.commit(records(rows[start : start + 10], first=start), [])

        change(place_of(bucket), write)
    faults.waiting.clear()
    assert Index.open(str(bucket.url / "x")).vectors()[0] == ids(range(30))
