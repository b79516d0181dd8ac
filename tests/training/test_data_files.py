"""Files of triplets in every format: broken rows, encodings, arrays."""

import csv
import json
from pathlib import Path

import pytest

from e5v.errors import DataError
from e5v.training.reading import read_triplets
from e5v.training.triplets import Triplet, Triplets
from tests.training.triplet_files import CAT, DOG, ROWS, causes, write, write_csv


def test_quotes_commas_and_line_breaks(tmp_path: Path) -> None:
    """A CSV split at every comma or line, and texts that come out changed, down to their spaces."""
    texts = ['He said "no", twice.', "two\r\nlines\nor three", " é\u2028\x0b\x85\t🐕 "]
    rows = [dict(zip(("sent0", "sent1", "hard_neg"), texts, strict=True)), ROWS[0]]
    for suffix in (".csv", ".jsonl", ".parquet"):
        read = read_triplets([write(tmp_path / f"a{suffix}", rows)])
        assert read == Triplets((Triplet(texts[0], texts[1], (texts[2],)), DOG), (0, 1), ())


@pytest.mark.parametrize(
    "text", ["anchor,positive\na,b\nc,d", "\ufeffanchor, positive\r\na,b\r\nc,d\r\n\r\n"]
)
def test_byte_order_mark_line_ends_and_a_last_blank_line(tmp_path: Path, text: str) -> None:
    """A spreadsheet's CSV refused for its first three bytes, or counted a row too long."""
    read = read_triplets([write_csv(tmp_path / "a.csv", text)])
    assert read == Triplets((Triplet("a", "b"), Triplet("c", "d")), (0, 1), ())


def test_a_very_long_cell(tmp_path: Path) -> None:
    """The csv module's own limit of 131,072 characters as an error; or that limit left changed."""
    limit = csv.field_size_limit()
    long = "word " * 50_000
    path = write_csv(tmp_path / "a.csv", f"anchor,positive\n{long},b\n")
    assert read_triplets([path]).rows == (Triplet(long, "b"),)
    assert csv.field_size_limit() == limit


def test_broken_rows_of_a_csv(tmp_path: Path) -> None:
    """A broken row that stops everything, is left out unsaid, or takes its neighbours with it."""
    text = (
        b"sent0,sent1,hard_neg\n"
        b"ok,ok,ok\n"
        b",b,c\n"
        b"a, \t,c\n"
        b"a,b\n"
        b"a,b,c,d\n"
        b"\n"
        b"a,caf\xe9,c\n"
        b'a,"b,c\n'
        b"fine,fine,\n"
        b'a,"b"b,c\n'
        b'"last\none",fine,\xe2\x82\xac\n'
        b'a,b,"never closed\n'
    )
    read = read_triplets([write_csv(tmp_path / "a.csv", text)])
    assert read.rows == (
        Triplet("ok", "ok", ("ok",)),
        Triplet("fine", "fine"),
        Triplet("last\none", "fine", ("€",)),
    )
    assert read.places == (0, 8, 10)
    assert causes(read) == [
        (2, "sent0 is empty"),
        (3, "sent1 is empty"),
        (4, "2 cells; expected 3, as in the header"),
        (5, "4 cells; expected 3, as in the header"),
        (6, "the row is empty"),
        (7, "sent1 is not UTF-8 (byte 0xE9 after 3 characters); save the file as UTF-8"),
        (8, "line 9 is not valid CSV: ',' expected after '\"'"),
        (10, "line 11 is not valid CSV: ',' expected after '\"'"),
        (12, "line 14 is not valid CSV: unexpected end of data"),
    ]


def test_broken_rows_of_json_lines(tmp_path: Path) -> None:
    """A line of another kind that ends in a traceback, or passes as text."""
    lines = [
        b'{"anchor": "a", "positive": "b", "source": "caf\xe9"}',
        b'{"anchor": "a"',
        b'["a", "b"]',
        b"",
        b'{"anchor": 3, "positive": "b"}',
        b'{"anchor": "a", "positive": null}',
        b'{"anchor": "a", "positive": "b", "negative": ["c"]}',
        b'{"anchor": "caf\xe9", "positive": "b"}',
        b'{"anchor": "a", "positive": "\\ud83d"}',
        b'{"text": "a", "label": 1}',
        b"[" * 100_000,
        b"1" * 5_000,
        b'{"sent0": "a", "sent1": "\\ud83d\\ude00", "hard_neg": " "}',
    ]
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"\r\n".join(lines))
    read = read_triplets([path])
    assert read.rows == (Triplet("a", "b", ("c",)), Triplet("a", "😀"))
    assert read.places == (5, 11)
    assert [one.row for one in read.broken] == [1, 2, 3, 5, 6, 8, 9, 10, 11, 12]
    assert [cause.partition(" (")[0] for _, cause in causes(read)] == [
        "is not UTF-8",
        "is not JSON: Expecting ',' delimiter",
        "is of type list; expected an object",
        "anchor is of type int; expected text",
        "positive is empty",
        "is not UTF-8",
        "has half a surrogate pair",
        "its columns are text, label; expected anchor and positive",
        "cannot be read as JSON: it is nested too deeply",
        "is not JSON: Exceeds the limit",
    ]
    assert all("\n" not in str(one) for one in read.broken)
    assert str(read.broken[0]).startswith(f"{path}, line 1: is not UTF-8")


def test_broken_rows_of_parquet(tmp_path: Path) -> None:
    """A cell that is no text, in a column that says it is, as a traceback out of the reader."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    anchors = pa.array([b"a", b"caf\xe9", None, b" ", b"e"], pa.binary())
    columns = {
        "anchor": pa.StringArray.from_buffers(
            len(anchors), *anchors.buffers()[1:3], anchors.buffers()[0]
        ),
        "positive": pa.array(["b", "b", "b", "b", "b"]).dictionary_encode(),
        "negative": pa.array([b"c", None, None, None, b"caf\xe9"], pa.binary()),
    }
    pq.write_table(pa.table(columns), tmp_path / "a.parquet", row_group_size=2)
    read = read_triplets([tmp_path / "a.parquet"])
    assert read.rows == (Triplet("a", "b", ("c",)),)
    assert causes(read) == [
        (2, "anchor is not UTF-8 (byte 0xE9 after 3 characters); save the file as UTF-8"),
        (3, "anchor is empty"),
        (4, "anchor is empty"),
        (5, "negative is not UTF-8 (byte 0xE9 after 3 characters); save the file as UTF-8"),
    ]


@pytest.mark.parametrize("name", ["a.csv", "a.jsonl", "a.parquet"])
def test_a_folder_is_no_file(tmp_path: Path, name: str) -> None:
    """A folder with a suffix as a traceback."""
    (tmp_path / name).mkdir()
    with pytest.raises(DataError, match=f"{name} cannot be read"):
        read_triplets([tmp_path / name])


@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize("name", ["a.json", "a.jsonl"])
def test_an_array_of_rows(tmp_path: Path, name: str, indent: int | None) -> None:
    """An array of many rows of which one is used, or none."""
    path = tmp_path / name
    path.write_text(json.dumps([*ROWS, 3, {"sent0": "", "sent1": "b"}, *ROWS], indent=indent))
    read = read_triplets([path])
    assert read.rows == (DOG, CAT, DOG, CAT)
    assert read.places == (0, 1, 4, 5)
    assert [str(one) for one in read.broken] == [
        f"{path}, row 3: is of type int; expected an object",
        f"{path}, row 4: sent0 is empty",
    ]


def test_a_list_in_the_first_of_many_lines(tmp_path: Path) -> None:
    """All lines refused for the first one, which is a list."""
    path = tmp_path / "a.jsonl"
    path.write_text('["a", "b"]\n{"anchor": "a", "positive": "b"}\n')
    read = read_triplets([path])
    assert read.rows == (Triplet("a", "b"),)
    assert causes(read) == [(1, "is of type list; expected an object")]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
@pytest.mark.parametrize(
    ("suffix", "text"),
    [
        (".csv", 'anchor,positive\r\né,"b\nü"\r\n'),
        (".tsv", 'anchor\tpositive\r\né\t"b\nü"\r\n'),
        (".jsonl", '{"anchor": "é", "positive": "b\\nü"}\n'),
        (".json", '[{"anchor": "é", "positive": "b\\nü"}]\n'),
    ],
)
def test_every_encoding_of_unicode(tmp_path: Path, encoding: str, suffix: str, text: str) -> None:
    """A spreadsheet's UTF-16 refused for the names of its columns."""
    path = write_csv(tmp_path / f"a{suffix}", text.encode(encoding))
    assert read_triplets([path]).rows == (Triplet("é", "b\nü"),)
