"""Size, mtime and part of entries whose file changed, but not their content."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import lancedb
import pytest

from e5v.search import state_updates
from e5v.search.catalog import read_states
from e5v.search.entry_table import NAME
from e5v.search.index_model import manifest_of
from e5v.search.records import Known
from e5v.search.sync import FolderSync
from e5v.search.table_rows import COLUMNS, SOURCE
from e5v.search.writer import Writer, writing
from tests.search.followed import Followed, check_vectors, write_lines

LINES = [{"text": f"line {number}"} for number in range(4)]
NAMED = [{"image": "a.png", "text": "one"}, {"image": "photos/b.jpg", "text": "two"}]
COMPARED = [name for name in (*SOURCE, *COLUMNS) if name != "id"]  # one that moved keeps its id


def rows(index: Path) -> list[dict[str, Any]]:
    """Return the columns of all records but numbers, ids and vectors, in one order."""
    table = lancedb.connect(index).open_table(NAME)
    found: list[dict[str, Any]] = table.search().select(COMPARED).limit(None).to_list()
    return sorted(found, key=lambda row: (row["source"], row["part"]))


def check_same_as_fresh(followed: Followed, place: Path) -> None:
    """Compare all records with those of an index that is made anew."""
    fresh = Followed(followed.model, followed.folder, place)
    fresh.follow()
    assert rows(followed.index) == rows(fresh.index)


def append(path: Path, text: str, mtime: int) -> None:
    """Add a text to a file."""
    path.write_text(path.read_text() + text)
    os.utime(path, (mtime, mtime))


@pytest.fixture
def updated(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Note how many records each write of states has."""
    counts: list[int] = []
    update = Writer.update

    def counted(writer: Writer, known: Sequence[Known]) -> None:
        counts.append(len(known))
        update(writer, known)

    monkeypatch.setattr(Writer, "update", counted)
    return counts


@pytest.fixture
def changed(followed: Followed) -> Followed:
    """Index a folder, and then change a file of each kind, but little of what is in them."""
    folder = followed.folder
    write_lines(folder / "lines.jsonl", *LINES)
    write_lines(folder / "named.jsonl", *NAMED)
    followed.follow()
    append(folder / "lines.jsonl", '{"text": "new line"}\n', 5)
    append(folder / "note.md", "\n\n" + "new " * 240, 6)
    write_lines(folder / "named.jsonl", {"text": "inserted"}, *NAMED)
    for name in ("a.png", "photos/deep/c.WEBP"):
        os.utime(folder / name, (7, 7))
    return followed


def test_records_are_those_of_a_new_index(
    changed: Followed, updated: list[int], tmp_path: Path
) -> None:
    """Catches filters on size, mtime and part that miss old lines of a file that has grown."""
    changed.follow()
    assert len(changed.given) == 3
    check_same_as_fresh(changed, tmp_path / "fresh")
    check_vectors(changed)
    assert updated == [4 + 3 + 2 + 1]  # lines, passages, named images, an image by itself
    assert read_states(changed.index) == {}
    assert not changed.follow().changed
    assert updated == [10]


def test_many_are_written_some_at_once(
    changed: Followed, updated: list[int], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Catches the records of a whole library kept in memory until the run ends."""
    monkeypatch.setattr(state_updates, "MANY", 3)
    changed.follow()
    assert sum(updated) == 10
    assert len(updated) > 1
    check_same_as_fresh(changed, tmp_path / "fresh")


def test_a_watched_file_is_known_by_its_keys_again(
    followed: Followed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches all records of a file that has grown once read in every look at it."""
    path = followed.folder / "lines.jsonl"
    write_lines(path, *LINES)
    with writing(followed.index, lambda: manifest_of(followed.model, "small")) as writer:
        sync = FolderSync(writer, lambda: followed.model)
        list(sync.follow([str(followed.folder)]))
        append(path, '{"text": "new line"}\n', 5)
        list(sync.follow([str(followed.folder)]))
        monkeypatch.setattr(Writer, "read", None)
        *_, done = sync.follow([str(followed.folder)])
    assert (done.unchanged, done.changed) == (5, False)


@pytest.mark.parametrize("done", [False, True])
def test_ended_around_the_write(
    changed: Followed,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    *,
    done: bool,
) -> None:
    """Catches old states that stay for ever because a run ended before, or in, their write."""
    update = Writer.update

    def interrupt(writer: Writer, known: Sequence[Known]) -> None:
        if done:
            update(writer, known)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Writer, "update", interrupt)
        with pytest.raises(KeyboardInterrupt):
            changed.follow()
    progress = changed.follow()
    assert (progress.embedded, changed.given) == (0, [])
    check_same_as_fresh(changed, tmp_path / "fresh")


def test_a_line_whose_image_is_missing(followed: Followed, tmp_path: Path) -> None:
    """Catches a file that is read in every run, or never again, because one image is missing."""
    folder = followed.folder
    write_lines(folder / "named.jsonl", *NAMED)
    followed.follow()
    (folder / "a.png").rename(tmp_path / "a.png")
    append(folder / "named.jsonl", '{"image": "photos/deep/c.WEBP", "text": "three"}\n', 5)
    followed.follow()
    assert set(read_states(followed.index)) == {str(folder / "named.jsonl")}
    assert followed.follow().unchanged == 2
    (tmp_path / "a.png").rename(folder / "a.png")
    followed.follow()
    assert followed.given == []
    assert read_states(followed.index) == {}
    check_same_as_fresh(followed, tmp_path / "fresh")
