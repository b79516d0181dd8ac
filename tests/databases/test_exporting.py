"""Export to a real database, and search there: as the index itself, and never twice."""

from collections import deque
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from e5v.databases.database import Facts
from e5v.databases.exporting import ExportProgress, export, export_blocks, make_facts
from e5v.databases.opening import open_database
from e5v.databases.store_index import StoreIndex
from e5v.databases.url import read_url
from e5v.errors import DataError, UsageError
from e5v.search.entry_blocks import EntryBlocks
from e5v.search.index import Index
from e5v.search.manifest import Manifest
from e5v.search.query import Query, list_items, load_stored_example
from e5v.search.records import Known
from tests.databases.conftest import ROWS
from tests.search import made

FILTERS = (
    None,
    "kind = 'image'",
    "path LIKE '%7.txt'",
    "path LIKE '/made/0000%' OR size > 1030",
    "text ILIKE '%NUMBER 1_,%'",
    "NOT (kind = 'text') AND part IN (0, 1)",
    "text LIKE '%it''s%' AND id <> 'id00010'",
    "size BETWEEN 1010 AND 1020 AND NOT path LIKE '%_15%'",
)


def run(index: Path, store: str, *, thumbnails: bool = True) -> ExportProgress:
    """Export, and return what was done."""
    return deque(export(index, store, thumbnails=thumbnails), maxlen=1).pop()


def test_a_collection_is_searched_as_its_index(index: Path, store: str) -> None:
    """Catches other hits, another order, scores or fields, and a filter that is read otherwise."""
    assert run(index, store) == ExportProgress(ROWS, ROWS, sent=ROWS)
    local = Index.open(index)
    with closing(StoreIndex.open(store)) as stored:
        assert (len(stored), stored.kinds()) == (ROWS, local.kinds())
        for where in FILTERS:
            for query in made.vectors(2, seed=5):
                expected = local.search(query, k=7, where=where)
                found = stored.search(query, k=7, where=where)
                assert [hit.entry for hit in found] == [hit.entry for hit in expected], where
                scores = [[hit.score for hit in hits] for hits in (found, expected)]
                np.testing.assert_allclose(scores[0], scores[1], atol=1e-3)
        assert stored.search(query, min_score=1) == []
        assert stored.newest("image", 4, 3) == local.newest("image", 4, 3)
        assert stored.newest(limit=100) == local.newest(limit=100)
        assert stored.get("id00004") == local.get("id00004")
        assert stored.get("none") is None
        assert stored.vector("none") is None
        some = stored.entries(["id00009", "x", "id00002"])
        assert [entry.id for entry in some] == ["id00009", "id00002"]
        ids, vectors = stored.vectors(9)
        assert len(set(ids)) == 9
        for id, vector in zip(ids, vectors, strict=True):
            expected_vector = local.vector(id)
            assert expected_vector is not None
            np.testing.assert_allclose(vector, expected_vector, atol=1e-6)
        like = Query(like="id00003")
        items = [list_items(like, load_stored_example(one, like)) for one in (local, stored)]
        vector, other = (one.stored for one in items)
        assert vector is not None
        assert other is not None
        np.testing.assert_allclose(vector, other, atol=1e-6)
        with pytest.raises(UsageError, match="'=' is not expected"):
            stored.search(query, where="kind = = 'image'")


def test_a_second_export_sends_what_changed(index: Path, store: str) -> None:
    """Catches rows that are there twice, stay when they are gone, or are sent again for nothing."""
    run(index, store)
    assert run(index, store) == ExportProgress(ROWS, ROWS)
    made.change(index, lambda writer: writer.commit(made.records(made.vectors(2), version=1), []))
    gone = [one.number for one in _known(index) if one.id in {"id00007", "id00008", "id00009"}]
    made.change(index, lambda writer: writer.commit([], gone))
    assert run(index, store) == ExportProgress(ROWS - 3, ROWS - 3, sent=2, removed=3)
    local = Index.open(index)
    with closing(StoreIndex.open(store)) as stored:
        assert len(stored) == sum(stored.kinds().values()) == ROWS - 3
        query = made.vectors(1, seed=3)[0]
        expected = [hit.entry for hit in local.search(query, k=ROWS)]
        assert [hit.entry for hit in stored.search(query, k=ROWS)] == expected
    assert run(index, store, thumbnails=False).sent == sum(one.width > 0 for one in expected)
    with closing(StoreIndex.open(store)) as stored:
        assert {entry.thumbnail for entry in stored.newest()} == {b""}


def _known(index: Path) -> list[Known]:
    known: list[Known] = []
    made.change(index, lambda writer: known.extend(writer.known()))
    return known


def test_a_stopped_export_is_not_searched_and_goes_on(
    index: Path, store: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches half a collection that is searched as if it were whole, and work done twice."""
    monkeypatch.setattr("e5v.databases.exporting.MOST_ROWS", 15)
    steps = export(index, store)
    assert [next(steps).rows for _ in range(3)] == [0, 15, 30]
    steps.close()
    with pytest.raises(DataError, match=r"the export to .* was stopped before its end"):
        StoreIndex.open(store)
    assert run(index, store) == ExportProgress(ROWS, ROWS, sent=ROWS - 30)
    with closing(StoreIndex.open(store)) as stored:
        assert len(stored) == ROWS


def test_what_a_collection_is_not_of(index: Path, store: str, tmp_path: Path) -> None:
    """Catches vectors of two models in one collection, and a search with another model."""
    with pytest.raises(UsageError, match="does not exist"):
        StoreIndex.open(store)
    run(index, store)
    blocks, url = EntryBlocks.open(index), read_url(store)
    other = replace(blocks.manifest, fingerprint="another-one")
    blocks.manifest = other
    with closing(open_database(url)) as database:
        with pytest.raises(DataError, match=r"has vectors of made-up .*; export to another"):
            deque(export_blocks(blocks, database, url))
        facts = database.read_facts()
        assert facts is not None
        assert (facts.complete, facts.prompt) == (True, "retrieval")
    with closing(StoreIndex.open(store)) as stored:
        with pytest.raises(DataError, match="their vectors cannot be compared"):
            stored.check("another-one", "other", "float32")
        stored.check("made-up-fingerprint", "made-up", "float32")


def test_an_export_that_another_overtakes(index: Path, store: str) -> None:
    """Catches two exports that run at once, of which one calls the other's half complete."""
    url, blocks = read_url(store), EntryBlocks.open(index)
    with closing(open_database(url, create=True)) as database:
        steps = export_blocks(blocks, database, url)
        next(steps)
        facts = database.read_facts()
        assert facts is not None
        database.write_facts(replace(facts, run="of another"))
        next(steps)
        database.write_facts(replace(facts, run="of another"))
        with pytest.raises(DataError, match="another export to"):
            deque(steps)
        facts = database.read_facts()
        assert facts is not None
        assert not facts.complete


def test_a_collection_keeps_the_adapter() -> None:
    """Catches queries embedded without the adapter that the stored vectors were made with."""
    plain = Manifest("f", "m", "float32", 3)
    for manifest in (plain, replace(plain, adapter="/run")):
        written = make_facts(manifest).write()
        assert Facts.read(written, "here").manifest == manifest
        assert ('"adapter"' in written) == bool(manifest.adapter), "older versions read it"
