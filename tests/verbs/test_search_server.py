"""`e5v search` beside a running server of the index: the same results, and never a fault of its."""

import json
import shutil
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from e5v import E5V
from e5v.cli import main
from e5v.search import server_client
from e5v.search.server_record import FILE, find_server, write_record
from e5v.verbs import terminal_images
from e5v.verbs.finding import Finder
from e5v.web.local_socket import LocalAnswers
from tests.verbs.answering import answering
from tests.verbs.done import PHOTOS, Done, Run

CAT = PHOTOS / "cat.jpg"
QUERIES: tuple[list[object], ...] = (
    ["a", "rocket"],
    ["a cat", "-k", 2, "--where", "kind = 'image'"],
    ["a cat", "--min-score", 0.2, "--without", "a rocket"],
    ["--image", CAT],
    ["as a rocket", "--image", CAT, "--without", "a dog", "-k", 1],
)


@pytest.fixture(scope="module")
def served(index: Path, model: E5V) -> Iterator[LocalAnswers]:
    """Run a server of the index."""
    with answering(index, model) as answers:
        yield answers


@pytest.fixture
def search(index: Path, capsys: pytest.CaptureFixture[str]) -> Any:
    """Search in the index, as its model was opened."""

    def run(*arguments: object) -> Done:
        code = main(["search", *map(str, arguments), "--index", str(index)])
        written = capsys.readouterr()
        lines = [json.loads(line) for line in written.out.splitlines() if line.startswith("{")]
        return Done(code, written.out, written.err, lines)

    return run


@pytest.fixture
def unaided(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """Note the queries that are answered without a server."""
    seen: list[object] = []
    find = Finder._find

    def note(finder: Finder, asked: Any) -> Any:
        seen.append(asked)
        return find(finder, asked)

    monkeypatch.setattr(Finder, "_find", note)
    return seen


def test_every_query_prints_the_same(
    search: Any, index: Path, model: E5V, unaided: list[object]
) -> None:
    """Catches another rounding, order or field than without a server."""
    before = [search(*query) for query in QUERIES]
    assert len(unaided) == len(QUERIES)
    with answering(index, model):
        after = [search(*query) for query in QUERIES]
        assert len(unaided) == len(QUERIES)
    assert after == before
    assert all(done.code == 0 and done.lines for done in after)
    assert not (index / FILE).exists()
    assert search("a", "rocket") == before[0]
    assert len(unaided) == len(QUERIES) + 1


def test_pictures_and_tables_are_the_same(
    search: Any, index: Path, model: E5V, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches hits of a server that come without thumbnails."""
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setattr(terminal_images, "protocol", lambda _: terminal_images.kitty)
    before = search("--image", CAT).out
    with answering(index, model):
        assert search("--image", CAT).out == before
    assert before.count("a=T,f=100") == 4


@pytest.mark.filterwarnings("always::e5v.errors.EncodeWarning")
def test_what_a_server_does_not_answer(
    search: Any, served: LocalAnswers, index: Path, unaided: list[object]
) -> None:
    """Catches an answer by another model or index, and a mistake that is not explained."""
    del served
    for option in (["--dtype", "bfloat16"], ["--image-tokens", "40"], ["--device", "cpu"]):
        before = len(unaided)
        search("a cat", *option)
        assert len(unaided) == before + 1
    for wrong, message in (
        (["--image", __file__], "the query cannot be embedded"),
        (["a", "--where", "kind = = 'image'"], "cannot be used"),
        (["a", "--without", "a"], "are the same"),
    ):
        done = search(*wrong)
        assert (done.code, len(done.err.splitlines())) == (2, 1)
        assert message in done.err
    long = search("a cat " * 3000)
    assert (long.code, len(long.lines)) == (0, 5)
    assert "truncated" in long.err
    record = find_server(index)
    assert record
    write_record(replace(record, version="0.0.1"))
    try:
        before = len(unaided)
        assert search("a cat").code == 0
        assert len(unaided) == before + 1
    finally:
        write_record(record)
    assert search("a cat").code == 0
    assert len(unaided) == before + 1


def test_a_server_that_ends_in_between(
    search: Any, served: LocalAnswers, monkeypatch: pytest.MonkeyPatch, unaided: list[object]
) -> None:
    """Catches a traceback, or no answer, when a server is killed while it searches."""
    expected = search("a cat").lines
    assert not unaided

    async def end(*_: object) -> bytes:
        raise OSError

    with monkeypatch.context() as ending:
        ending.setattr(LocalAnswers, "_find", end)
        done = search("a cat")
    assert (done.code, done.err, done.lines) == (0, "", expected)
    assert len(unaided) == 1
    monkeypatch.setattr(server_client, "is_own_peer", lambda _: False)  # another user's
    assert search("a cat").lines == expected
    assert len(unaided) == 2
    del served


def test_what_is_new_is_found_at_once(
    run: Run, model: E5V, tmp_path: Path, unaided: list[object]
) -> None:
    """Catches a server that answers from the index as it was a second ago."""
    photos, index = tmp_path / "photos", tmp_path / "index"
    photos.mkdir()
    shutil.copy(CAT, photos)
    run("index", photos, "--index", index)
    with answering(index, model):
        for name in ("rocket.jpg", "coffee.jpg"):
            assert name not in run("search", "a", "--index", index).out
            shutil.copy(PHOTOS / name, photos)
            run("index", photos, "--index", index)
            assert name in run("search", "a", "--index", index).out
    assert not unaided
