"""The command line: `e5v encode | index | search | serve | train | ...`.

arguments -> one frozen dataclass per verb -> its function -> exit code

A verb's docstring is its help and ends with examples. Slow imports are inside functions, so that
help and usage errors are quick.
"""

import atexit
import gc
import io
import os
import signal
import sys
import traceback
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from importlib.metadata import version
from typing import Any

from e5v.errors import PromptError, UsageError
from e5v.model.bundled import PAPER
from e5v.model.malloc import keep_freed_memory
from e5v.verbs.completion import OPTION, print_completion
from e5v.verbs.console import say
from e5v.verbs.explaining import DEBUG, explain
from e5v.verbs.help import list_verbs
from e5v.verbs.lean_imports import import_less
from e5v.verbs.model_options import VARIABLE
from e5v.verbs.options import suggest
from e5v.verbs.usage import parse

Verb = Any  # the record of a verb: a frozen dataclass
# Each has a file of its own, with its record and its function: only that of the verb that runs is
# imported.
VERBS = (
    "encode",
    "index",
    "search",
    "serve",
    "export",
    "words",
    "models",
    "evaluate",
    "train",
    "mine",
    "merge",
    "push",
    "convert",
    "verify",
    "demo",
    "assemble",
    "data",
)
FAILED, MISUSED = 1, 2
INTERRUPTED, PIPE_CLOSED, TERMINATED = 130, 141, 143  # 128 + the signal, as shells count
DECOMPRESSION_BOMB = r"Image size \(\d+ pixels\) exceeds limit"  # Pillow's warning
HEAD = """usage: e5v VERB [OPTIONS] ...


Embed texts and images in one space, with a multimodal language model."""
FOOT = f"""e5v VERB --help          arguments, options and examples of a verb
e5v --version            the version
e5v --completion SHELL   print a completion script for bash or zsh
{VARIABLE} sets the default model (otherwise {PAPER}; a new index asks),
E5V_INDEX the default index.
Exit codes: 0 done, 1 failed, 2 wrong arguments, 130 interrupted."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a verb with its arguments (by default `sys.argv`) and return the exit code.

    Raises:
        SystemExit: help was asked for (0), or the arguments cannot be understood (2).
    """
    atexit.register(gc.freeze)  # else Python ends by going through all objects of torch: seconds
    if arguments is None:  # the process is of the command line alone
        arguments = sys.argv[1:]
        import_less(arguments)
    arguments = list(arguments)
    if arguments in (["--version"], ["-V"]):
        sys.stdout.write(f"e5v {version('e5v')}\n")
        return 0
    if arguments[:1] == [OPTION]:
        try:
            print_completion(arguments[1:], [*import_records().values()])
        except UsageError as error:
            say(error)
            return MISUSED
        return 0
    _check_verb(arguments)
    name, *rest = arguments
    try:
        verb = parse(import_record(name), name, rest)
    except UsageError as error:
        say(f"{error} (see e5v {name} --help)")
        raise SystemExit(MISUSED) from None
    with _process_settings():
        return _run_to_exit_code(verb)


def _check_verb(arguments: Sequence[str]) -> None:
    """Show the help if it is asked for, or if the first argument is not a verb.

    Raises:
        SystemExit: there is no verb to run.
    """
    first = arguments[0] if arguments else ""
    if first in {"-h", "--help", "help"}:
        sys.stdout.write(list_verbs(import_records(), head=HEAD, foot=FOOT))
        raise SystemExit(0)
    if not arguments:
        sys.stderr.write(list_verbs(import_records(), head=HEAD, foot=FOOT))
        raise SystemExit(MISUSED)
    if first.startswith("-"):
        say(f"{first} comes before the verb; expected e5v VERB {first} ... (see e5v --help)")
        raise SystemExit(MISUSED)
    if first not in VERBS:
        say(f"{first!r} is not a verb{suggest(first, VERBS)} (see e5v --help)")
        raise SystemExit(MISUSED)


def run(verb: Verb) -> bool:
    """Run a verb; return False if it reports a failure of its own, such as a failed check."""
    act = getattr(import_module(type(verb).__module__), type(verb).__name__.lower())
    return act(verb) is not False


def import_record(name: str) -> type[Any]:
    """Return the record of a verb, e5v.verbs.search.Search for "search"."""
    record: type[Any] = getattr(import_module(f"e5v.verbs.{name}"), name.capitalize())
    return record


def import_records() -> dict[str, type[Any]]:
    """Return the records of all verbs."""
    return {name: import_record(name) for name in VERBS}


def _run_to_exit_code(verb: Verb) -> int:
    """Run a verb and return its exit code; an error is one line on stderr."""
    try:
        well = run(verb)
        sys.stdout.flush()
    except KeyboardInterrupt:
        say("interrupted")
        return INTERRUPTED
    except BrokenPipeError:  # the reader closed the pipe; stops an error of Python's at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return PIPE_CLOSED
    except Exception as error:  # so that nobody sees a traceback
        if os.environ.get(DEBUG):
            traceback.print_exc()
        say(explain(error, type(verb)))
        return MISUSED if isinstance(error, UsageError | PromptError) else FAILED
    return 0 if well else FAILED


@contextmanager
def _process_settings() -> Iterator[None]:
    """Keep freed memory, show warnings in one line, print any file name, clean up at SIGTERM."""
    keep_freed_memory()
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # for file names that are not UTF-8
    before = signal.signal(signal.SIGTERM, lambda *_: sys.exit(TERMINATED))
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", DECOMPRESSION_BOMB)  # e5v has its own limit
            warnings.showwarning = lambda message, *_: say(f"warning: {message}")
            yield
    finally:
        signal.signal(signal.SIGTERM, before)


if __name__ == "__main__":
    sys.exit(main())
