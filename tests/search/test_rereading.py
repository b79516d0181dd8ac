"""JSON lines that another program is writing while they are indexed: nothing is lost."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from e5v.search import sync
from e5v.search.catalog import Catalog
from e5v.search.diff import Changes, compare
from e5v.search.reading import Reading
from e5v.search.scope import Scope
from tests.search.followed import EMPTY, UNFINISHED, WHOLE, Followed, entries, write_lines

TEXTS = [{"text": f"line {number}"} for number in range(4)]


@pytest.fixture
def lines(followed: Followed) -> Path:
    """Give a file of lines that is indexed."""
    path = followed.folder / "all.jsonl"
    write_lines(path, *TEXTS)
    followed.follow()
    return path


@pytest.fixture
def after_listing(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], object]], None]:
    """Let something happen between the listing of the files and their being read, once."""
    waiting: list[Callable[[], object]] = []

    def list_files(scope: Scope, catalog: Catalog, reading: Reading) -> Changes:
        changes = compare(scope, catalog, reading)
        if waiting:
            waiting.pop()()
        return changes

    monkeypatch.setattr(sync, "compare", list_files)
    return waiting.append


@pytest.mark.parametrize(
    "blank", [b"", b" \r\n\n\t", b"\xef\xbb\xbf", b"\xff\xfe\n\0", b"\0" * 5_000]
)
def test_a_file_without_lines_is_taken_for_a_missing_one(
    followed: Followed, lines: Path, blank: bytes
) -> None:
    """Catches entries removed and embedded again because their file was blank for a moment."""
    content = lines.read_bytes()
    lines.write_bytes(blank)
    progress = followed.follow()
    assert (progress.removed, progress.offline) == (0, 4)
    assert followed.faults == [f"{lines} {EMPTY}"]
    lines.write_bytes(content)
    progress = followed.follow()
    assert (progress.embedded, progress.reused, progress.returned) == (0, 0, 4)
    assert followed.faults == []
    lines.write_bytes(blank)
    assert followed.follow(forget=True).removed == 4
    assert EMPTY not in str(followed.faults)


def test_a_file_that_is_emptied_after_it_was_listed(
    followed: Followed, lines: Path, after_listing: Callable[[Callable[[], object]], None]
) -> None:
    """Catches entries removed because their file was emptied just before it was read."""
    write_lines(lines, *TEXTS, {"text": "one more"})
    after_listing(lambda: lines.write_bytes(b""))
    progress = followed.follow()
    assert (progress.removed, progress.offline) == (0, 4)
    assert followed.faults == [f"{lines} {EMPTY}"]
    write_lines(lines, *TEXTS)
    progress = followed.follow()
    assert (progress.embedded, progress.returned, progress.removed) == (0, 4, 0)


def test_a_file_that_is_written_while_it_is_read(
    followed: Followed, lines: Path, after_listing: Callable[[Callable[[], object]], None]
) -> None:
    """Catches entries removed, or replaced, because half of their file was read."""
    before = entries(followed)
    lines.touch()
    after_listing(lambda: write_lines(lines, {"text": "new"}, TEXTS[0]))
    progress = followed.follow()
    assert (progress.removed, progress.embedded) == (0, 1)
    assert followed.faults == [f"{lines} {UNFINISHED}"]
    write_lines(lines, {"text": "new"}, *TEXTS)
    progress = followed.follow()
    assert (progress.removed, progress.embedded, followed.faults) == (0, 0, [])
    kept = {one.text: one.id for one in entries(followed).values()}
    assert {one.text: kept[one.text] for one in before.values()} == {
        one.text: one.id for one in before.values()
    }
    assert not followed.follow().changed


def test_what_is_unfinished_is_settled_by_the_next_run(
    followed: Followed, lines: Path, after_listing: Callable[[Callable[[], object]], None]
) -> None:
    """Catches a file whose removed lines are found for ever, because it was taken for read."""
    lines.touch()
    after_listing(lambda: write_lines(lines, *TEXTS[:2]))
    assert followed.follow().removed == 0
    assert followed.follow().removed == 2
    assert (len(entries(followed)), followed.faults) == (len(WHOLE) + 2, [])
    write_lines(lines, TEXTS[0])
    assert followed.follow().removed == 1


def test_a_line_that_is_cut_off_counts_as_unfinished_once(followed: Followed, lines: Path) -> None:
    """Catches entries removed while a line is written, and ones that stay for ever."""
    half = "\n".join(map(json.dumps, TEXTS[:2]))[:-3]
    lines.write_text(half)
    progress = followed.follow()
    assert (progress.removed, progress.changed) == (0, False)
    assert followed.faults == [f"{lines} {UNFINISHED}"]
    lines.write_text(half[:-1])
    assert followed.follow().removed == 0
    assert followed.follow().removed == 3
    assert "has invalid lines: line 2 is not JSON" in followed.faults[0]
    assert not followed.follow().changed


def test_an_invalid_line_that_is_finished_keeps_nothing(followed: Followed, lines: Path) -> None:
    """Catches removed lines that are found for a run longer because another is invalid."""
    write_lines(lines, TEXTS[0], "nope")
    assert followed.follow().removed == 3


def test_images_of_an_unfinished_file_stay_its_own(followed: Followed) -> None:
    """Catches an image that is there twice, or loses its caption, while its line is written."""
    lines = followed.folder / "all.jsonl"
    write_lines(lines, *TEXTS, {"image": "a.png", "text": "a caption"})
    followed.follow()
    before = entries(followed)
    lines.write_bytes(lines.read_bytes()[:20])
    assert not followed.follow().changed
    assert entries(followed) == before
    assert entries(followed)["a.png", 5].text == "a caption"


def test_repeated_lines_of_an_unfinished_file_stay(followed: Followed) -> None:
    """Catches a line removed because the same line above it has come back before it."""
    lines = followed.folder / "all.jsonl"
    write_lines(lines, TEXTS[0], TEXTS[1], TEXTS[0])
    followed.follow()
    content = lines.read_bytes()
    lines.write_bytes(b"")
    assert followed.follow().offline == 3
    lines.write_bytes(content[:25])
    progress = followed.follow()
    assert (progress.returned, progress.removed) == (1, 0)
    lines.write_bytes(content)
    assert followed.follow().returned == 2
