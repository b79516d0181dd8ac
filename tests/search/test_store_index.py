"""An index on an object store: that of a folder, for every machine, and cheap to follow."""

from pathlib import Path

import lancedb
import numpy as np
import PIL.Image
import pytest

import e5v
from e5v import E5V
from e5v.errors import DataError, UsageError
from e5v.search import nearest
from e5v.search.index import Index
from e5v.search.locating import open_folder
from e5v.search.store_signs import find_quantizer
from e5v.search.writer import Writer
from e5v.stores.objects import delete_object
from tests.search.made import change, fill, ids, records, vectors
from tests.search.stored import Machine, check_objects, place_of, rows_of
from tests.store_server import Bucket, Faults


def _write(writer: Writer) -> None:
    """Add rows, replace some of them, and remove others."""
    rows = vectors(9_000)
    numbers: list[int] = []
    for start in range(0, len(rows), 3_000):
        numbers += writer.commit(records(rows[start : start + 3_000], first=start), [])
    fresh = vectors(50, seed=1)
    writer.commit(records(fresh, first=100, version=1), numbers[100:150])
    writer.commit([], numbers[4_000:4_300])


def test_it_is_that_of_a_folder(
    bucket: Bucket, machine: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches a row, a vector or a hit that differs, here or on another machine."""
    monkeypatch.setattr(nearest, "DIRECT", 0)  # signs are used
    local = Index.open(change(tmp_path / "local", _write))
    change(place_of(bucket), _write)
    for name in ("here", "there", "here"):
        machine(name)
        index = Index.open(str(bucket.url / "x"))
        assert rows_of(index).equals(rows_of(local))
        assert index.vectors()[0] == local.vectors()[0]
        assert np.array_equal(index.vectors()[1], local.vectors()[1])
        assert index._seen.collection.signs is not None
        for query in vectors(20, seed=2):
            assert index.search(query, k=30) == local.search(query, k=30)
        assert index.duplicates(0.97) == local.duplicates(0.97)
        assert index.newest(limit=5) == local.newest(limit=5)
        check_objects(bucket)
    bucket.put("x/photos/a.jpg", b"is not ours")
    change(place_of(bucket), lambda writer: None)
    assert bucket.read()["x/photos/a.jpg"] == b"is not ours"
    table = lancedb.connect(str(bucket.url / "x")).open_table("entries")
    assert table.count_rows() == len(local)


def test_machines_take_turns(bucket: Bucket, machine: Machine) -> None:
    """Catches signs of a number that another machine gave to another row."""
    rows = vectors(60)
    place = fill(place_of(bucket), rows[:20])
    machine("there")
    reader = Index.open(str(bucket.url / "x"))

    def add_and_remove(writer: Writer) -> None:
        writer.commit([], writer.commit(records(rows[20:40], first=20), []))

    change(place_of(bucket), add_and_remove)
    assert not {*ids(range(20, 40))} & {*reader.vectors()[0]}
    machine("new")
    change(place_of(bucket), lambda writer: writer.commit(records(rows[40:], first=40), []))
    for name in ("here", "there"):
        machine(name)
        index = Index.open(str(bucket.url / "x"))
        signs = index._seen.collection.signs
        assert signs is not None
        expected = signs.quantizer.encode(index._seen.collection.vectors.take(np.arange(40)))
        rows_of_signs = signs.rows(index._seen.live.numbers)
        assert rows_of_signs is not None
        assert np.array_equal(signs.words[rows_of_signs], expected)
    assert reader.refresh()
    assert set(reader.vectors()[0]) == {*ids(range(20)), *ids(range(40, 60))}
    assert find_quantizer(place.path) is not None
    check_objects(bucket)


def test_a_look_is_one_request(bucket: Bucket, machine: Machine, faults: Faults) -> None:
    """Catches a listing, or a copy that is made again, for every look of a server."""
    place = fill(place_of(bucket), vectors(30))
    index = Index.open(place)
    faults.seen.clear()
    assert not index.refresh()
    assert [method for method, *_ in faults.seen] == ["HEAD"]
    change(place, lambda writer: None)  # a writer that finds nothing to do
    written = [path for method, path, _ in faults.seen if method == "PUT"]
    assert {path.rpartition("/")[2] for path in written} == {"writer.lease", "commit.json"}
    faults.seen.clear()
    assert not index.refresh()
    assert all("entries.lance" not in path for _, path, _ in faults.seen)
    machine("there")
    faults.seen.clear()
    Index.open(str(bucket.url / "x"))
    assert {method for method, *_ in faults.seen} == {"HEAD", "GET"}  # a reader may only read


def test_what_was_uploaded_is_not_downloaded(
    bucket: Bucket, machine: Machine, faults: Faults
) -> None:
    """Catches a machine that fetches the rows that it has just written."""
    fill(place_of(bucket), vectors(30))
    faults.seen.clear()
    Index.open(str(bucket.url / "x"))
    assert not [path for method, path, _ in faults.seen if method == "GET" and "/data/" in path]


def test_folders_are_followed(
    bucket: Bucket,
    machine: Machine,
    model: E5V,
    tmp_path: Path,
    photos: list[PIL.Image.Image],
) -> None:
    """Catches a run that embeds again, or loses or keeps what is gone, where another had been."""
    folder, url = tmp_path / "things", str(bucket.url / "x")
    folder.mkdir()
    for name, photo in zip(("a.png", "b.png", "c.png"), photos, strict=False):
        photo.save(folder / name)
    made = e5v.index(folder, index=url, model=model)
    assert (made.entries, made.progress.embedded, str(made.folder)) == (3, 3, url)
    local = e5v.index(folder, index=tmp_path / "local", model=model)
    assert isinstance(local.folder, Path)
    machine("there")
    index = Index.open(url, model=model)
    assert rows_of(index).equals(rows_of(Index.open(local.folder)))
    assert index.search("a thing") == Index.open(local.folder, model=model).search("a thing")
    assert all(entry.thumbnail for entry in index.newest())
    before = bucket.read()
    assert not e5v.index(index=url, model=model).progress.changed
    changed = {key for key, content in bucket.read().items() if before.get(key) != content}
    assert changed <= {"x/writer.lease", "x/commit.json"}
    (folder / "a.png").rename(folder / "new.png")
    (folder / "b.png").unlink()
    (folder / "note.txt").write_text("a note")
    done = e5v.index(index=url, model=model)
    counts = done.progress.embedded, done.progress.reused, done.progress.removed, done.entries
    assert counts == (1, 1, 1, 3)
    machine("here")
    assert index.refresh()
    assert (len(index), index.offline) == (3, 1)
    assert not e5v.index(index=url, model=model).progress.changed
    check_objects(bucket)


def test_an_index_that_is_made_again(bucket: Bucket, machine: Machine) -> None:
    """Catches a copy that mixes two indexes of one name."""
    rows = vectors(40)
    place = fill(place_of(bucket), rows[:20], each=5)
    index = Index.open(place)
    for key in bucket.read():
        delete_object(bucket.url / key)
    with pytest.raises(DataError, match=r"s3://.* contains no index"):
        Index.open(place)
    with pytest.raises(DataError):
        index.refresh()
    machine("there")
    fill(place_of(bucket), rows[20:], each=5)
    machine("here")
    again = Index.open(place)
    for reader in (again, index):
        reader.refresh()
        assert reader.vectors()[0] == ids(range(20))
        hit = reader.search(rows[25], k=1)[0]
        assert (hit.entry.id, hit.score > 0.999) == ("id00005", True)


def test_places_that_cannot_be_an_index(
    bucket: Bucket, machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches a traceback, or an index that is made where there is none."""
    with pytest.raises(DataError, match="s3://none does not exist; check the name of the bucket"):
        Index.open("s3://none/x")
    with pytest.raises(DataError, match="s3://none does not exist; check the name of the bucket"):
        change(open_folder("s3://none/x"), lambda writer: None)
    with pytest.raises(DataError, match="contains no index; make one with: e5v index FOLDER"):
        Index.open(str(bucket.url / "nothing"))
    with pytest.raises(UsageError, match="hf://a/b cannot be used as an index; download it"):
        Index.open("hf://a/b")
    with pytest.raises(UsageError, match="ftp://a/b is a URL, which is not supported"):
        Index.open("ftp://a/b")
    bucket.put("mine/entries.lance/_versions/1.manifest", b"")
    bucket.put("mine/e5v-files/cat.jpg", b"")
    there = bucket.read()
    with pytest.raises(DataError, match=r"mine has a table entries\.lance/ without commit\.json"):
        change(open_folder(str(bucket.url / "mine")), lambda writer: None)
    assert bucket.read().keys() - there.keys() == {"mine/writer.lease"}
    monkeypatch.setenv("E5V_CACHE", "/proc/none")
    with pytest.raises(DataError, match=r"the copy of the index in /proc/none/.* E5V_CACHE"):
        Index.open(str(bucket.url / "nothing"))
    assert not any(key.startswith("nothing") for key in bucket.read())
