"""`e5v search`: hits for a program, a table or pictures for a person, a page for a browser."""

import re
import subprocess
import sys
import webbrowser
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from e5v import E5V
from e5v.cli import main
from e5v.search.query import SAME
from e5v.verbs import search_results as module
from e5v.verbs import terminal_images
from e5v.verbs.plain_text import to_plain_text
from e5v.verbs.search_page import SearchPage, render_search_page
from tests.notes import NOTE, PLAIN
from tests.verbs.done import PHOTOS, Done, Run
from tests.work import count_work


@pytest.fixture
def find(index: Path, run: Run) -> Run:
    """Search in that index."""

    def search(verb: str, *arguments: object) -> Done:
        return run(verb, *arguments, "--index", index)

    return search


def names(done: Done) -> list[str]:
    """Return the names of the files that were found."""
    return [Path(line["path"]).name for line in done.lines]


def test_queries_of_every_kind(find: Run, model: E5V) -> None:
    """Catches a query that is not what was asked, and hits out of order or with wrong scores."""
    cat = PHOTOS / "cat.jpg"
    files: list[Any] = [*sorted(PHOTOS.glob("*.jpg")), {"text": "the cat and the rocket"}]
    vectors = model.encode(files)
    others = (vectors @ model.encode([cat])[0]) < SAME  # the example is not its own answer
    assert 0 < others.sum() < len(files)
    for arguments, item, kept in (
        (["a rocket"], {"text": "a rocket"}, others | True),
        (["--image", cat], cat, others | True),
        (["as a rocket", "--image", cat], {"image": cat, "text": "as a rocket"}, others),
    ):
        done = find("search", *arguments)
        assert (done.code, done.err) == (0, "")
        scores = (model.encode([item]) @ vectors.T)[0, kept]
        found = [line["score"] for line in done.lines]
        np.testing.assert_allclose(np.sort(found), np.sort(scores), atol=2e-3)
        photos = [line["score"] for line in done.lines if line["kind"] == "image"]
        assert photos == sorted(photos, reverse=True)
    assert names(find("search", "--image", cat, "-k", 1)) == ["cat.jpg"]
    assert names(find("search", "a cat", "--where", "kind = 'text'")) == ["note.txt"]
    assert find("search", "a cat", "--min-score", 1).lines == []
    plain = find("search", "a cat").lines
    without = find("search", "a cat", "--without", "a rocket").lines
    assert [line["score"] for line in plain] != [line["score"] for line in without]


def test_a_composed_query_embeds_its_example_once(
    find: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches an image that is read, decoded or seen again to know its copies among the hits."""
    done, read = count_work(monkeypatch), list[Path]()
    read_bytes = Path.read_bytes

    def count_read(path: Path) -> bytes:
        read.append(path)
        return read_bytes(path)

    monkeypatch.setattr(Path, "read_bytes", count_read)
    cat = PHOTOS / "cat.jpg"
    assert find("search", "as a rocket", "--image", cat, "--without", "a dog").code == 0
    assert read.count(cat) == 1
    assert done == {"decoded": 1, "seen": 1, "passes": 1, "items": 3}


def test_the_model_is_the_indexs_own(index: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Catches a user who must say again which model, and in what it computes."""
    assert main(["search", "a cat", "--index", str(index), "-k", "1"]) == 0
    assert capsys.readouterr().err == ""
    assert main(["search", "a cat", "--index", str(index), "--dtype", "bfloat16"]) == 1
    [line] = capsys.readouterr().err.splitlines()
    assert (
        "their vectors cannot be compared; open it in float32, or use another index (--dtype)"
        in line
    )
    assert main(["search", "a cat", "--index", str(index), "--image-tokens", "40"]) == 1
    assert capsys.readouterr().err.endswith("or use another index (--image-tokens)\n")


def test_words_that_name_an_image_are_warned_of(find: Run) -> None:
    """Catches `e5v search cat.jpg`, which silently searches for the name and not the picture."""
    cat = PHOTOS / "cat.jpg"
    for words in (str(cat), f" {cat}\n", cat.as_uri()):
        done = find("search", words, "-k", 1)
        [line] = done.err.splitlines()
        assert f"for the image, use --image {cat}" in line
        assert (done.code, len(done.lines)) == (0, 1)
    assert names(find("search", "--image", cat.as_uri(), "-k", 1)) == ["cat.jpg"]


def test_a_filter_is_tried_before_torch_is_imported(index: Path) -> None:
    """Catches a filter that LanceDB refuses after seconds of imports for the model."""
    program = (
        "import sys; from e5v.cli import main; code = main(sys.argv[1:]); "
        "sys.exit(f'{code} {\"torch\" in sys.modules}')"
    )
    command = [
        sys.executable,
        "-c",
        program,
        "search",
        "a",
        "--where",
        "kind =",
        "--index",
        str(index),
    ]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    line, outcome = ended.stderr.splitlines()
    assert "the filter 'kind =' cannot be used" in line
    assert outcome == "2 False"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--image", "nope.jpg"], "--image nope.jpg does not exist"),
        (["--image", __file__], "the query cannot be embedded"),
        (["a", "--where", "kind = = 'image'"], "cannot be used"),
    ],
)
def test_what_cannot_be_searched(find: Run, arguments: list[str], message: str) -> None:
    """Catches a traceback for a mistake of the user's."""
    done = find("search", *arguments)
    assert (done.code, len(done.err.splitlines())) == (2, 1)
    assert message in done.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "nothing to look for"),
        (["--without", "snow"], "nothing to look for"),
        (["a", "-k", "0"], "-k is 0"),
        (["a", "--where", "knd = 3"], "no column is named knd (did you mean kind?)"),
        (["--duplicates", "--min-score", "2"], "--min-score is 2.0; expected a cosine, -1 to 1"),
        (["a", "--duplicates"], "--duplicates compares everything"),
    ],
)
def test_misuse(capsys: pytest.CaptureFixture[str], arguments: list[str], message: str) -> None:
    """Catches misuse that is found only once a model is open."""
    with pytest.raises(SystemExit) as end:
        main(["search", *arguments])
    assert end.value.code == 2
    assert message in capsys.readouterr().err


def test_no_index(run: Run, tmp_path: Path) -> None:
    """Catches a model opened before it is known that there is nothing to search."""
    done = run("search", "a cat", "--index", tmp_path / "none", "--model", "no/such-model")
    assert done.code == 2
    assert "holds no index; make one with: e5v index FOLDER --index" in done.err


def test_duplicates(find: Run) -> None:
    """Catches groups that cannot be told apart, and a threshold that is not heeded."""
    assert find("search", "--duplicates", "--min-score", "1").lines == []
    lines = find("search", "--duplicates", "--min-score", "0.01").lines
    assert {line["group"] for line in lines} == {1}
    assert lines[0]["score"] == pytest.approx(1, abs=1e-3)


def test_a_table(find: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches a table without scores, paths or captions."""
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setattr(terminal_images, "ask_terminal", lambda: "")
    monkeypatch.setenv("COLUMNS", "200")
    for name in ("TERM_PROGRAM", "KITTY_WINDOW_ID", "LC_TERMINAL"):
        monkeypatch.delenv(name, raising=False)
    drawn = find("search", "--image", PHOTOS / "cat.jpg").out
    assert "a close look at the face of a cat" in drawn
    assert "cat.jpg " in drawn
    assert "note.txt:1" in drawn
    assert "1.000" in drawn
    assert "Nothing was found." in find("search", "a", "--where", "size < 0").out


def test_pictures_in_a_terminal(find: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches pictures that go to a file or that stand with the wrong line."""
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("KITTY_WINDOW_ID", "1")
    monkeypatch.delenv("TMUX", raising=False)
    monkeypatch.setenv("TERM", "xterm-kitty")
    drawn = find("search", "--image", PHOTOS / "cat.jpg", "-k", 2, "--where", "kind = 'image'").out
    assert drawn.index("cat.jpg") < drawn.index("\x1b_G")
    assert drawn.count("a=T,f=100") == 2


def test_a_page(find: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches a page that needs the network, or that words from a file can write into."""
    opened: list[str] = []
    monkeypatch.setattr(webbrowser, "open", opened.append)
    done = find("search", "<b>a cat</b>", "--open")
    path = Path(opened[0].removeprefix("file://"))
    html = path.read_text()
    path.unlink()
    assert done.err == f"e5v: wrote {path}\n"
    assert html.count("data:image/webp;base64,") == 4
    assert "&lt;b&gt;a cat&lt;/b&gt;" in html
    assert files("e5v").joinpath("assets/page/tokens.css").read_text("utf-8") in html  # one look
    assert "<b>a cat" not in html
    assert "http" not in re.sub(r'href="file:[^"]*"', "", html)
    assert "Nothing was found" in render_search_page(SearchPage("none", []))


def test_markdown_is_saved_as_text() -> None:
    """Catches a saved page that shows marks which the served page does not."""
    assert to_plain_text(NOTE, "/walk.md") == PLAIN
    assert to_plain_text("# 1\n", "/walk.txt") == "# 1"


def test_control_characters_do_not_reach_the_terminal(
    monkeypatch: pytest.MonkeyPatch, find: Run
) -> None:
    """Catches a file name or caption that commands the terminal."""
    from e5v.search.entries import Entry, Hit

    entry = Entry("i", "/a\x1b[2J.png", "image", 0, 1, 1, "d", "x\x1b]0;y\a", b"", 1, 1)
    assert module._place(Hit(entry, 1.0)) == "'/a\\x1b[2J.png'"
    assert module._caption(Hit(entry, 1.0)) == "x?]0;y?"
