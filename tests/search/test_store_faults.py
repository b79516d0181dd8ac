"""An index on a store whose writer is killed, or whose connection fails."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from e5v.errors import DataError
from e5v.search.index import Index
from e5v.stores import clients
from e5v.stores.objects import write_object
from tests.search.made import change, fill, ids, records, vectors
from tests.search.stored import Machine, abandon_lease, check_objects, place_of, rows_of
from tests.store_server import Bucket, Faults, Kind

KINDS: tuple[Kind, ...] = ("cut", "busy", "lose", "slow")
ROOT = Path(__file__).parents[2]
PLACES = [
    ("store_publisher.write_object", 3),  # there is no index yet
    ("store_publisher.write_commit", 4),  # all is uploaded, and not committed
    ("store_publisher.write_commit+", 4),
]


@pytest.mark.parametrize(("place", "nth"), PLACES)
@pytest.mark.usefixtures("warm")
def test_killed_at_any_moment(bucket: Bucket, machine: Machine, place: str, nth: int) -> None:
    """Catches an index that a killed writer leaves as neither before nor after its commit."""
    command = [sys.executable, "-m", "tests.search.killed", str(bucket.url / "x"), place, str(nth)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr
    versions: dict[int, int] = {}
    for line in done.stdout.splitlines():
        version, first, end = map(int, line.split())
        versions |= dict.fromkeys(range(first, end), version)
    rows = vectors(120)
    machine("there")
    if not versions:
        with pytest.raises(DataError, match="contains no index"):
            Index.open(place_of(bucket))
    else:
        _check(Index.open(place_of(bucket)), versions)
    with pytest.raises(DataError, match="is being written by process"):
        change(place_of(bucket), lambda writer: None)
    abandon_lease(bucket.url / "x")
    for name in ("there", "here"):  # that of the killed writer has what was not committed
        machine(name)
        change(place_of(bucket), lambda writer: writer.commit(records(rows[:1], version=999), []))
        index = Index.open(place_of(bucket))
        entry = index.get("id00000")
        assert entry is not None
        assert entry.mtime == 999
        assert index.search(rows[0], k=1)[0].entry.id == "id00000"
    check_objects(bucket)


def _check(index: Index, versions: dict[int, int]) -> None:
    """Compare an index with what was acknowledged: that, or one commit more, as a whole."""
    there = {entry.id: entry.mtime for entry in index.entries(index.vectors()[0])}
    count = len(there)
    last = max(there.values())
    assert count == last + 20
    expected = {one: version for one, version in versions.items() if one < last - 10}
    assert len(versions) in {count, count - 20}
    assert expected.items() <= {int(id[2:]): version for id, version in there.items()}.items()


def test_a_bad_connection(bucket: Bucket, machine: Machine, faults: Faults, tmp_path: Path) -> None:
    """Catches an index that differs as requests were cut, refused, unanswered or slow."""
    rows = vectors(300)
    local = Index.open(fill(tmp_path / "local", rows, each=60))
    for kind in KINDS:
        for method in ("PUT", "GET", "HEAD"):
            faults.add(kind, method, 2)
    fill(place_of(bucket), rows, each=60)
    assert not [one for one in faults.waiting if one[0] == "PUT"]
    for kind in KINDS:
        for method in ("GET", "HEAD"):
            faults.add(kind, method, 2)
    machine("there")
    assert rows_of(Index.open(place_of(bucket))).equals(rows_of(local))
    faults.waiting.clear()
    check_objects(bucket)


def test_a_store_that_fails_in_a_run(
    bucket: Bucket, machine: Machine, faults: Faults, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches a commit that is lost without a word, and one that can never be made again."""
    rows = vectors(40)
    place = fill(place_of(bucket), rows[:20])
    index = Index.open(place)
    monkeypatch.setattr(clients, "RETRIES", 0)
    clients._open.cache_clear()

    def fail(writer: object) -> None:
        faults.add("busy", "PUT", 1_000)
        writer.commit(records(rows[20:], first=20), [])  # type: ignore[attr-defined]

    with pytest.raises(DataError, match=r"cannot be written: the store says (503|SlowDown)"):
        change(place, fail)
    faults.waiting.clear()
    assert not index.refresh()
    abandon_lease(bucket.url / "x")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    with pytest.raises(DataError, match="connection refused"):
        index.refresh()
    assert index.vectors()[0] == ids(range(20))  # it goes on with what it has
    monkeypatch.setenv("AWS_ENDPOINT_URL", faults.endpoint)
    change(place, lambda writer: writer.commit(records(rows[20:], first=20), []))
    assert index.refresh()
    assert index.vectors()[0] == ids(range(40))
    clients._open.cache_clear()


def test_content_that_is_damaged(bucket: Bucket, machine: Machine) -> None:
    """Catches vectors of a file that the store has otherwise than it was written."""
    fill(place_of(bucket), vectors(20))
    [key] = [key for key in bucket.read() if "/data/" in key]
    content = bytearray(bucket.read()[key])
    content[100] ^= 1
    write_object(bucket.url / key, bytes(content))
    machine("there")
    with pytest.raises(DataError, match="is damaged: it has not the content that was written"):
        Index.open(place_of(bucket))


def test_a_copy_that_was_interrupted(bucket: Bucket, machine: Machine, tmp_path: Path) -> None:
    """Catches a copy that is taken for whole though a file is short or of another state."""
    rows = vectors(40)
    place = fill(place_of(bucket), rows[:20])
    Index.open(place)
    (place.path / ".copied.json").unlink()  # written last
    (place.path / "index.json").write_text("{}")
    [data] = (place.path / "entries.lance" / "data").iterdir()
    os.truncate(data, 100)
    (place.path / "entries.lance" / "data" / ".new.lance.1-2.part").write_bytes(b"begun")
    assert Index.open(place_of(bucket)).search(rows[7], k=1)[0].entry.id == "id00007"
    assert not list(place.path.rglob("*.part"))
