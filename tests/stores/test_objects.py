"""Objects of a store, against a real S3-compatible server, without and with the faults of a way."""

import io
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from e5v.errors import DataError, UsageError
from e5v.places import ObjectState, StoreUrl, find_store
from e5v.stores import clients, objects
from e5v.stores.objects import (
    create_object,
    delete_object,
    find_state,
    list_level,
    list_objects,
    read_object,
    replace_object,
    write_object,
)
from e5v.stores.reading import open_object
from tests.store_server import Bucket, Faults, Kind

NAMES = ["a b.jpg", "a%20b.jpg", "ünï/日本.png", "x#y?z=1.txt", "plus+&=.txt", "deep/er/x", "~t:*|"]
LARGE = bytes(range(256)) * 2**10 + b"end"
PIECE = 2**16  # bytes, of which LARGE has more than four


@pytest.fixture(autouse=True)
def _small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(objects, "PIECE", PIECE)


def test_names_come_back_as_they_are(bucket: Bucket) -> None:
    """Catches a name that is quoted once too often, or an object that a listing leaves out."""
    for name in NAMES:
        write_object(bucket.url / name, name.encode())
    assert {one.key: read_object(one) for one in list_objects(bucket.url)} == {
        name: name.encode() for name in NAMES
    }
    level = list_level(bucket.url)
    assert {one.key for one in level.folders} == {"ünï", "deep"}
    assert {one.key for one in level.objects} == {name for name in NAMES if "/" not in name}
    assert [one.name for one in list_level(bucket.url / "deep/er").objects] == ["x"]
    assert list_level(bucket.url / "dee").objects == ()


def test_what_is_written_is_read(bucket: Bucket) -> None:
    """Catches a state that is not that of the content, and a piece that is lost."""
    url = bucket.url / "x"
    assert find_state(url) is None
    states = [write_object(url, one) for one in (b"one", b"two!", io.BytesIO(LARGE))]
    assert [one.size for one in states] == [3, 4, len(LARGE)]
    assert find_state(url) == states[-1]
    assert read_object(url) == LARGE
    assert read_object(url, 65_530, 65_550) == LARGE[65_530:65_550]
    delete_object(url)
    delete_object(url)
    assert find_state(url) is None


def test_a_file_of_an_object(bucket: Bucket, faults: Faults) -> None:
    """Catches a wrong place after a seek, and a file that is fetched whole for a few bytes."""
    write_object(bucket.url / "x", LARGE)
    faults.seen.clear()
    with open_object(bucket.url / "x", read_ahead=1_000) as file:
        assert (file.read(10), file.tell()) == (LARGE[:10], 10)
        file.seek(-5, io.SEEK_END)
        assert file.read() == LARGE[-5:]
        file.seek(300)
        assert file.read(20) == LARGE[300:320]
    assert sum(size for method, _, size in faults.seen if method == "GET") <= 3_000


@pytest.mark.usefixtures("faults")
def test_one_of_many_creates(bucket: Bucket) -> None:
    """Catches a second writer that replaces what the first one wrote."""
    url = bucket.url / "lock"
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda n: create_object(url, b"%d" % n), range(8)))
    [winner] = [n for n, one in enumerate(made) if one is not None]
    assert read_object(url) == b"%d" % winner


def test_a_change_on_a_condition(bucket: Bucket) -> None:
    """Catches a writer that overwrites what another one changed meanwhile, or made anew."""
    url = bucket.url / "lease"
    first = write_object(url, b"1")
    second = replace_object(url, b"2", first)
    assert second is not None
    assert replace_object(url, b"3", first) is None
    assert read_object(url) == b"2"
    delete_object(url)
    assert replace_object(url, b"4", second) is None
    assert find_state(url) is None


def test_an_object_that_changed(bucket: Bucket) -> None:
    """Catches content of another state than the one that was listed."""
    write_object(bucket.url / "x", b"one")
    [listed] = list_objects(bucket.url)
    file = open_object(listed)
    write_object(bucket.url / "x", b"two")
    with pytest.raises(DataError, match="x changed while it was read; run this again"):
        read_object(listed)
    with pytest.raises(DataError, match="x changed while it was read; run this again"):
        file.read()


def test_a_cut_connection_leaves_nothing_or_all(bucket: Bucket, faults: Faults) -> None:
    """Catches half an object, and a write that is given up at the first cut."""
    kinds: tuple[Kind, ...] = ("cut", "lose", "busy")
    for kind in kinds:
        faults.add(kind, "PUT", 2)
        write_object(bucket.url / f"whole-{kind}", b"x" * 10_000)
        faults.add(kind, "PUT", 2)
        write_object(bucket.url / f"large-{kind}", LARGE)
    assert not faults.waiting
    assert {len(one) for one in bucket.read().values()} == {10_000, len(LARGE)}
    for kind in kinds:
        faults.add(kind, "PUT")
        made = create_object(bucket.url / f"new-{kind}", b"y" * 10_000)
        assert (made is None) == (kind == "lose")  # it was there when it was tried again
        assert len(read_object(bucket.url / f"new-{kind}")) == 10_000


def test_a_write_that_fails_leaves_what_was_there(
    bucket: Bucket, faults: Faults, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches an object that is gone, or half there, after a write that was given up."""
    monkeypatch.setattr(clients, "RETRIES", 1)
    write_object(bucket.url / "x", b"old")
    for content in (b"new" * 1_000, LARGE):
        faults.add("cut", "PUT", 20)
        with pytest.raises(DataError, match="x cannot be written"):
            write_object(bucket.url / "x", content)
        faults.waiting.clear()
        assert bucket.read() == {"x": b"old"}


def test_a_slow_answer_and_a_busy_store(bucket: Bucket, faults: Faults) -> None:
    """Catches a read that is given up, or that is short."""
    write_object(bucket.url / "x", LARGE)
    kinds: tuple[Kind, ...] = ("slow", "busy", "lose")
    for kind in kinds:
        faults.add(kind, "GET", 2)
        assert read_object(bucket.url / "x", 100, 200_100) == LARGE[100:200_100]
        faults.add(kind, "HEAD")
        assert find_state(bucket.url / "x") is not None
    faults.waiting.clear()


def test_what_goes_wrong_is_said(
    bucket: Bucket, faults: Faults, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches a message of many lines, or one that does not say what to do."""
    monkeypatch.setattr(clients, "RETRIES", 0)
    with pytest.raises(FileNotFoundError, match=r"none does not exist; check the URL"):
        read_object(bucket.url / "none")
    gone = StoreUrl("s3", "no-such-bucket")
    acts: list[Callable[[StoreUrl], object]] = [read_object, list_level]
    for act in acts:
        with pytest.raises(DataError, match="s3://no-such-bucket does not exist; check the name"):
            act(gone / "x")
    acts += [find_state, lambda url: write_object(url, b"")]
    for act in acts:
        for method in ("GET", "HEAD", "PUT"):
            faults.add("deny", method)
        with pytest.raises(DataError, match=r"permission denied.*; check AWS_\* in the env"):
            act(bucket.url / "x")
        faults.waiting.clear()
    faults.add("busy", "GET", 9)
    with pytest.raises(DataError, match=r"the store says SlowDown; try again later"):
        read_object(bucket.url / "x")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    with pytest.raises(DataError, match="connection refused; check the network") as told:
        read_object(bucket.url / "x")
    assert "\n" not in str(told.value)


def test_a_url_is_a_place() -> None:
    """Catches a bucket without a name, and a path of this machine that is taken for a URL."""
    assert find_store("S3://b/a c.jpg ") == StoreUrl("s3", "b", "a c.jpg")
    assert str(find_store("gs://b/")) == "gs://b"
    assert find_store("https://b/x") is find_store("s3:/b/x") is None
    with pytest.raises(UsageError, match="s3:// names no bucket; expected s3://BUCKET/NAME"):
        find_store("s3:///x")
    assert str(StoreUrl("s3", "b", "a/c.jsonl").parent / "../../../x.jpg") == "s3://b/x.jpg"
    assert StoreUrl("s3", "b", "x", ObjectState(1, "a")) == StoreUrl("s3", "b", "x")
