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
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from typing import Any

from e5v.errors import E5VError, ItemError, PromptError, UsageError, first_line
from e5v.model.bundled import PAPER
from e5v.model.malloc import keep_freed_memory
from e5v.verbs.assemble import Assemble, assemble
from e5v.verbs.completion import OPTION, print_completion
from e5v.verbs.console import say
from e5v.verbs.convert import Convert, convert
from e5v.verbs.data import Data, data
from e5v.verbs.demo import Demo, demo
from e5v.verbs.encode import Encode, encode
from e5v.verbs.evaluate import Evaluate, evaluate
from e5v.verbs.export import Export, export
from e5v.verbs.help import list_verbs
from e5v.verbs.index import Index, index
from e5v.verbs.merge import Merge, merge
from e5v.verbs.mine import Mine, mine
from e5v.verbs.model_options import VARIABLE
from e5v.verbs.models import Models, models
from e5v.verbs.options import name_option, options_of, suggest
from e5v.verbs.push import Push, push
from e5v.verbs.search import Search, search
from e5v.verbs.serve import Serve, serve
from e5v.verbs.train import Train, train
from e5v.verbs.usage import parse
from e5v.verbs.verify import Verify, verify
from e5v.verbs.words import Words, words

Verb = (
    Encode
    | Index
    | Search
    | Serve
    | Export
    | Words
    | Models
    | Evaluate
    | Train
    | Mine
    | Merge
    | Push
    | Convert
    | Verify
    | Demo
    | Assemble
    | Data
)
ACTS: dict[type[Any], Callable[[Any], bool | None]] = {
    Encode: encode,
    Index: index,
    Search: search,
    Serve: serve,
    Export: export,
    Words: words,
    Models: models,
    Evaluate: evaluate,
    Train: train,
    Mine: mine,
    Merge: merge,
    Push: push,
    Convert: convert,
    Verify: verify,
    Demo: demo,
    Assemble: assemble,
    Data: data,
}
VERBS: dict[str, type[Any]] = {record.__name__.lower(): record for record in ACTS}
FAILED, MISUSED = 1, 2
INTERRUPTED, PIPE_CLOSED, TERMINATED = 130, 141, 143  # 128 + the signal, as shells count
DEBUG = "E5V_DEBUG"
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
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    if arguments in (["--version"], ["-V"]):
        sys.stdout.write(f"e5v {version('e5v')}\n")
        return 0
    if arguments[:1] == [OPTION]:
        try:
            print_completion(arguments[1:], list(ACTS))
        except UsageError as error:
            say(error)
            return MISUSED
        return 0
    _check_verb(arguments)
    name, *rest = arguments
    try:
        verb = parse(VERBS[name], name, rest)
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
        sys.stdout.write(list_verbs(VERBS, head=HEAD, foot=FOOT))
        raise SystemExit(0)
    if not arguments:
        sys.stderr.write(list_verbs(VERBS, head=HEAD, foot=FOOT))
        raise SystemExit(MISUSED)
    if first.startswith("-"):
        say(f"{first} comes before the verb; expected e5v VERB {first} ... (see e5v --help)")
        raise SystemExit(MISUSED)
    if first not in VERBS:
        say(f"{first!r} is not a verb{suggest(first, list(VERBS))} (see e5v --help)")
        raise SystemExit(MISUSED)


def run(verb: Verb) -> bool:
    """Run a verb; return False if it reports a failure of its own, such as a failed check."""
    return ACTS[type(verb)](verb) is not False


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
        say(_explain(error, verb))
        return MISUSED if isinstance(error, UsageError | PromptError) else FAILED
    return 0 if well else FAILED


def _explain(error: Exception, verb: Verb) -> str:
    """Return the error message of a verb, with the option that would help."""
    options = options_of(type(verb))
    if isinstance(error, E5VError):
        argument = "skip_errors" if isinstance(error, ItemError) else error.argument
        return f"{error}{name_option(argument, options)}"
    if isinstance(error, OSError):
        return f"{error.filename}: {error.strerror}" if error.filename else first_line(error)
    if type(error).__name__ == "OutOfMemoryError":  # torch's, which is slow to import
        lower = "try a lower --batch-tokens, " if name_option("batch_tokens", options) else "try "
        return f"the GPU's memory is full; {lower}another --dtype or --device cpu"
    if isinstance(error, MemoryError):
        return "the memory of this machine is full; try a smaller model"
    return (
        f"unexpected {type(error).__name__}: {first_line(error)}; this is a bug in e5v, please "
        f"report it (set {DEBUG}=1 for the traceback)"
    )


@contextmanager
def _process_settings() -> Iterator[None]:
    """Keep freed memory, show warnings in one line, print any file name, clean up at SIGTERM."""
    from PIL.Image import DecompressionBombWarning

    keep_freed_memory()
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # for file names that are not UTF-8
    before = signal.signal(signal.SIGTERM, lambda *_: sys.exit(TERMINATED))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DecompressionBombWarning)  # e5v has its own limit
            warnings.showwarning = lambda message, *_: say(f"warning: {message}")
            yield
    finally:
        signal.signal(signal.SIGTERM, before)


if __name__ == "__main__":
    sys.exit(main())
