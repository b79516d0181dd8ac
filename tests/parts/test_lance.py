"""Lance datasets of items: the vectors of the same rows in Parquet, or a refusal in one line."""

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import lancedb
import numpy as np
import PIL.Image
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from e5v import E5V
from e5v.cli import main
from e5v.item_tables import read_item_table
from e5v.parts.job import PartsProgress, encode_parts
from tests.parts.conftest import Collection

SCHEMA = pa.schema(
    {"id": pa.string(), "text": pa.string(), "image": pa.binary(), "other": pa.int64()}
)


def encode_image(photo: PIL.Image.Image) -> bytes:
    """Return the bytes of a file."""
    file = io.BytesIO()
    photo.save(file, "PNG")
    return file.getvalue()


@pytest.fixture
def rows(photos: list[PIL.Image.Image]) -> list[dict[str, Any]]:
    """Give texts, images, an item of both, one of neither and a broken image, in seven rows."""
    one, two = map(encode_image, photos[:2])
    return [
        {"id": "a", "text": "one", "image": None, "other": 1},
        {"id": None, "text": None, "image": one, "other": 2},
        {"id": "c", "text": "make it two", "image": two, "other": 3},
        {"id": "d", "text": None, "image": None, "other": 4},
        {"id": "e", "text": None, "image": b"no image", "other": 5},
        {"id": "f", "text": "six", "image": None, "other": 6},
        {"id": "g", "text": "seven", "image": None, "other": 7},
    ]


def write_lance(path: Path, rows: Sequence[dict[str, Any]]) -> Path:
    """Write a dataset in fragments of three rows, with a row that was deleted again."""
    gone = {"id": "gone", "text": "gone", "image": None, "other": 0}
    database = lancedb.connect(path.parent)
    table = database.create_table(path.stem, schema=SCHEMA, mode="overwrite")
    every = [*rows[:2], gone, *rows[2:]]
    for start in range(0, len(every), 3):
        table.add(pa.Table.from_pylist(every[start : start + 3], SCHEMA))
    table.delete("id = 'gone'")
    return path


def encode(model: E5V, source: Path, out: Path) -> PartsProgress:
    """Encode a table in parts of two rows."""
    *_, done = encode_parts([source], out, model, part_rows=2)
    return done


def read_parts(out: Path) -> list[dict[str, Any]]:
    """Return the rows of all parts by what they are of, their file left out of their ids."""
    found = [row for path in out.glob("*.parquet") for row in pq.read_table(path).to_pylist()]
    ids = (row["id"].rpartition(":")[2] for row in found)
    return sorted((row | {"id": id} for row, id in zip(found, ids, strict=True)), key=str)


def test_the_vectors_of_lance_are_those_of_parquet(
    model: E5V, tmp_path: Path, rows: list[dict[str, Any]]
) -> None:
    """Catches another order, a deleted row, an image read otherwise, or a fault that is lost."""
    lance = write_lance(tmp_path / "x.lance", rows)
    parquet = tmp_path / "x.parquet"
    pq.write_table(pa.Table.from_pylist(rows, SCHEMA), parquet)
    assert [*read_item_table(lance)] == [*read_item_table(parquet)]
    done = [encode(model, one, tmp_path / one.suffix[1:]) for one in (lance, parquet)]
    assert [(one.parts, one.errors, one.missing) for one in done] == [(4, 2, 0)] * 2
    assert read_parts(tmp_path / "lance") == read_parts(tmp_path / "parquet")
    assert encode(model, lance, tmp_path / "lance").skipped == 4


def test_a_changed_row_is_a_new_part(
    model: E5V, tmp_path: Path, rows: list[dict[str, Any]], photos: list[PIL.Image.Image]
) -> None:
    """Catches a photo changed within a dataset that is skipped, and parts encoded for nothing."""
    out = tmp_path / "parts"
    encode(model, write_lance(tmp_path / "x.lance", rows), out)
    rows[2]["image"] = encode_image(photos[2])
    rows.append({"id": "h", "text": "eight", "image": None, "other": 8})
    done = encode(model, write_lance(tmp_path / "x.lance", rows), out)
    assert (done.parts, done.skipped) == (2, 2)
    rows[0]["other"] = 9
    assert encode(model, write_lance(tmp_path / "x.lance", rows), out).parts == 0


@pytest.mark.parametrize("parted", [False, True])
def test_the_verb(
    collection: Collection, tmp_path: Path, rows: list[dict[str, Any]], *, parted: bool
) -> None:
    """Catches a folder of Lance that is searched for images, with or without parts."""
    source = write_lance(tmp_path / "x.lance", [*rows[:3], *rows[5:]])
    out = tmp_path / ("parts.x" if parted else "a.npy")
    told = ["--model", collection.model.loaded.name, "--dtype", "float32", "--out", str(out)]
    assert main(["encode", f"{source}/", *told, *(["--part-rows", "9"] if parted else [])]) == 0
    if parted:
        assert [row["id"] for row in read_parts(out)] == ["2", "a", "c", "f", "g"]
    else:
        items = [line.raw for line in read_item_table(source) if not hasattr(line, "reason")]
        expected = collection.model.encode(items)
        np.testing.assert_array_equal(np.load(out), expected)


MISTAKES = {
    "photos.lance": (1, "photos.lance is no Lance dataset: it has no folder _versions; give the"),
    "file.lance": (2, "file.lance is a file, but no image and no .jsonl"),
    "none.lance": (2, "none.lance does not exist; check the path"),
    "numbers.lance": (1, "numbers.lance has no column of texts or images; it has a; expected"),
    "damaged.lance": (1, "damaged.lance cannot be read as Lance: "),
    "s3://bucket/x.lance": (1, "s3://bucket/x.lance is at a store, where Lance datasets are not"),
}


@pytest.mark.parametrize("parted", [False, True])
@pytest.mark.parametrize("name", MISTAKES)
def test_mistakes_are_one_line(
    tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str], *, parted: bool
) -> None:
    """Catches a model that is opened for nothing, and an error of LanceDB's."""
    (tmp_path / "photos.lance").mkdir()
    (tmp_path / "file.lance").write_text("x")
    database = lancedb.connect(tmp_path)
    database.create_table("numbers", pa.table({"a": [1]}))
    database.create_table("damaged", pa.table({"text": ["a"]}))
    for manifest in (tmp_path / "damaged.lance" / "_versions").iterdir():
        manifest.write_bytes(b"no manifest")
    given = name if ":" in name else str(tmp_path / name)
    parts = ["--part-rows", "9", "--out", str(tmp_path / "out")] if parted else []
    code, message = MISTAKES[name]
    assert main(["encode", given, "--model", "nano", *parts]) == code
    [line] = capsys.readouterr().err.strip().splitlines()[-1:]
    assert message in line


def test_a_dataset_without_its_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches a traceback where only pyarrow is installed."""
    (tmp_path / "x.lance").mkdir()
    monkeypatch.setitem(__import__("sys").modules, "lancedb", None)
    with pytest.raises(Exception, match=r"^Lance needs lancedb, .*; pip install 'e5v\[search\]'"):
        list(read_item_table(tmp_path / "x.lance"))
