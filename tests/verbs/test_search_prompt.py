"""`e5v search -i`: a prompt that answers line after line, whatever is typed."""

import os
import pty
import select
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from e5v import E5V
from e5v.cli import main
from e5v.verbs.model_options import Opening
from tests.verbs.answering import answering
from tests.verbs.done import PHOTOS, Done, Run, put_on_stdin

CAT = PHOTOS / "cat.jpg"
IMAGES = ("-k", "2", "--where", "kind = 'image'")


@pytest.fixture
def type_lines(index: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Type lines at the prompt of the index, without a terminal."""

    def typed(*lines: str, options: tuple[object, ...] = ()) -> Done:
        put_on_stdin(monkeypatch, "".join(f"{line}\n" for line in lines))
        return run("search", "-i", "--index", index, *options)

    return typed


def test_lines_are_the_searches_that_they_stand_for(
    type_lines: Any, run: Run, index: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches a query at the prompt that finds something else than the same arguments."""
    where = ("--index", index, "-k", 3)
    searches: list[tuple[str, tuple[object, ...]]] = [
        ("a rocket", ("a rocket",)),
        (f":image {CAT}", ("--image", CAT)),
        (f":image {CAT} as a rocket", ("as a rocket", "--image", CAT)),
        ("a cat", ("a cat",)),
        (":without a rocket", ("a cat", "--without", "a rocket")),
    ]
    opened: list[str] = []
    open_model = Opening.open

    def note(opening: Opening, name: str, **options: Any) -> E5V:
        opened.append(name)
        return open_model(opening, name, **options)

    monkeypatch.setattr(Opening, "open", note)
    done = type_lines(*(line for line, _ in searches), options=("-k", 3))
    assert len(opened) == 1
    assert (done.code, done.err) == (0, "")
    expected = [run("search", *arguments, *where).lines for _, arguments in searches]
    assert done.lines == [line for lines in expected for line in lines]


def test_more_like_a_result(type_lines: Any) -> None:
    """Catches `:like` that finds the entry itself, or counts from another place."""
    images = ("--where", "kind = 'image'")
    done = type_lines("a cat", ":like 2", ":like 1 in the snow", options=images)
    ids = [line["id"] for line in done.lines]
    first, second, third = ids[:4], ids[4:7], ids[7:]
    assert set(second) == set(first) - {first[1]}
    assert set(third) == set(first) - {second[0]}


MISTAKES = {
    ":lik 3": ":lik is not a command; did you mean like? (see :help)",
    ":like 99": "the number of a result is 99; expected 1 to 5",
    ":like": "the number of a result is missing; expected 1 to 5",
    ":like -1": "the number of a result is -1",
    ":image nope.jpg": ":image nope.jpg does not exist",
    ":image": "the name of an image is missing",
    f":image {__file__}": "the query cannot be embedded",
    ":without": "what to leave out is missing",
    ":without a cat": "what to search for and what to avoid are the same",
    "https://example.org/cat.jpg": "is a URL, which is not supported",
}


def test_bad_input_is_one_line_and_the_prompt_stays(type_lines: Any) -> None:
    """Catches a mistake that ends the prompt, shows a traceback, or passes unseen."""
    done = type_lines("a cat", *MISTAKES, "", "a cat", ":quit", "a dog")
    assert done.code == 0
    for said, message in zip(done.err.splitlines(), MISTAKES.values(), strict=True):
        assert message in said
    assert len(done.lines) == 10


def test_before_the_first_search(type_lines: Any) -> None:
    """Catches a number or a repetition that has nothing to refer to, and a help that is not."""
    done = type_lines(":like 1", ":without snow", ":help")
    said = done.err.splitlines()
    assert "there are no results yet" in said[0]
    assert "there is no search yet to repeat" in said[1]
    assert ":like 3 [WORDS]" in done.err
    assert done.code == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-i", "--duplicates"], "leave out --duplicates"),
        (["-i", "a", "--open"], "leave out --open"),
        (["-i", "--without", "snow"], "give TEXT or --image FILE"),
    ],
)
def test_misuse(capsys: pytest.CaptureFixture[str], arguments: list[str], message: str) -> None:
    """Catches options that the prompt silently ignores."""
    with pytest.raises(SystemExit) as end:
        main(["search", *arguments])
    assert end.value.code == 2
    assert message in capsys.readouterr().err


PROGRAM = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # in the background, shells ignore it
from e5v.cli import main
sys.exit(main())
"""


@pytest.fixture
def terminal(index: Path, model: E5V, tmp_path: Path) -> Iterator[tuple[int, Any]]:
    """Give the other end of a terminal with a prompt in it, and its process."""
    with answering(index, model):
        ours, theirs = pty.openpty()
        environment = os.environ | {
            "XDG_STATE_HOME": str(tmp_path),
            "KITTY_WINDOW_ID": "1",
            "TERM": "xterm-kitty",
        }
        environment.pop("TMUX", None)
        process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, "search", "-i", "--index", str(index), *IMAGES],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            env=environment,
            start_new_session=True,
        )
        os.close(theirs)
        yield ours, process
        process.kill()
        process.wait()
        os.close(ours)


def read_until(descriptor: int, wanted: str) -> str:
    """Read what a terminal shows until some text is there."""
    shown, deadline = "", time.monotonic() + 60
    while wanted not in shown:
        assert time.monotonic() < deadline, shown
        if select.select([descriptor], [], [], 0.1)[0]:
            shown += os.read(descriptor, 65536).decode(errors="replace")
    return shown


@pytest.mark.slow
def test_in_a_terminal(terminal: tuple[int, Any], tmp_path: Path) -> None:
    """Catches a prompt without pictures or history, that Ctrl-C ends, or that Ctrl-D does not."""
    ours, process = terminal
    read_until(ours, "search> ")
    os.write(ours, b"a cat\n")
    shown = read_until(ours, "search> ")
    assert shown.count("a=T,f=100") == 2
    assert "\x1b[1m" in shown  # the score
    os.write(ours, b"half typed")
    read_until(ours, "half typed")
    os.kill(process.pid, 2)
    read_until(ours, "search> ")
    os.write(ours, b"\x1b[A\n")  # the line before, from the history
    assert read_until(ours, "search> ").count("a=T,f=100") == 2
    os.write(ours, b"\x04")
    assert process.wait(30) == 0
    history = tmp_path / "e5v" / "search_history"
    assert history.read_text().splitlines() == ["a cat"]
    assert history.stat().st_mode & 0o77 == 0
