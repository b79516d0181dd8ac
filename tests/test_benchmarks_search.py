"""The benchmark of search on a small index: that it runs, and counts what it says it counts.

No speed is asserted here: on a test machine it means nothing.
"""

import io
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from benchmarks import first_answer, index, index_size, search
from benchmarks.fresh import here
from benchmarks.search import Measured, Settings, measure, report, table
from benchmarks.worlds import WORLDS, Drawer
from e5v.search.entries import Hit
from tests.search import made

ROOT = Path(__file__).parents[1]
SMALL = Settings(rows=(1_500, 2_500), other_rows=1_500, dim=256, queries=12, exact_queries=2)


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> list[Measured]:
    """Measure small indexes."""
    folder = tmp_path_factory.mktemp("indexes")
    return list(measure(replace(SMALL, folder=folder)))


def test_every_size_of_every_world_is_measured(found: list[Measured]) -> None:
    """Catches a size that is skipped, an index that does not grow, and a recall of nothing."""
    assert [(one.world, one.rows) for one in found] == [
        ("clustered", 1_500),
        ("clustered", 2_500),
        ("hard", 1_500),
        ("isotropic", 1_500),
    ]
    for one in found:
        assert one.recall == 1  # so few are compared directly
        assert -0.2 < one.median_cosine < one.tenth_cosine < one.nearest_cosine <= 1
        assert 0 < one.ranking_p50 < one.p50 <= one.p95


def test_recall_counts_what_is_missed() -> None:
    """Catches a recall of one whatever was found."""
    entry = made.record(0, np.zeros(1, np.float32)).entry
    hits = [[Hit(replace(entry, id=f"{n:032x}"), 1.0) for n in (0, 1, 2, 90)], []]
    scores = -np.arange(200, dtype=np.float32).reshape(2, 100)
    assert search._recall(hits, scores) == 3 / 20


def test_worlds_are_what_they_say() -> None:
    """Catches rows that differ from run to run, queries that are rows, and clusters of nothing."""
    for world in WORLDS:
        drawer = Drawer(world, 256)
        rows = drawer.rows(600, 3)
        np.testing.assert_array_equal(rows, Drawer(world, 256).rows(600, 3))
        np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-5)
        assert (drawer.queries(5) @ rows.T).max() < 0.999
        shared = np.linalg.norm(rows.mean(axis=0))
        assert (shared > 0.4) == bool(world.rank)
    spread = np.log(Drawer(WORLDS[0], 256).rows(600, 3).std(axis=0))
    assert spread.std() > 0.3


def test_the_report(found: list[Measured]) -> None:
    """Catches a result that cannot be written down, or that leaves out the machine."""
    told = json.loads(json.dumps(report(SMALL, found)))
    assert told["measured"][0]["rows"] == 1_500
    assert {"machine", "versions", "notes", "worlds"} <= told.keys()
    assert "lancedb" in told["versions"]
    console = Console(width=120, record=True, file=io.StringIO())
    console.print(table(found))
    assert "isotropic" in console.export_text()


def test_the_sizes_of_an_index(tmp_path: Path) -> None:
    """Catches a kind of file that is not counted, and layouts that do not read the same vectors."""
    settings = index_size.Settings(rows=6_000, dim=256, folder=tmp_path)
    sizes = list(index_size.measure(settings))
    stages = [one for one in sizes if isinstance(one, index_size.Stage)]
    layouts = {one.layout: one for one in sizes if isinstance(one, index_size.Layout)}
    assert [one.rows for one in stages] == [6_000, 6_000, 4_800, 4_800]
    for one in stages:
        assert one.table_data > one.numbers  # nothing else holds the vectors
        assert 0 < one.signs < one.numbers / 4
        assert one.largest_ratio >= one.ratio > 1
    assert layouts.keys() == index_size.LAYOUTS.keys()
    assert list(tmp_path.iterdir()) == []
    told = json.loads(json.dumps(index_size.report(settings, sizes)))
    committed = json.loads((ROOT / "benchmarks/results/index-size.json").read_text())
    assert told.keys() == committed.keys()
    assert told["stages"][0].keys() == committed["stages"][0].keys()
    assert committed["stages"][1]["ratio"] <= 1.3
    assert all(one["largest_ratio"] <= 2.5 for one in committed["stages"])


def test_what_a_command_takes(tmp_path: Path) -> None:
    """Catches figures of another process, and a command that fails and is measured."""
    found = first_answer._measure("help", ["--help"], 1, tmp_path)
    assert (found.command, found.heavy) == ("help", ())
    assert found.cpu_seconds > 0
    assert found.modules > 50
    told = first_answer.report(first_answer.Settings(), (found,))
    assert json.loads(json.dumps(told))["commands"][0]["modules"] == found.modules
    with pytest.raises(RuntimeError, match="e5v search: "):
        first_answer._measure("search", ["search"], 1, tmp_path)


def test_indexing_is_measured_beside_encoding() -> None:
    """Catches an index of other texts than those that are embedded, and copies that are lost."""
    settings = index.Settings(texts=12, repeats=1, rows=400, dim=64)
    *_, known = index.measure(settings, here)
    assert [one.count for one in (*known.indexing, *known.encoding)] == [12, 12]
    assert known.duplicates is not None
    assert known.duplicates.count == 10
    assert json.loads(json.dumps(index.report(settings, known)))["indexing_over_encoding"] > 0
