"""What grows with an index: memory by a few bytes an entry, and no array for each query."""

import gc
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from benchmarks import made_index, search_large
from benchmarks.made_index import MadeIndex, make_index, make_photos
from benchmarks.worlds import WORLDS, Drawer
from e5v.search import entry_table, keys, listing, records
from e5v.search import writer as writer_module
from e5v.search.index import Index
from e5v.search.manifest import Manifest
from e5v.search.marks import Marks, write_marks
from e5v.search.nearest import cosines
from e5v.search.progress import Progress
from e5v.search.snapshot import Snapshot
from e5v.search.sync import FolderSync
from e5v.search.writer import Writer, writing
from tests.search.followed import Followed, check_vectors, entries, write_lines
from tests.search.made import change, fill, found, record, vectors
from tests.search.made import records as made_records

SIZES = (4_000, 12_000)
STEP = 1_000  # records at a time, far fewer than there are
PER_ENTRY = 80  # bytes


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> list[MadeIndex]:
    """Make an index of each size, and the empty photos that it follows."""
    folder = tmp_path_factory.mktemp("large")
    sizes = [MadeIndex(folder / f"{rows}", folder / f"photos{rows}", rows) for rows in SIZES]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(made_index, "EACH", STEP)  # the names of one folder are in memory
        for one in sizes:
            make_photos(one.photos, one.rows)
            make_index(one, Drawer(WORLDS[0], 64))
    return sizes


def peak(act: Callable[[], object]) -> int:
    """Return the bytes that Python and numpy hold at most while something is done."""
    gc.collect()
    tracemalloc.start()
    try:
        kept = act()
        assert kept is not None
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def refuse() -> Manifest:
    """Fail: there is an index, and nothing to embed."""
    raise AssertionError


def run(made: MadeIndex) -> Progress:
    """Bring an index up to date."""
    with writing(made.folder, refuse) as writer:
        *_, done = FolderSync(writer, refuse).follow([str(made.photos)])  # type: ignore[arg-type]
    return done


def test_a_run_takes_few_bytes_an_entry(
    made: list[MadeIndex], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches paths, or an object, held of each entry or file: 875 bytes in earlier versions."""
    monkeypatch.setattr(entry_table, "SCANNED", STEP)
    monkeypatch.setattr(listing, "AT_ONCE", STEP)
    for one in made:
        done = run(one)
        assert (done.changed, done.unchanged) == (False, one.rows)
    few, many = (peak(lambda one=one: run(one)) for one in made)  # type: ignore[misc]
    assert (many - few) / (SIZES[1] - SIZES[0]) < PER_ENTRY


def test_opening_takes_few_bytes_an_entry(
    made: list[MadeIndex], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches ids held as strings, or whole columns read at once."""
    monkeypatch.setattr(entry_table, "SCANNED", STEP)
    few, many = (peak(lambda one=one: Snapshot.take(one.folder)) for one in made)  # type: ignore[misc]
    assert (many - few) / (SIZES[1] - SIZES[0]) < PER_ENTRY


def test_a_query_makes_no_array_of_all_entries(
    made: list[MadeIndex], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches work in the number of entries for each query where LanceDB's index answers."""
    monkeypatch.setattr(writer_module, "MANY", 1_000)
    with writing(made[1].folder, refuse) as writer:
        writer.optimize()
    index = Index.open(made[1].folder)
    query = Drawer(WORLDS[0], 64).queries(1)[0]
    index.search(query, k=1)
    for where in (None, "kind = 'image'"):
        assert peak(lambda: index.search(query, k=1, where=where)) < 8 * SIZES[1] / 2  # noqa: B023


def change_in_all_ways(folder: Path) -> dict[str, int]:
    """Write 700 records, replace, remove and lose some; return the number of each that is there."""
    rows = vectors(700, dim=64)
    fill(folder, rows, each=200)
    gone = range(300, 340)

    def write(writer: Writer) -> None:
        numbers = {known.id: known.number for known in writer.known()}
        writer.commit([], [numbers[f"id{number:05d}"] for number in gone])
        writer.commit(made_records(-rows[:9], version=1), [])  # the old ones stand beside them

    change(folder, write, dim=64)
    live = Snapshot.take(folder)
    numbers = dict(
        zip(live.ids(np.arange(len(live.live))), live.live.numbers.tolist(), strict=True)
    )
    lost = {numbers[f"id{number:05d}"]: 1 for number in (5, 50, 51, 600)}
    write_marks(folder, Marks(missing=lost))
    return numbers


@pytest.mark.parametrize("offline", [False, True])
@pytest.mark.parametrize("where", [None, "kind = 'image'", "text LIKE '%é%' OR part = 1"])
def test_hits_are_those_of_every_cosine(
    tmp_path: Path, where: str | None, *, offline: bool
) -> None:
    """Catches a ranking that differs by a bit or a place from the plain computation."""
    change_in_all_ways(tmp_path)
    index, seen = Index.open(tmp_path), Snapshot.take(tmp_path)
    every = seen.entries(np.arange(len(seen.live)))
    assert len(every) == 660
    kind = {None: {"image", "text"}, "kind = 'image'": {"image"}}.get(where, {"text"})
    wanted = [one.kind in kind and (offline or not one.offline) for one in every]
    for query in vectors(4, dim=64, seed=3):
        scores = cosines(seen.collection.vectors, np.arange(660), query)
        best = [place for place in np.lexsort((np.arange(660), -scores)) if wanted[place]][:20]
        hits = index.search(query, k=20, where=where, offline=offline)
        assert [hit.entry for hit in hits] == [every[place] for place in best]
        assert [hit.score for hit in hits] == np.minimum(scores[best], 1).tolist()


def test_lancedbs_index_returns_what_is_there_now(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches a replaced record or an offline one among the hits of the large index."""
    monkeypatch.setattr(writer_module, "MANY", 600)
    change_in_all_ways(tmp_path)
    seen = Snapshot.take(tmp_path)
    seen.table.make_index()
    index = Index.open(tmp_path)
    rows = vectors(700, dim=64)
    lost = {"id00005", "id00050", "id00051", "id00600"}
    for number in (5, 50, 51, 600):
        assert not lost & set(found(index.search(rows[number], k=30)))
    assert found(index.search(rows[600], k=1, offline=True)) == ["id00600"]
    hits = index.search(-rows[3], k=50)
    assert hits[0].entry == record(3, -rows[3], version=1).entry
    assert len(set(found(hits))) == 50


@pytest.fixture
def alike(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let most strings share a key with others, and few records be held whole."""
    monkeypatch.setattr(keys, "hash", lambda one: len(one) % 2, raising=False)
    monkeypatch.setattr(records, "FRESH", 3)
    monkeypatch.setattr(listing, "AT_ONCE", 2)


@pytest.mark.usefixtures("alike")
def test_strings_with_one_key_are_told_apart(followed: Followed) -> None:
    """Catches an entry taken for another one that shares its key: by id, source or content."""
    lines = followed.folder / "all.jsonl"
    write_lines(lines, *({"text": f"line {number}"} for number in range(9)))
    assert followed.follow().embedded == 15
    progress = followed.follow()
    assert (progress.changed, progress.unchanged) == (False, 5)
    check_vectors(followed)
    (followed.folder / "photos").rename(followed.folder / "pictures")
    write_lines(lines, *({"text": f"line {number}"} for number in range(3, 11)))
    (followed.folder / "note.md").unlink()
    progress = followed.follow()
    assert (progress.embedded, progress.reused, progress.removed) == (2, 2, 5)
    assert progress.offline == 3
    assert len(entries(followed)) == 11
    check_vectors(followed)
    assert not followed.follow().changed


def test_images_that_lines_name_are_set_aside(followed: Followed) -> None:
    """Catches an image that stays out when its line is gone, and one that is there twice."""
    lines, photo = followed.folder / "all.jsonl", "photos/b.jpg"
    write_lines(lines, {"image": photo, "caption": "a strip"}, {"text": "one"})
    followed.follow()
    assert (photo, 0) not in entries(followed)
    progress = followed.follow()
    assert (progress.changed, progress.unchanged) == (False, 4)  # all.jsonl and three files
    write_lines(lines, {"text": "one"})
    assert followed.follow().reused == 1
    assert (photo, 0) in entries(followed)
    assert not followed.follow().changed
    write_lines(lines, {"image": photo, "caption": "a strip"}, {"text": "one"})
    followed.follow()
    assert (photo, 0) not in entries(followed)
    lines.unlink()
    assert followed.follow().offline == 1  # the text; the photo is an entry of its own again
    assert (photo, 0) in entries(followed)


def test_the_benchmark(tmp_path: Path) -> None:
    """Catches a benchmark that does not run, or a recall of nothing."""
    settings = search_large.Settings((3_000,), dim=64, queries=5, exact_queries=1, folder=tmp_path)
    [measured] = search_large.measure(settings)
    assert measured.search.search_recall == 1
    assert measured.search.ivf_rq_recall > 0.8
    assert measured.run.unchanged == 3_000
    assert list(tmp_path.iterdir()) == []
    told = search_large.report(settings, [measured])
    assert {"machine", "versions", "measured", "notes"} <= told.keys()
