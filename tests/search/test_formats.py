"""Indexes of earlier formats."""

import shutil
from pathlib import Path

import numpy as np

from e5v.search.index import Index
from tests.search.made import change, fill, record, vectors


def test_an_index_of_format_2_is_converted_once(tmp_path: Path) -> None:
    """Catches an index of an earlier version that is refused, loses entries, or stays too large."""
    rows = vectors(50)
    fill(tmp_path, rows, each=20)
    for path in tmp_path.glob("signs-*"):
        shutil.rmtree(path)
    told = (tmp_path / "index.json").read_text()
    (tmp_path / "index.json").write_text(told.replace('"format": 4', '"format": 2'))
    (tmp_path / "rows-000003").mkdir()
    rows.astype(np.float16).tofile(tmp_path / "rows-000003" / "vectors.f16")
    before = Index.open(tmp_path).search(rows[7], k=5)
    assert before[0].entry == record(7, rows[7]).entry
    change(tmp_path, lambda writer: None)
    assert not list(tmp_path.glob("rows-*"))
    assert '"format": 4' in (tmp_path / "index.json").read_text()
    index = Index.open(tmp_path)
    assert (len(index), index.search(rows[7], k=5)) == (50, before)
