"""An index as one Parquet file: all of it, and nothing half-written."""

import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from e5v.databases.parquet_export import export_parquet
from e5v.search.index import Index
from tests.databases.conftest import ROWS


def test_a_file_has_what_the_index_has(
    index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches a row that is lost between batches or groups, and vectors that are changed."""
    monkeypatch.setattr("e5v.databases.exporting.MOST_ROWS", 9)
    monkeypatch.setattr("e5v.databases.parquet_export.GROUP", 2)
    path, local = tmp_path / "out.parquet", Index.open(index)
    *_, done = export_parquet(index, path)
    assert (done.rows, done.sent) == (ROWS, ROWS)
    table = pq.read_table(path)
    assert pq.ParquetFile(path).num_row_groups == 3
    rows = table.to_pylist()
    for row in rows:
        vector = np.array(row.pop("vector"), np.float16)
        stored = local.vector(row["id"])
        assert stored is not None
        np.testing.assert_allclose(vector.astype(np.float32), stored, atol=1e-3)
        entry = local.get(row["id"])
        assert entry is not None
        assert row == {name: getattr(entry, name) for name in row}
    assert [row["id"] for row in rows] == [f"id{number:05d}" for number in range(ROWS)]
    facts = json.loads(table.schema.metadata[b"e5v"])
    assert (facts["fingerprint"], facts["rows"]) == (local.fingerprint, ROWS)
    *_, done = export_parquet(index, path, thumbnails=False)
    assert set(pq.read_table(path)["thumbnail"].to_pylist()) == {b""}


def test_a_stopped_export_leaves_no_file(
    index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches half a file under the name of a whole one."""
    monkeypatch.setattr("e5v.databases.exporting.MOST_ROWS", 9)
    folder = tmp_path / "out"
    folder.mkdir()
    steps = export_parquet(index, folder / "a.parquet")
    next(steps)
    steps.close()
    assert not list(folder.iterdir())
