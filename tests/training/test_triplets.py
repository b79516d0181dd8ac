"""Files of triplets: what is read, and what is told of rows that cannot be."""

import json
from pathlib import Path
from typing import Any

import pytest

from e5v.errors import DataError
from e5v.training.reading import read_triplets
from e5v.training.triplets import Triplet, Triplets
from tests.training.triplet_files import CAT, DOG, ROWS, write, write_csv

NLI = Path(__file__).parents[2] / "examples" / "nli"


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
