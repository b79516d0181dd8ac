"""A file that changed: only the rows of it that are new or changed are written."""

import json
import os
import time
import unicodedata
from datetime import timedelta

import numpy as np
import pytest

from e5v.search import entry_table as table_module
from e5v.search import writer as writer_module
from e5v.search.index import Index
from e5v.search.writer import Writer
from tests.search.followed import Followed, check_vectors, entries, write_lines


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """Note how many records each commit writes and removes."""
    counts: list[tuple[int, int]] = []
    commit = Writer.commit

    def counted(writer: Writer, records: list[object], gone: list[int]) -> list[int]:
        counts.append((len(records), len(gone)))
        return commit(writer, records, gone)  # type: ignore[arg-type]

    monkeypatch.setattr(Writer, "commit", counted)
    return counts


def texts(followed: Followed, name: str) -> dict[int, str]:
    """Return the texts of a file's entries by part."""
    found = entries(followed).items()
    return {part: entry.text for (path, part), entry in found if path == name}


LINES = [{"text": f"line {number}"} for number in range(12)]


@pytest.mark.parametrize(
    ("lines", "change"),
    [
        ([*LINES, {"text": "new"}], (1, 0)),
        ([{"text": "new"}, *LINES], (1, 0)),
        ([*LINES[:20], {"text": "new"}, *LINES[20:]], (1, 0)),
        (LINES[1:], (0, 1)),
        ([*LINES[:7], *LINES[8:]], (0, 1)),
        ([*LINES[:7], {"text": "other"}, *LINES[8:]], (1, 1)),
        ([*LINES, LINES[3], LINES[3]], (2, 0)),
        (list(reversed(LINES)), (0, 0)),
        (LINES, (0, 0)),
    ],
    ids=[
        "append",
        "prepend",
        "insert",
        "delete first",
        "delete",
        "edit",
        "repeat",
        "turn",
        "touch",
    ],
)
def test_only_rows_that_changed_are_written(
    followed: Followed,
    written: list[tuple[int, int]],
    lines: list[dict[str, str]],
    change: tuple[int, int],
) -> None:
    """Catches 18,000 records written again for one line that was added to their file."""
    path = followed.folder / "lines.jsonl"
    write_lines(path, *LINES)
    followed.follow()
    written.clear()
    write_lines(path, *lines)
    os.utime(path, (5, 5))
    followed.follow()
    wrote, removed = (sum(counts) for counts in zip(*[(0, 0), *written], strict=True))
    assert (wrote, removed) == change
    assert texts(followed, "lines.jsonl") == {
        number: line["text"] for number, line in enumerate(lines, 1)
    }
    check_vectors(followed)
    written.clear()
    assert not followed.follow().changed
    assert written == []


def test_a_row_may_change_again_and_again(
    followed: Followed, written: list[tuple[int, int]]
) -> None:
    """Catches ids of two rows that are the same after lines were inserted, and rows lost by it."""
    path = followed.folder / "lines.jsonl"
    lines = list(LINES[:6])
    for step in range(6):
        lines.insert(step % 3, {"text": f"inserted {step}"})
        if step == 4:
            del lines[5]
        write_lines(path, *lines)
        os.utime(path, (step, step))
        followed.follow()
        expected = {number: line["text"] for number, line in enumerate(lines, 1)}
        assert texts(followed, "lines.jsonl") == expected
    assert sum(count for count, _ in written[1:]) <= 6
    check_vectors(followed)


def test_a_long_text(followed: Followed, written: list[tuple[int, int]]) -> None:
    """Catches all passages of a book written again for a paragraph at its end."""
    path = followed.folder / "book.txt"
    paragraphs = [f"{number} " + "x" * 700 for number in range(30)]
    path.write_text("\n\n".join(paragraphs))
    followed.follow()
    written.clear()
    path.write_text("\n\n".join(["y" * 700, *paragraphs, "z" * 700]))
    progress = followed.follow()
    assert (progress.embedded, progress.reused, progress.removed) == (2, 0, 0)
    assert sum(count for count, _ in written) == 2
    assert texts(followed, "book.txt")[2] == paragraphs[0]
    assert not followed.follow().changed


def test_images_of_lines_are_not_read_again(
    followed: Followed, monkeypatch: pytest.MonkeyPatch, written: list[tuple[int, int]]
) -> None:
    """Catches all photos of a caption file read because one line was added to it."""
    from e5v.search import readers

    lines = [{"image": "a.png", "text": "one"}, {"image": "photos/b.jpg", "text": "two"}]
    write_lines(followed.folder / "all.jsonl", *lines)
    followed.follow()
    read: list[str] = []
    content = readers._read_regular_file

    def noted(path: str) -> bytes:
        read.append(path)
        return content(path)

    monkeypatch.setattr(readers, "_read_regular_file", noted)
    written.clear()
    lines.insert(0, {"image": "photos/deep/c.WEBP", "text": "three"})
    write_lines(followed.folder / "all.jsonl", *lines)
    followed.follow()
    assert {os.path.basename(path) for path in read} == {"c.WEBP"}  # noqa: PTH119
    read.clear()
    lines[1]["text"] = "another caption"
    write_lines(followed.folder / "all.jsonl", *lines)
    followed.follow()
    assert (read, followed.given) == ([], [])
    assert entries(followed)["a.png", 2].text == "another caption"
    os.utime(followed.folder / "a.png", (9, 9))
    followed.follow()
    assert not followed.follow().changed
    assert len(read) <= 2
    check_vectors(followed)


def test_an_image_that_was_touched_is_not_written_again(
    followed: Followed, written: list[tuple[int, int]]
) -> None:
    """Catches thumbnails and vectors of a whole library written again after a copy of it."""
    followed.follow()
    written.clear()
    for path in followed.folder.rglob("*.*"):
        os.utime(path, (1, 1))
    for _ in range(2):
        followed.follow()
        assert (written, followed.given) == ([], [])
    assert followed.follow().unchanged == 4
    (followed.folder / "a.png").write_bytes((followed.folder / "photos/b.jpg").read_bytes())
    followed.follow()
    assert written == [(1, 1)]
    assert not followed.follow().changed
    check_vectors(followed)


def test_a_row_added_to_many_writes_no_fragment_anew(followed: Followed) -> None:
    """Catches a table, or its vectors, written anew at the end of every run."""
    path = followed.folder / "lines.jsonl"
    write_lines(path, *LINES)
    followed.follow()
    data = followed.index / "entries.lance" / "data"
    before = set(data.iterdir())
    for number in range(3):
        with path.open("a") as file:
            file.write(json.dumps({"text": f"more {number}"}) + "\n")
        followed.follow()
        followed.tidy()
    after = set(data.iterdir())
    assert before <= after
    assert len(after) == len(before) + 3 + (1 + 2 + 3)  # a fragment each, and states of the others


def test_old_versions_are_removed_also_when_nothing_changes(
    followed: Followed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches an index that stays as large as it was once; a reader of the old version goes on."""
    write_lines(followed.folder / "lines.jsonl", *LINES)
    followed.follow()
    reader = Index.open(followed.index)
    query = reader.vectors()[1][0]
    for number in range(4):
        write_lines(
            followed.folder / "lines.jsonl", *({"text": f"{number} {n}"} for n in range(12))
        )
        followed.follow()
    files = followed.index / "entries.lance"
    before = sum(path.stat().st_size for path in files.rglob("*") if path.is_file())
    followed.tidy()  # too early: a reader may still look at them
    monkeypatch.setattr(table_module, "KEPT", timedelta(milliseconds=1))
    monkeypatch.setattr(table_module, "LEAST_DEAD", 1_000)
    assert not followed.follow().changed
    followed.tidy()
    after = sum(path.stat().st_size for path in files.rglob("*") if path.is_file())
    assert after < before / 2
    assert len(reader.search(query, k=3)) == 3
    check_vectors(followed)


def test_tidying_waits(followed: Followed, monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches a look at all versions of the table every two seconds while folders are watched."""
    calls: list[int] = []

    def note(_: table_module.Table) -> bool:
        calls.append(1)
        return False

    monkeypatch.setattr(table_module.Table, "is_untidy", note)
    followed.follow()
    clock = iter([100.0, 110.0, 159.0, 161.0])
    with writer_module.writing(followed.index, lambda: pytest.fail("it is there")) as writer:
        monkeypatch.setattr(time, "monotonic", lambda: next(clock))
        for _ in range(4):
            writer.tidy()
    assert len(calls) == 2


def test_both_forms_of_accents_are_the_same_text(followed: Followed) -> None:
    """Catches a text embedded twice, or not found, because another system wrote its accents."""
    text = "crème brûlée"
    decomposed = unicodedata.normalize("NFD", text)
    assert decomposed != text
    write_lines(followed.folder / "one.jsonl", {"text": text}, {"image": "a.png", "text": text})
    (followed.folder / "note.md").write_text(decomposed)
    followed.follow()
    write_lines(
        followed.folder / "one.jsonl", {"text": decomposed}, {"image": "a.png", "text": decomposed}
    )
    progress = followed.follow()
    assert (progress.embedded, progress.reused, followed.given) == (0, 0, [])
    found = entries(followed)
    assert found["note.md", 1].text == found["one.jsonl", 1].text == found["a.png", 2].text == text
    reader = Index.open(followed.index)
    one, two = (reader.vector(found[key].id) for key in (("note.md", 1), ("one.jsonl", 1)))
    assert one is not None
    np.testing.assert_array_equal(one, two)
