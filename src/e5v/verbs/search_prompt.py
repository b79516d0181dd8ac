"""`e5v search -i`: a prompt that stays open, with the index and the model behind it.

line -> words | :like 3 | :image FILE | :without red -> Asked -> hits, numbered
     -> :help, :quit; what is wrong is said in one line, and the prompt stays
"""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from e5v.errors import UsageError
from e5v.verbs.console import say
from e5v.verbs.finding import Asked, Finder, check_words
from e5v.verbs.options import suggest
from e5v.verbs.paths import need_image

if TYPE_CHECKING:
    from e5v.search.entries import Hit

PROMPT = "search> "
HISTORY_LINES = 1_000
COMMANDS = ("help", "image", "like", "quit", "without")
HELP = """\
a dog in the grass      search by words
:image FILE [WORDS]     search by an image; words say what should be different
:like 3 [WORDS]         search with the third result; words say what should be different
:without WORDS          repeat the last search, without what the words name
:help                   this list
:quit, or Ctrl-D        end; Ctrl-C clears the line
"""


class SearchPrompt:
    """A prompt over one index.

    `usual` has the options of every query, `show` shows the hits of one, and `explain` says in one
    line what is wrong.
    """

    def __init__(
        self,
        finder: Finder,
        usual: Asked,
        *,
        show: "Callable[[Asked, list[Hit]], None]",
        explain: Callable[[Exception], str],
    ) -> None:
        self._finder, self._usual = finder, usual
        self._show, self._explain = show, explain
        self._last: Asked | None = None
        self._hits: list[Hit] = []

    def run(self) -> None:
        """Answer lines until the last, or until the user ends it.

        Raises:
            BrokenPipeError: nobody reads the output any more.
            KeyboardInterrupt: while a model is opened, which cannot be stopped halfway.
        """
        self._finder.prepare()
        with _history():
            while (line := self._read()) is not None and self._answer(line.strip()):
                pass

    def ask(self, asked: Asked) -> None:
        """Search, and show the hits.

        Raises:
            E5VError: the query cannot be answered.
        """
        hits = self._finder.find(asked)
        self._last, self._hits = asked, hits
        self._show(asked, hits)

    def _read(self) -> str | None:
        """Return a line; None at the end. Ctrl-C clears what is typed."""
        try:
            if not sys.stdin.isatty():
                return sys.stdin.readline() or None
            if sys.stdout.isatty():
                return input(PROMPT)
            sys.stderr.write(PROMPT)  # stdout is read by a program
            sys.stderr.flush()
            return input()
        except EOFError:
            sys.stderr.write("\n")
            return None
        except KeyboardInterrupt:
            sys.stderr.write("\n")
            return ""

    def _answer(self, line: str) -> bool:
        """Do what a line says; return whether the prompt stays."""
        try:
            if line in {":quit", ":q"}:
                return False
            if asked := self._read_query(line):
                self.ask(asked)
        except BrokenPipeError:
            raise
        except KeyboardInterrupt:
            if self._finder.is_opening:  # a library may be half imported
                raise
            say("interrupted")
        except Exception as error:  # whatever it is, the next line may do
            say(self._explain(error))
        return True

    def _read_query(self, line: str) -> Asked | None:
        """Return the query of a line; None if it is none.

        Raises:
            UsageError: the line cannot be understood.
        """
        if not line.startswith(":"):
            check_words(line)
            return replace(self._usual, text=line) if line else None
        name, _, rest = line[1:].partition(" ")
        rest = rest.strip()
        match name:
            case "help" | "h":
                sys.stderr.write(HELP)
                return None
            case "like":
                return self._read_like(rest)
            case "image":
                return self._read_image(rest)
            case "without":
                return self._read_without(rest)
        raise UsageError(f":{name} is not a command{suggest(name, COMMANDS)} (see :help)")

    def _read_like(self, rest: str) -> Asked:
        number, _, words = rest.partition(" ")
        if not self._hits:
            raise UsageError("there are no results yet; search by words first")
        if not number.isdecimal() or not 1 <= int(number) <= len(self._hits):
            last = len(self._hits)
            got = number[:40] or "missing"
            raise UsageError(f"the number of a result is {got}; expected 1 to {last}")
        like = self._hits[int(number) - 1].entry.id
        return replace(self._usual, like=like, text=words.strip() or None)

    def _read_image(self, rest: str) -> Asked:
        """Read a path, in quotes if it has spaces and words follow."""
        name, words = rest, ""
        if rest[:1] in {"'", '"'}:
            name, _, words = rest[1:].partition(rest[0])
        elif not Path(rest).expanduser().exists():
            name, _, words = rest.partition(" ")
        if not name:
            raise UsageError("the name of an image is missing; expected :image FILE")
        image = Path(name).expanduser()
        need_image(image, ":image")
        return replace(self._usual, image=image, text=words.strip() or None)

    def _read_without(self, rest: str) -> Asked:
        if self._last is None:
            raise UsageError("there is no search yet to repeat; search by words first")
        if not rest:
            raise UsageError("what to leave out is missing; expected :without WORDS")
        check_words(rest)
        return replace(self._last, without=rest)


@contextmanager
def _history() -> Iterator[None]:
    """Keep the lines that are typed, for this user alone, where the terminal can recall them."""
    try:
        import readline
    except ImportError:  # Windows
        yield
        return
    if not sys.stdin.isatty():
        yield
        return
    from platformdirs import user_state_path

    path = user_state_path("e5v", appauthor=False) / "search_history"
    with suppress(OSError):
        readline.read_history_file(path)
    readline.set_history_length(HISTORY_LINES)
    try:
        yield
    finally:
        with suppress(OSError):
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600))
            readline.write_history_file(path)
