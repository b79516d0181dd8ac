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
DOG = Triplet("A dog runs.", "An animal moves.", ("A dog sleeps.",))
CAT = Triplet("A cat sits.", "A pet rests.")
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
    assert read == Triplets((DOG, CAT), (0, 1), (), (f"{written}: ignored columns: source",))
    assert read.count == 2


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
def test_pairs_without_a_third_column(tmp_path: Path, suffix: str) -> None:
    """Pairs refused, or given a negative that is not there."""
    path = write(tmp_path / f"a{suffix}", [{"positive": "b", "anchor": "a"}])
    assert read_triplets([path]).rows == (Triplet("a", "b"),)


def test_several_files_are_one_list(tmp_path: Path) -> None:
    """Places that start anew in the second file, or skip broken rows: a teacher misread."""
    first = write_csv(tmp_path / "a.csv", "sent0,sent1\na,b\n,b\nc,d\n")
    second = write(tmp_path / "b.jsonl", [{"anchor": "", "positive": "x"}, *ROWS])
    read = read_triplets([first, second])
    assert read.rows == (Triplet("a", "b"), Triplet("c", "d"), DOG, CAT)
    assert read.places == (0, 2, 4, 5)
    assert read.count == 6
    assert [str(one) for one in read.broken] == [
        f"{first}, row 2: sent0 is empty",
        f"{second}, line 1: anchor is empty",
    ]


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


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
def test_other_columns(tmp_path: Path, suffix: str) -> None:
    """A file of something else without a word of what columns it has and which it should have."""
    path = write(tmp_path / f"a{suffix}", [{"text": "a", "positive": "b"}])
    with pytest.raises(
        DataError, match=r"a\.\w+.* its columns are text, positive; expected anchor "
    ):
        read_triplets([path])


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (
            "a.txt",
            b"anchor,positive\na,b\n",
            "no supported format; expected one of .csv, .tsv, .jsonl",
        ),
        ("a", b"anchor,positive\na,b\n", "no supported format"),
        ("a.csv", None, "cannot be read: No such file"),
        ("a.parquet", None, "cannot be read: "),
        ("a.parquet", b"anchor,positive\na,b\n", "cannot be read as Parquet: "),
        ("a.parquet", b"", "cannot be read as Parquet: "),
        ("a.csv", b"", "its columns are none; expected anchor"),
        ("a.csv", b"anchor,positive\n", r"no usable row \(it has no rows\)"),
        ("a.csv", b"anchor,positive\n,b\n", r"no usable row \(row 1: anchor is empty\)"),
        ("a.csv", b'"anchor,positive\na,b\n', "line 1 is not valid CSV"),
        ("a.csv", bytes(range(250, 35, -1)) * 9, r"its columns are \\udcfa"),
        ("a.csv", b"\xff\xfea\0n\0\0\xd8", "is not UTF-16-LE; save the file as UTF-8"),
        ("a.csv", b"anchor;positive\na;b\n", "its columns are anchor;positive; expected anchor "),
        ("a.json", b'[\n{"anchor": "a"}\n]', r"\(row 1: its columns are anchor; expected"),
        ("a.json", b'[\n{"anchor": "a"},\n', r"is not JSON: Expecting value \(line 3"),
        ("a.json", b'{"anchor": ["a"], "positive": ["b"]}', r"line 1: anchor is of type list"),
        ("a.jsonl", b"", r"\(it has no rows\)"),
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


SEVERAL = Triplet("a", "b", ("c", "d", "e"))


@pytest.mark.parametrize(
    ("row", "triplets"),
    [
        ({"anchor": "a", "positive": "b", "neg": "c"}, [Triplet("a", "b", ("c",))]),
        ({"anchor": "a", "positive": "b", "hard_negative": "c"}, [Triplet("a", "b", ("c",))]),
        ({"query": "a", "positive": "b", "negative": "c"}, [Triplet("a", "b", ("c",))]),
        (
            {"query": "a", "answer": "x", "positive": "b", "negative_1": "c"},
            [Triplet("a", "b", ("c",))],
        ),
        (
            {
                "anchor": "a",
                "positive": "b",
                "negative_2": "d",
                "negative_10": "e",
                "negative_1": "c",
            },
            [SEVERAL],
        ),
        (
            {"sent0": "a", "sent1": "b", "hard_neg": "c", "hard_neg_1": "d", "hard_neg_2": "e"},
            [SEVERAL],
        ),
        (
            {"anchor": "a", "positive": "b", "negative_1": " ", "negative_2": "c"},
            [Triplet("a", "b", ("c",))],
        ),
    ],
)
@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
def test_negatives_under_other_names(
    tmp_path: Path, row: dict[str, Any], triplets: list[Triplet], suffix: str
) -> None:
    """Hard negatives that are dropped without a word because of the name of their column."""
    read = read_triplets([write(tmp_path / f"a{suffix}", [row])])
    assert list(read.rows) == triplets
    assert [note.partition(" ")[2] for note in read.notes] == (
        ["ignored columns: answer"] if "answer" in row else []
    )


@pytest.mark.parametrize(
    "row",
    [
        {"query": "a", "pos": ["b", "f"], "neg": ["c", "d", "e"]},  # FlagEmbedding
        {"anchor": "a", "positives": ["b", "f"], "negatives": ["c", "d", "", "e"]},
        {"query": "a", "positive": ["b", "f"], "hard_negatives": ["c", "d", "e"]},
        {"anchor": "a", "positive_1": "b", "positive_2": "f", "negative": ["c", "d", "e"]},
    ],
)
@pytest.mark.parametrize("suffix", [".jsonl", ".json", ".parquet"])
def test_lists_of_positives_and_negatives(tmp_path: Path, row: dict[str, Any], suffix: str) -> None:
    """A list taken for no text, or a positive without the negatives of its row."""
    path = tmp_path / f"a{suffix}"
    if suffix == ".json":
        path.write_text(json.dumps([row], indent=1))
    else:
        write(path, [row])
    read = read_triplets([path])
    assert read.rows == (SEVERAL, Triplet("a", "f", ("c", "d", "e")))
    assert (read.places, read.broken, read.notes) == ((0, 1), (), ())


def test_passages_of_tevatron(tmp_path: Path) -> None:
    """Passages with a title, refused or without it."""
    row = {
        "query_id": "1",
        "query": "a",
        "positive_passages": [{"docid": "7", "title": "T", "text": "b"}],
        "negative_passages": [
            {"docid": "8", "title": "", "text": "c"},
            {"docid": "9", "text": "d"},
        ],
    }
    path = write(tmp_path / "a.jsonl", [row])
    read = read_triplets([path])
    assert read.rows == (Triplet("a", "T b", ("c", "d")),)
    assert read.notes == (f"{path}: ignored columns: query_id",)


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


def test_ignored_columns_are_named_once(tmp_path: Path) -> None:
    """A column that is not used, unsaid, or said for each of a thousand rows."""
    rows = [{"anchor": "a", "positive": "b", "idx": n, "source": "web"} for n in range(30)]
    rows += [{"anchor": "a", "positive": "b", "label": 1}]
    path = write(tmp_path / "a.jsonl", rows)
    assert read_triplets([path]).notes == (f"{path}: ignored columns: idx, source, label",)
    assert read_triplets([NLI / "train.csv"]).notes == ()


def test_the_example_is_whole() -> None:
    """An example with a broken row, one without a negative, or held-out texts seen in training."""
    train = read_triplets([NLI / "train.csv"])
    held_out = read_triplets([NLI / "held_out.csv"])
    assert (len(train.rows), len(held_out.rows)) == (553, 95)  # as CREDITS.md says
    assert train.broken == held_out.broken == ()
    assert all(row.negatives for row in (*train.rows, *held_out.rows))
    assert not {row.anchor for row in train.rows} & {row.anchor for row in held_out.rows}
