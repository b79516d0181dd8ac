"""Files of triplets: what is read, and what is told of rows that cannot be."""

import csv
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from e5v.errors import DataError
from e5v.training.triplets import Triplet, Triplets, read_triplets

NLI = Path(__file__).parents[2] / "examples" / "nli"
DOG = Triplet("A dog runs.", "An animal moves.", "A dog sleeps.")
CAT = Triplet("A cat sits.", "A pet rests.", None)
ROWS: list[dict[str, Any]] = [
    {"sent0": "A dog runs.", "sent1": "An animal moves.", "hard_neg": "A dog sleeps."},
    {"sent0": "A cat sits.", "sent1": "A pet rests.", "hard_neg": None},
]


def write_csv(path: Path, text: str | bytes) -> Path:
    """Write a CSV as it stands, and return its path."""
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def write(path: Path, rows: Sequence[dict[str, Any]]) -> Path:
    """Write rows in the format of the path's suffix."""
    if path.suffix == ".csv":
        with path.open("w", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
    elif path.suffix == ".parquet":
        import pyarrow as pa
        import pyarrow.parquet as pq

        pq.write_table(pa.Table.from_pylist(list(rows)), path)
    else:
        path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
    return path


def causes(read: Triplets) -> list[tuple[int, str]]:
    """Give row and cause of each broken row."""
    return [(one.row, one.cause) for one in read.broken]


@pytest.mark.parametrize("name", ["a.csv", "a.jsonl", "a.json", "a.parquet", "A.CSV"])
@pytest.mark.parametrize(
    "names", [("sent0", "sent1", "hard_neg"), ("anchor", "positive", "negative")]
)
def test_each_format_and_header(tmp_path: Path, name: str, names: tuple[str, ...]) -> None:
    """A format or a header that gives other triplets, or an extra column that gets in the way."""
    rows = [{"source": 7, **dict(zip(names, row.values(), strict=True))} for row in ROWS]
    path = tmp_path / name
    written = write(path.with_suffix(path.suffix.lower()), rows).rename(path)
    read = read_triplets([written])
    assert read == Triplets((DOG, CAT), (0, 1), ())
    assert read.count == 2


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
def test_pairs_without_a_third_column(tmp_path: Path, suffix: str) -> None:
    """Pairs refused, or given a negative that is not there."""
    path = write(tmp_path / f"a{suffix}", [{"positive": "b", "anchor": "a"}])
    assert read_triplets([path]).rows == (Triplet("a", "b", None),)


def test_several_files_are_one_list(tmp_path: Path) -> None:
    """Places that start anew in the second file, or skip broken rows: a teacher misread."""
    first = write_csv(tmp_path / "a.csv", "sent0,sent1\na,b\n,b\nc,d\n")
    second = write(tmp_path / "b.jsonl", [{"anchor": "", "positive": "x"}, *ROWS])
    read = read_triplets([first, second])
    assert read.rows == (Triplet("a", "b", None), Triplet("c", "d", None), DOG, CAT)
    assert read.places == (0, 2, 4, 5)
    assert read.count == 6
    assert [str(one) for one in read.broken] == [
        f"{first}, row 2: sent0 is empty",
        f"{second}, row 1: anchor is empty",
    ]


def test_quotes_commas_and_line_breaks(tmp_path: Path) -> None:
    """A CSV split at every comma or line, and texts that come out changed, down to their spaces."""
    texts = ['He said "no", twice.', "two\r\nlines\nor three", " é\u2028\x0b\x85\t🐕 "]
    rows = [dict(zip(("sent0", "sent1", "hard_neg"), texts, strict=True)), ROWS[0]]
    for suffix in (".csv", ".jsonl", ".parquet"):
        read = read_triplets([write(tmp_path / f"a{suffix}", rows)])
        assert read == Triplets((Triplet(*texts), DOG), (0, 1), ())


@pytest.mark.parametrize(
    "text", ["anchor,positive\na,b\nc,d", "\ufeffanchor, positive\r\na,b\r\nc,d\r\n\r\n"]
)
def test_byte_order_mark_line_ends_and_a_last_blank_line(tmp_path: Path, text: str) -> None:
    """A spreadsheet's CSV refused for its first three bytes, or counted a row too long."""
    read = read_triplets([write_csv(tmp_path / "a.csv", text)])
    assert read == Triplets((Triplet("a", "b", None), Triplet("c", "d", None)), (0, 1), ())


def test_a_very_long_cell(tmp_path: Path) -> None:
    """The csv module's own limit of 131,072 characters as an error; or that limit left changed."""
    limit = csv.field_size_limit()
    long = "word " * 50_000
    path = write_csv(tmp_path / "a.csv", f"anchor,positive\n{long},b\n")
    assert read_triplets([path]).rows == (Triplet(long, "b", None),)
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
        Triplet("ok", "ok", "ok"),
        Triplet("fine", "fine", None),
        Triplet("last\none", "fine", "€"),
    )
    assert read.places == (0, 8, 10)
    assert causes(read) == [
        (2, "sent0 is empty"),
        (3, "sent1 is empty"),
        (4, "2 cells; expected 3, as in the header"),
        (5, "4 cells; expected 3, as in the header"),
        (6, "the row is empty"),
        (7, "sent1 is not valid UTF-8"),
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
    assert read.rows == (Triplet("a", "b", None), Triplet("a", "😀", None))
    assert read.places == (0, 12)
    assert [one.row for one in read.broken] == list(range(2, 13))
    assert [cause for _, cause in causes(read)][:9] == [
        "no JSON object on one line: Expecting ',' delimiter",
        "no JSON object on one line: of type list",
        "the row is empty",
        "anchor is of type int; expected text",
        "positive is empty",
        "negative is of type list; expected text",
        "anchor is not valid UTF-8",
        "positive is not valid UTF-8",
        "its columns are text, label; expected anchor, positive (and negative), "
        "or sent0, sent1 (and hard_neg)",
    ]
    assert all("\n" not in str(one) for one in read.broken)


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
    assert read.rows == (Triplet("a", "b", "c"),)
    assert causes(read) == [
        (2, "anchor is not valid UTF-8"),
        (3, "anchor is empty"),
        (4, "anchor is empty"),
        (5, "negative is not valid UTF-8"),
    ]


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
def test_other_columns(tmp_path: Path, suffix: str) -> None:
    """A file of something else without a word of what columns it has and which it should have."""
    path = write(tmp_path / f"a{suffix}", [{"text": "a", "positive": "b"}])
    with pytest.raises(
        DataError, match=r"a\.\w+.* its columns are text, positive; expected anchor,"
    ):
        read_triplets([path])


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.txt", b"anchor,positive\na,b\n", "no known format; expected one of .csv, .jsonl"),
        ("a", b"anchor,positive\na,b\n", "no known format"),
        ("a.csv", None, "cannot be read: No such file"),
        ("a.parquet", None, "cannot be read: "),
        ("a.parquet", b"anchor,positive\na,b\n", "cannot be read as Parquet: "),
        ("a.parquet", b"", "cannot be read as Parquet: "),
        ("a.csv", b"", "its columns are none; expected anchor"),
        ("a.csv", b"anchor,positive\n", r"no row that can be used \(there are none\)"),
        ("a.csv", b"anchor,positive\n,b\n", r"no row that can be used \(row 1: anchor is empty\)"),
        ("a.csv", b'"anchor,positive\na,b\n', "line 1 is not valid CSV"),
        ("a.csv", b"\xff\xfe" + bytes(range(35, 256)) * 9, r"its columns are \\udcff"),
        ("a.csv", b"anchor;positive\na;b\n", "its columns are anchor;positive; expected anchor, "),
        ("a.json", b'[\n{"anchor": "a"}\n]', r"\(row 1: no JSON object on one line"),
        ("a.jsonl", b"", r"\(row 1: the row is empty\)"),
    ],
)
def test_a_file_that_cannot_be_used(
    tmp_path: Path, name: str, content: bytes | None, message: str
) -> None:
    """A file that gives nothing passed over beside a good one, or told in a screenful."""
    good = write(tmp_path / "good.jsonl", ROWS)
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DataError, match=message) as caught:
        read_triplets([good, path])
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize("name", ["a.csv", "a.jsonl", "a.parquet"])
def test_a_folder_is_no_file(tmp_path: Path, name: str) -> None:
    """A folder with a suffix as a traceback."""
    (tmp_path / name).mkdir()
    with pytest.raises(DataError, match=f"{name} cannot be read"):
        read_triplets([tmp_path / name])


def test_the_example_is_whole() -> None:
    """An example with a broken row, one without a negative, or held-out texts seen in training."""
    train = read_triplets([NLI / "train.csv"])
    held_out = read_triplets([NLI / "held_out.csv"])
    assert (len(train.rows), len(held_out.rows)) == (553, 95)  # as CREDITS.md says
    assert train.broken == held_out.broken == ()
    assert all(row.negative for row in (*train.rows, *held_out.rows))
    assert not {row.anchor for row in train.rows} & {row.anchor for row in held_out.rows}
