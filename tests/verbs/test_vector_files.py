"""Files of vectors: JSON lines, NumPy arrays and Parquet, whole or not at all."""

import io
from contextlib import closing
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pyarrow.parquet as pq
import pytest

from e5v import E5V
from e5v.vectors import Precision
from e5v.verbs import vector_files
from tests.verbs.done import PHOTOS, Run, read_vectors


@pytest.mark.parametrize("precision", get_args(Precision))
@pytest.mark.parametrize("suffix", [".npy", ".jsonl", ".parquet"])
def test_a_file_holds_the_vectors_in_order(
    run: Run, model: E5V, tmp_path: Path, suffix: str, precision: Precision
) -> None:
    """Catches a format that loses order, digits or type."""
    items: list[Any] = ["one", PHOTOS / "cat.jpg", "two", "one", PHOTOS / "rocket.jpg"]
    out = tmp_path / f"vectors{suffix}"
    done = run("encode", *items, "--out", out, "--precision", precision)
    assert (done.code, done.out, done.err) == (0, "", "")
    expected = model.encode(items, precision=precision)
    if suffix != ".jsonl":
        assert read_vectors(out).dtype == expected.dtype
    np.testing.assert_array_equal(read_vectors(out).astype(expected.dtype), expected)
    assert list(tmp_path.iterdir()) == [out]


def test_a_table_is_written_piece_by_piece(
    run: Run, model: E5V, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches a writer that holds everything until the end, and columns that come apart."""
    monkeypatch.setattr(vector_files, "GROUP_BYTES", 3 * 5 * 4)
    texts = [f"text {number}" for number in range(7)]
    out = tmp_path / "vectors.table"
    run("encode", *texts, PHOTOS / "cat.jpg", "--out", out, "--format", "parquet", "--dim", 5)
    table = pq.read_table(out)
    assert pq.ParquetFile(out).num_row_groups == 3
    assert table["position"].to_pylist() == list(range(8))
    assert table["source"].to_pylist() == [*texts, str(PHOTOS / "cat.jpg")]
    assert table["kind"].to_pylist() == ["text"] * 7 + ["image"]
    expected = model.encode([*texts, PHOTOS / "cat.jpg"], dim=5)
    np.testing.assert_array_equal(np.stack(table["vector"].to_numpy()), expected)
    facts = {key.decode(): value.decode() for key, value in table.schema.metadata.items()}
    assert facts["e5v.model"] == str(model.loaded.name)
    assert (facts["e5v.prompt"], facts["e5v.dim"]) == ("retrieval", "5")


def test_a_link_stays_a_link(run: Run, tmp_path: Path) -> None:
    """Catches a link that is replaced by a file, and its target left old."""
    (tmp_path / "link.npy").symlink_to(tmp_path / "real.npy")
    assert run("encode", "a", "--out", tmp_path / "link.npy").code == 0
    assert (tmp_path / "link.npy").is_symlink()
    assert len(read_vectors(tmp_path / "real.npy")) == 1


def test_small_vectors_are_written_by_their_number(monkeypatch: pytest.MonkeyPatch) -> None:
    """Millions of names, held in memory for 16 MiB of signs."""
    monkeypatch.setattr(vector_files, "GROUP_ROWS", 2)
    file = io.BytesIO()
    with closing(vector_files.Parquet(file, {})) as table:
        for number in range(5):
            table.add(vector_files.VectorRow(number, {"text": "x"}, "text", np.zeros(1, np.uint8)))
    written = pq.ParquetFile(io.BytesIO(file.getvalue()))
    assert (written.num_row_groups, written.metadata.num_rows) == (3, 5)
