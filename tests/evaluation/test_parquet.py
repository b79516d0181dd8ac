"""Captioned images in Parquet: the right bytes for each row, few of them in memory."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from e5v.errors import DataError
from e5v.evaluation.captions import read_captions
from tests.evaluation.asked import searches_of, told

Cells = list[dict[str, Any]]


def write_parquet(file: Path, rows: Cells, *, group: int = 2) -> None:
    """Write rows as a file of Parquet, with so many in a row group."""
    file.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(rows), file, row_group_size=group)


def row_of(n: int) -> dict[str, Any]:
    """Give a row as the hub has it: an encoded image and captions."""
    return {
        "image": {"bytes": f"pixels of {n}".encode(), "path": f"{n}.jpg"},
        "text": [f"{n} is here", f"{n} is there"],
        "id": n,
    }


def test_parquet_as_the_hub_has_it(tmp_path: Path) -> None:
    """An image with the captions of another, at the seams of files and of row groups."""
    write_parquet(tmp_path / "data/test-00000-of-00002.parquet", [row_of(n) for n in range(5)])
    write_parquet(
        tmp_path / "data/test-00001-of-00002.parquet", [row_of(n) for n in (5, 6)], group=1
    )
    write_parquet(tmp_path / "data/train-00000-of-00001.parquet", [row_of(9)])
    images, texts = searches_of(read_captions(tmp_path))
    encoded = [f"pixels of {n}".encode() for n in range(7)]
    assert list(images.candidates.items) == encoded
    assert [images.candidates.items[n] for n in (6, 0, 3, -1, 4, 5)] == [
        encoded[n] for n in (6, 0, 3, -1, 4, 5)
    ]
    assert images.candidates.items[2:4] == encoded[2:4]
    assert list(texts.candidates.items) == [
        f"{n} is {w}" for n in range(7) for w in ("here", "there")
    ]
    assert told(images)["4 is there"] == [encoded[4]]


def test_parquet_is_read_a_row_group_at_a_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All of COCO in memory, or a row group that is read again for each of its images."""
    write_parquet(tmp_path / "a.parquet", [row_of(n) for n in range(6)])
    images, _ = searches_of(read_captions(tmp_path))
    read: list[int] = []
    whole = pq.ParquetFile.read_row_group

    def counted(file: Any, number: int, **options: Any) -> Any:
        read.append(number)
        return whole(file, number, **options)

    monkeypatch.setattr(pq.ParquetFile, "read_row_group", counted)
    assert len(list(images.candidates.items)) == 6
    assert read == [0, 1, 2]


def test_parquet_with_bare_bytes_and_one_caption(tmp_path: Path) -> None:
    """A file that is written by hand, refused for its simplicity."""
    write_parquet(tmp_path / "a.parquet", [{"image": b"pixels", "text": "a cat"}])
    images, _ = searches_of(read_captions(tmp_path))
    assert told(images) == {"a cat": [b"pixels"]}


@pytest.mark.parametrize(
    ("rows", "cause"),
    [
        ([{"picture": b"x", "text": "a cat"}], "has the columns picture, text; expected image and"),
        ([row_of(0), row_of(1) | {"text": []}], 'row 2 has an empty list as "text"'),
        ([row_of(0), row_of(1) | {"text": None}], 'row 2 has no "text"'),
        ([{"image": b"x", "text": 3}], 'row 1 has "text" of type int'),
    ],
)
def test_parquet_that_cannot_be_used(tmp_path: Path, rows: Cells, cause: str) -> None:
    """A traceback of pyarrow's, or a row that is left out."""
    write_parquet(tmp_path / "a.parquet", rows)
    with pytest.raises(DataError, match=f"a.parquet.*{cause}"):
        read_captions(tmp_path)


def test_parquet_without_an_image(tmp_path: Path) -> None:
    """An image that is not there, embedded as something else."""
    rows = [row_of(0), row_of(1), row_of(2) | {"image": {"bytes": None, "path": "2.jpg"}}]
    write_parquet(tmp_path / "a.parquet", rows)
    images, _ = searches_of(read_captions(tmp_path))
    with pytest.raises(DataError, match=r"a\.parquet, row 3 has no encoded image"):
        images.candidates.items[2]


def test_no_parquet(tmp_path: Path) -> None:
    """A file of another kind, or half of one, met with a traceback."""
    (tmp_path / "a.parquet").write_bytes(b"PAR1 and no more")
    with pytest.raises(DataError, match=r"a\.parquet cannot be read as Parquet"):
        read_captions(tmp_path)


def test_parquet_whose_text_is_none(tmp_path: Path) -> None:
    """A traceback of a decoder's, for a column of bytes that says it is text."""
    columns = {"image": pa.array([b"pixels"]), "text": pa.array([b"caf\xe9"]).view(pa.string())}
    pq.write_table(pa.table(columns), tmp_path / "a.parquet")
    with pytest.raises(DataError, match=r"a\.parquet cannot be read as Parquet: .* decode byte"):
        read_captions(tmp_path)
