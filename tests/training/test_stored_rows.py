"""Files larger than memory: the same rows as from memory, in an order that can be resumed."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from e5v.errors import DataError
from e5v.training import csv_records, stored_rows
from e5v.training.loss import distinct
from e5v.training.reading import read_triplets
from e5v.training.sampler import Batches
from e5v.training.stored_rows import TableStore
from e5v.training.triplets import Triplets
from tests.training.pictures import write_lines

Read = Callable[[Path], Triplets]


@pytest.fixture
def stored(monkeypatch: pytest.MonkeyPatch) -> Read:
    """Read a file as if it were too large for memory, with windows of two row groups or so."""

    def read(*files: Path) -> Triplets:
        with monkeypatch.context() as patch:
            patch.setattr(stored_rows, "IN_MEMORY", 0)
            return read_triplets(files)

    return read


def _write_groups(file: Path, count: int, rows: int = 10) -> Path:
    table = pa.table({"anchor": [f"a{n}" for n in range(count)], "positive": ["p"] * count})
    pq.write_table(table, file, row_group_size=rows)
    return file


def _write_csv(file: Path, count: int) -> Path:
    file.write_text("".join(["anchor,positive\n", *(f"a{n},p\n" for n in range(count))]))
    return file


def _assert_same(one: Triplets, other: Triplets) -> None:
    assert list(one.rows) == list(other.rows)
    assert list(one.places) == list(other.places)
    assert (one.broken, one.notes, one.content) == (other.broken, other.notes, other.content)
    assert [source.size for source in one.sources] == [source.size for source in other.sources]
    assert one.count == other.count


AWKWARD = (
    b'\xef\xbb\xbf{"query": "a", "pos": ["b", "c"], "neg": ["d", "e"], "id": 1}\r\n'
    b'\n  \n{"query": "f\\u2028g", "pos": ["h\xc3\xa9"], "neg": []}\r'
    b'{"query": "broken\n'
    b'{"query": "\xff", "pos": ["x"]}\n[1]\n{"query": "", "pos": ["x"]}\n'
    b'{"query": "form\x0cfeed", "pos": ["x"]}\n'
    b'{"query": "line\xe2\x80\xa8here", "pos": ["cat.jpg"]}'
)


def test_lines_on_disk_are_the_lines_in_memory(tmp_path: Path, stored: Read) -> None:
    """A row that begins a byte too late, or rows that are counted otherwise than in memory."""
    file = tmp_path / "a.jsonl"
    file.write_bytes(AWKWARD)
    large, small = stored(file), read_triplets([file])
    assert isinstance(small.rows, tuple)
    assert not isinstance(large.rows, tuple)
    _assert_same(large, small)
    assert (len(large.broken), large.rows[1:3]) == (5, list(small.rows[1:3]))


QUOTED = (
    b'\xef\xbb\xbfquery,"pos",neg_1,id\r\n'
    b'a,"b, with\r\na line, ""quoted"" and\nanother",d,1\r\n'
    b'\n"begins\n\nwith one",h\xc3\xa9,,2\r'
    b'too,few\nan,"unclosed quote,x,3\n\xff,x,,4\n'
    b'f\xe2\x80\xa8g,cat.jpg,"e""",5\n"no\n" comma,x,,6\n,x,,7\n'
    b'last,"one\n",,8\n\n\n'
)


@pytest.mark.parametrize(("name", "delimiter"), [("a.csv", b","), ("a.tsv", b"\t")])
def test_records_on_disk_are_the_records_in_memory(
    tmp_path: Path, stored: Read, name: str, delimiter: bytes
) -> None:
    """A row that begins inside a quoted text, or at the wrong byte after one that cannot be read.

    The unclosed quote also shows that the rows after it are not swallowed.
    """
    file = tmp_path / name
    file.write_bytes(QUOTED.replace(b",", delimiter))
    large, small = stored(file), read_triplets([file])
    assert isinstance(small.rows, tuple)
    assert not isinstance(large.rows, tuple)
    _assert_same(large, small)
    cell = QUOTED.replace(b",", delimiter).decode(errors="replace").split('"')[3]
    assert str(large.rows[0].positive).startswith(cell)
    assert [row.anchor for row in large.rows] == ["a", "begins\n\nwith one", "f\u2028g", "last"]
    assert [one.row for one in large.broken] == [2, 4, 5, 6, 8, 9, 10]
    assert large.rows[3] == small.rows[3]


def test_a_quote_that_is_never_closed_does_not_hold_the_file(
    tmp_path: Path, stored: Read, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Gigabytes in memory, and all rows after it lost, for one quotation mark."""
    monkeypatch.setattr(csv_records, "CELL", 500)
    taken: list[int] = []
    real = csv_records._take

    def count(source: Any, again: Any, lines: list[Any]) -> Any:
        yield from real(source, again, lines)
        taken.append(len(lines))

    monkeypatch.setattr(csv_records, "_take", count)
    lines = [f"a{n},p" for n in range(400)]
    lines[100] = '"a100,p'
    file = tmp_path / "a.csv"
    file.write_text("\n".join(["anchor,positive", *lines]))
    data = stored(file)
    assert len(data.rows) == 399
    assert "line 102 is not valid CSV: field larger than" in str(data.broken[0])
    assert max(taken, default=0) < 200


def test_tables_on_disk_are_the_tables_in_memory(tmp_path: Path, stored: Read) -> None:
    """A column that is lost, or a row of another group."""
    rows: list[dict[str, Any]] = [
        {"query": f"q{n}", "pos": ["a", "b"][: n % 3], "neg": [{"text": f"n{n}"}], "id": n}
        for n in range(25)
    ]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "a.parquet", row_group_size=4)
    large, small = stored(tmp_path / "a.parquet"), read_triplets([tmp_path / "a.parquet"])
    assert not isinstance(large.rows, tuple)
    assert len(large.broken) == 9
    _assert_same(large, small)
    assert sum(large.sources[0].groups) == len(large.rows)


def test_images_on_disk(folder: Path, stored: Read) -> None:
    """Images in the cells of a table, or beside the lines, that are found in memory only."""
    rows = [
        {"anchor": {"bytes": (folder / "images" / f"{n}.png").read_bytes(), "path": None},
         "positive": f"noise {n}"}
        for n in range(4)
    ]  # fmt: skip
    pq.write_table(pa.Table.from_pylist(rows), folder / "a.parquet", row_group_size=2)
    for file in (folder / "a.parquet", folder / "captions.jsonl"):
        large, small = stored(file), read_triplets([file])
        assert large.content == small.content
        assert large.has_images
        alone = distinct([large.rows[1], small.rows[1]])  # equal content is equal
        assert not alone[0, 1]


@pytest.mark.parametrize(
    "names", [("a.jsonl",), ("a.csv",), ("a.parquet",), ("a.jsonl", "a.parquet")]
)
@pytest.mark.parametrize("weight", [None, 1.0])
def test_the_order_is_that_of_the_seed(
    tmp_path: Path,
    stored: Callable[..., Triplets],
    names: tuple[str, ...],
    weight: float | None,
) -> None:
    """A resumed run with other rows, an epoch with rows left out, or another order of lines."""
    lines = [{"anchor": f"a{n}", "positive": "p"} for n in range(40)]
    write_lines(tmp_path / "a.jsonl", lines)
    _write_csv(tmp_path / "a.csv", 40)
    _write_groups(tmp_path / "a.parquet", 40)
    files = [tmp_path / name for name in names]
    given: dict[str, Any] = {"weights": [weight] * len(files) if weight else ()}
    one, other = (Batches(stored(*files), 8, 3, **given) for _ in range(2))
    steps = 5 * len(files)
    batches = [one[step] for step in range(2 * steps)]
    assert other[steps + 2] == batches[steps + 2]
    for epoch in (batches[:steps], batches[steps:]):
        assert sorted(place for batch in epoch for place in batch.places) == list(
            range(40 * len(files))
        )
    if names in {("a.jsonl",), ("a.csv",)}:  # an exact shuffle
        assert Batches(read_triplets(files), 8, 3, **given)[2] == batches[2]


def test_few_groups_of_a_table_are_in_memory(
    tmp_path: Path, stored: Read, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every batch reads every group; or all groups stay in memory; or rows are not shuffled."""
    file = _write_groups(tmp_path / "a.parquet", 400)
    group = pq.ParquetFile(file).metadata.row_group(0).total_byte_size
    monkeypatch.setattr(stored_rows, "WINDOW", 4 * group + 20)
    read: list[int] = []
    real = TableStore._read_group

    def count(self: TableStore, number: int) -> Any:
        read.append(number)
        return real(self, number)

    monkeypatch.setattr(TableStore, "_read_group", count)
    data = stored(file)
    (source,) = data.sources
    assert (source.together, len(source.groups)) in {(3, 40), (4, 40)}
    batches = Batches(data, 16, 3)
    places = [batches[step].places for step in range(25)]
    assert sorted(read) == list(range(40))  # each once in the epoch
    assert sorted(place for batch in places for place in batch) == list(range(400))
    assert max(len({place // 10 for place in batch}) for batch in places) <= 2 * source.together
    assert min(len({place // 10 for place in batch}) for batch in places) > 1


@pytest.mark.parametrize("name", ["a.jsonl", "a.csv", "a.parquet"])
def test_a_file_that_changes_is_told(tmp_path: Path, stored: Read, name: str) -> None:
    """A run on half of one file and half of another, or a traceback where it ends."""
    write_lines(tmp_path / "a.jsonl", [{"anchor": "a", "positive": "p"}] * 30)
    _write_csv(tmp_path / "a.csv", 30)
    _write_groups(tmp_path / "a.parquet", 30)
    data = stored(tmp_path / name)
    assert data.rows[29].positive == "p"
    os.utime(tmp_path / name, (1, 1))
    with pytest.raises(DataError, match=f"{name} was changed while it was trained on; restore it"):
        data.rows[3]
    (tmp_path / name).unlink()
    with pytest.raises(DataError, match=f"{name} cannot be read: No such file"):
        data.rows[13]


def test_an_image_of_a_line_that_goes_away(folder: Path, stored: Read) -> None:
    """A traceback of an error that is none of the package's."""
    data = stored(folder / "captions.jsonl")
    (folder / "images" / "3.png").unlink()
    with pytest.raises(DataError, match=r"captions\.jsonl: a row cannot be read again: .*3\.png"):
        data.rows[3]


PROGRAM = """
import json, re, sys
from pathlib import Path
from e5v.training import stored_rows
from e5v.training.reading import read_triplets
from e5v.training.sampler import Batches
stored_rows.IN_MEMORY = int(sys.argv[2])
def peak():
    return int(re.search(r"VmHWM:\\s*(\\d+)", Path("/proc/self/status").read_text())[1])
Path("/proc/self/clear_refs").write_text("5")  # forgets the peak of the imports
before = peak()
data = read_triplets([Path(sys.argv[1])])
batches = Batches(data, 768, 42)
seen = {place for step in range(20) for place in batches[step].places}
print(json.dumps([len(data.rows), len(seen), (peak() - before) / 1024]))
"""


@pytest.mark.slow
@pytest.mark.parametrize("name", ["a.jsonl", "a.csv"])
def test_memory_stays_bounded(tmp_path: Path, name: str) -> None:
    """Rows that stay in memory one by one as they are read."""
    file = tmp_path / name
    with file.open("w") as lines:
        lines.write("anchor,positive\n" if name == "a.csv" else "")
        for n in range(100_000):
            row = {"anchor": f"a short text, number {n}", "positive": f"its positive, number {n}"}
            quoted = ",".join(f'"{text}"' for text in row.values())
            lines.write(f"{quoted if name == 'a.csv' else json.dumps(row)}\n")
    grown = []
    for limit in (0, 1 << 40):
        command = [sys.executable, "-c", PROGRAM, str(file), str(limit)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        rows, seen, mib = json.loads(done.stdout)
        assert (rows, seen) == (100_000, 20 * 768)
        grown.append(mib)
    assert grown[0] < 0.35 * grown[1], grown


def test_small_files_and_other_formats_stay_in_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A small file that is read from disk at every step; a UTF-16 file cut at the wrong bytes.

    Whoever gives a large one is told how to save the memory.
    """
    small = write_lines(tmp_path / "a.jsonl", [{"anchor": "a", "positive": "b"}])
    assert isinstance(read_triplets([small]).rows, tuple)
    (tmp_path / "b.jsonl").write_text(small.read_text(), encoding="utf-16")
    (tmp_path / "c.json").write_text(f"[{small.read_text()}]")
    (tmp_path / "d.csv").write_text("anchor,positive\na,b\n", encoding="utf-16")
    assert read_triplets([tmp_path / "c.json"]).notes == ()
    monkeypatch.setattr(stored_rows, "IN_MEMORY", 0)
    for name, why in (("b.jsonl", "not UTF-8"), ("c.json", "a JSON array"), ("d.csv", "not UTF-8")):
        read = read_triplets([tmp_path / name])
        assert isinstance(read.rows, tuple)
        assert len(read.rows) == 1
        [note] = read.notes
        assert f"GB of it are in memory, as it is {why}; JSON lines in UTF-8 would" in note
