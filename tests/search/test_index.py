"""The reader: what it finds, what it says of what it cannot, and that it never waits."""

import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event

import numpy as np
import pytest

from e5v.errors import DataError, UsageError
from e5v.search import nearest, writer
from e5v.search.index import Index
from e5v.search.manifest import Manifest
from e5v.search.writer import Writer, writing
from tests.search.made import DIM, change, fill, found, ids, make_manifest, record, records, vectors


def test_hits_are_the_nearest_with_their_records(tmp_path: Path) -> None:
    """Catches a hit that bears another's record, score or place."""
    rows = vectors(300)
    index = Index.open(fill(tmp_path, rows, each=70))
    for query in vectors(5, seed=1):
        scores = rows @ query
        hits = index.search(query, k=7)
        assert found(hits) == ids(np.argsort(-scores)[:7])
        np.testing.assert_allclose(
            [hit.score for hit in hits], np.sort(scores)[::-1][:7], atol=1e-3
        )
    number = int(np.argmax(rows @ query))
    assert hits[0].entry == record(number, rows[number]).entry
    assert (len(index), index.dim, index.model, index.dtype) == (300, DIM, "made-up", "float32")
    assert index.kinds() == {"image": 150, "text": 150}


def test_what_cannot_be_asked(tmp_path: Path) -> None:
    """Catches a query of another width, or for nothing, that is answered all the same."""
    with pytest.raises(DataError, match="contains no index; make one with: e5v index"):
        Index.open(tmp_path / "nowhere")
    index = Index.open(fill(tmp_path, vectors(10)))
    with pytest.raises(UsageError, match=r"shape \(7,\); expected \(48,\)"):
        index.search(np.ones(7, np.float32))
    for wrong in ("{", '{"format": 9}', "[]"):
        (tmp_path / "index.json").write_text(wrong)
        with pytest.raises(DataError):
            Index.open(tmp_path)


def test_an_index_of_nothing(tmp_path: Path) -> None:
    """Catches an empty index that falls over."""
    index = Index.open(change(tmp_path, lambda writer: writer.commit([], [])))
    assert (len(index), index.kinds()) == (0, {"image": 0, "text": 0})
    assert index.search(vectors(1)[0]) == []
    assert index.search(vectors(1)[0], where="kind = 'text'") == []
    assert index.get("id00000") is None
    assert index.vector("id00000") is None
    assert index.vectors()[1].shape == (0, DIM)
    assert index.duplicates(0.9) == []


def test_entries_and_vectors_by_id(tmp_path: Path) -> None:
    """Catches rows mixed up between the table and the vectors, and a lopsided sample."""
    rows = vectors(100)
    index = Index.open(fill(tmp_path, rows, each=30))
    assert index.get("id00042") == record(42, rows[42]).entry
    assert index.get("nobody's") is None
    assert index.get("it's") is None
    assert [one.id for one in index.entries(["id00042", "none", "id00007"])] == ids([42, 7])
    vector = index.vector("id00042")
    assert vector is not None
    np.testing.assert_allclose(vector, rows[42], atol=1e-3)
    every, whole = index.vectors()
    assert every == ids(range(100))
    np.testing.assert_allclose(whole, rows, atol=1e-3)
    some, part = index.vectors(10)
    numbers = [int(one[2:]) for one in some]
    assert len(some) == 10
    assert np.diff(numbers).max() <= 12
    np.testing.assert_array_equal(part, whole[numbers])


def test_the_newest_come_first(tmp_path: Path) -> None:
    """Catches a page that opens on the oldest pictures, or shows one of them twice."""
    rows = vectors(30)

    def write(writer: Writer) -> None:
        for first, version in ((0, 5), (10, 9), (20, 7)):
            writer.commit(records(rows[first : first + 10], first=first, version=version), [])

    index = Index.open(change(tmp_path, write))
    newest = ids([*range(10, 20), *range(20, 30), *range(10)])
    assert [one.id for one in index.newest(limit=30)] == newest
    pages = [index.newest("image", 4, offset) for offset in (0, 4, 8, 12, 16)]
    assert [len(page) for page in pages] == [4, 4, 4, 3, 0]
    assert [one.id for page in pages for one in page] == newest[::2]
    assert {one.kind for one in index.newest("text", 99)} == {"text"}
    assert [one.id for one in index.newest(limit=30, oldest=True)] == newest[::-1]
    some = index.newest("image", 3, 1, where="mtime < 9", oldest=True)
    assert [one.id for one in some] == ids([6, 4, 2])
    with pytest.raises(UsageError, match="the filter 'nonsense =' cannot be used"):
        index.newest(where="nonsense =")
    with pytest.raises(UsageError, match="kind is 'video'; expected image or text"):
        index.newest("video")
    with pytest.raises(UsageError, match="offset is -1; expected at least 0"):
        index.newest(offset=-1)


def test_a_reader_sees_a_commit_when_it_looks_again(tmp_path: Path) -> None:
    """Catches a reader that changes under a search, and one that never sees what is new."""
    rows = vectors(60)
    index = Index.open(fill(tmp_path, rows[:50]))
    assert not index.refresh()
    numbers = {}

    def write(writer: Writer) -> None:
        numbers.update({known.id: known.number for known in writer.known()})
        writer.commit(records(rows[50:], first=50), [numbers["id00003"], numbers["id00004"]])

    change(tmp_path, write)
    assert len(index) == 50
    assert found(index.search(rows[3], k=1)) == ["id00003"]
    assert index.refresh()
    assert not index.refresh()
    assert len(index) == 58
    assert found(index.search(rows[55], k=1)) == ["id00055"]
    assert "id00003" not in found(index.search(rows[3], k=58))


def test_a_reader_that_looks_again_is_told_of_another_model(tmp_path: Path) -> None:
    """Catches one model's queries answered with another's vectors, where all was made anew."""
    index = Index.open(fill(tmp_path, vectors(20)))
    change(tmp_path, lambda writer: writer.follow(["/a"]))
    assert not index.refresh()
    assert index.manifest.roots == ("/a",)
    shutil.rmtree(tmp_path)
    with writing(tmp_path, lambda: Manifest("another", "other", "float32", DIM)) as writer:
        writer.commit(records(vectors(20, seed=1)), [])
    for _ in range(2):
        with pytest.raises(
            DataError, match=r"made with other .*, but the model is made-up .* cannot be"
        ):
            index.refresh()
    assert index.model == "made-up"


def test_a_record_written_again_counts_once(tmp_path: Path) -> None:
    """Catches two answers for one thing while the old record is not yet removed."""
    rows = vectors(20)
    fill(tmp_path, rows)
    change(tmp_path, lambda writer: writer.commit([record(3, -rows[3], version=1)], []))
    index = Index.open(tmp_path)
    assert len(index) == 20
    assert index.kinds() == {"image": 10, "text": 10}
    [hit] = index.search(-rows[3], k=1)
    assert hit.entry == record(3, -rows[3], version=1).entry
    change(tmp_path, lambda writer: len(writer))  # the next writer removes what is left over
    assert len(list_of_records(tmp_path)) == 20


def list_of_records(folder: Path) -> list[str]:
    """Return the id of every record in the table, also of those that do not count."""
    listed: list[str] = []
    change(folder, lambda writer: listed.extend(known.id for known in writer.known()))
    return listed


def test_readers_do_not_wait_for_the_writer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches a reader that fails, or finds half of things, while all is written anew.

    Threads search and look again while a writer adds, removes, joins fragments and lays out the
    vectors in new files; every search must find the one thing that is always there.
    """
    monkeypatch.setattr(writer, "SOME_COMMITS", 3)
    monkeypatch.setattr(writer, "LEAST_REMOVED", 20)
    rows = vectors(400)
    folder = fill(tmp_path, rows[:40], each=10)
    index = Index.open(folder)
    done = Event()

    def search() -> int:
        count = 0
        while not done.is_set():
            index.refresh()
            assert found(index.search(rows[0], k=1)) == ["id00000"]
            assert index.get("id00000") == record(0, rows[0]).entry
            count += 1
        return count

    def write(writer: Writer) -> None:
        for start in range(40, 400, 20):
            known = {known.id: known.number for known in writer.known()}
            gone = [number for one, number in known.items() if one != "id00000"][:15]
            writer.commit(records(rows[start : start + 20], first=start), gone)

    with ThreadPoolExecutor(2) as pool:
        searches = [pool.submit(search) for _ in range(2)]
        try:
            change(folder, write)
        finally:
            done.set()
        assert all(one.result() for one in searches)
    index.refresh()
    assert len(index) == 40 + 18 * 5


def test_lancedbs_own_index_answers_where_there_are_many(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches the large index: not built, asked wrongly, or deaf to filters and to what is new."""
    monkeypatch.setattr(writer, "MANY", 600)
    rows = vectors(700, dim=64)

    def write(writer: Writer) -> None:
        writer.commit(records(rows[:650]), [])
        writer.optimize()
        writer.commit(records(rows[650:], first=650), [])

    index = Index.open(change(tmp_path, write, dim=64))
    monkeypatch.setattr(nearest, "nearest", None)  # it must not be asked
    asked = [3, 77, 649, 660, 699]
    for number in asked:
        hits = index.search(rows[number], k=5)
        scores = rows @ rows[number]
        assert found(hits)[0] == f"id{number:05d}"
        assert len(set(found(hits)) & set(ids(np.argsort(-scores)[:5]))) >= 4
        assert hits[0].score == pytest.approx(1, abs=2e-3)
    hits = index.search(rows[3], k=5, where="kind = 'image'")
    assert {hit.entry.kind for hit in hits} == {"image"}
    with pytest.raises(UsageError, match="cannot be used"):
        index.search(rows[3], where="knd = 3")
    assert index.audit(queries=20).recall > 0.8


def test_a_broken_index_is_told_in_one_line(tmp_path: Path) -> None:
    """Catches a traceback of LanceDB's for a file that is lost, or a disk that is full."""
    rows = vectors(30)
    index = Index.open(fill(tmp_path, rows))
    with pytest.raises(DataError, match="cannot be written"):
        change(tmp_path, lambda writer: break_and_write(tmp_path, writer))
    for path in (tmp_path / "entries.lance" / "data").iterdir():
        path.unlink()
    with pytest.raises(DataError, match="cannot be read"):
        index.search(rows[0])
    with pytest.raises(DataError, match="cannot be read"):
        Index.open(tmp_path)
    (tmp_path / "entries.lance").rename(tmp_path / "elsewhere")
    with pytest.raises(DataError, match="cannot be opened"):
        Index.open(tmp_path)


def break_and_write(folder: Path, writer: Writer) -> None:
    """Put a file where the table's folder of data was, and commit."""
    data = folder / "entries.lance" / "data"
    data.rename(data.with_name("kept"))
    data.touch()
    try:
        writer.commit([record(99, vectors(1)[0])], [])
    finally:
        data.unlink()
        data.with_name("kept").rename(data)


def test_another_model_is_told(tmp_path: Path) -> None:
    """Catches vectors of two models compared with each other."""
    index = Index.open(fill(tmp_path, vectors(10)))
    index.check(make_manifest().fingerprint, "the same under another name", "float32")
    with pytest.raises(
        DataError, match=r"made with made-up .*, but the model is other .* cannot be"
    ):
        index.check("another", "other", "bfloat16")
