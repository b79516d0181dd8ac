"""The command line: `e5v encode | index | search | serve | train | ...`.

arguments -> one frozen dataclass per verb -> its act -> exit code

A verb's docstring is its help and ends with a real example. What is slow to import is imported
where it is used, so that `e5v --help` is quick.
"""

import os
import signal
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from typing import Any

import tyro

from e5v.errors import E5VError, UsageError
from e5v.verbs.completion import OPTION, print_completion
from e5v.verbs.convert import Convert, convert
from e5v.verbs.demo import Demo, demo
from e5v.verbs.encode import Encode, encode
from e5v.verbs.evaluate import Evaluate, evaluate
from e5v.verbs.index import Index, index
from e5v.verbs.merge import Merge, merge
from e5v.verbs.search import Search, search
from e5v.verbs.serve import Serve, serve
from e5v.verbs.talk import say
from e5v.verbs.train import Train, train
from e5v.verbs.verify import Verify, verify
from e5v.verbs.words import Words, words

Verb = Encode | Evaluate | Words | Train | Merge | Convert | Verify | Index | Search | Serve | Demo
ACTS: dict[type[Any], Callable[[Any], bool | None]] = {
    Encode: encode,
    Evaluate: evaluate,
    Words: words,
    Train: train,
    Merge: merge,
    Convert: convert,
    Verify: verify,
    Index: index,
    Search: search,
    Serve: serve,
    Demo: demo,
}
FAILED, MISUSED = 1, 2
INTERRUPTED, PIPE_CLOSED, TERMINATED = 130, 141, 143  # 128 + the signal, as shells count
ABOUT = """One unit vector for a text, an image, or both together, from a multimodal language model.

`e5v VERB --help` says more of a verb, `e5v --version` which version this is. `e5v --completion
bash` (or zsh) prints a script that completes verbs and options."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what the arguments say (by default the command line's) and return the exit code.

    Raises:
        SystemExit: help was asked for (0), or the arguments cannot be understood (2).
    """
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    if arguments == ["--version"]:
        sys.stdout.write(f"e5v {version('e5v')}\n")
        return 0
    if arguments[:1] == [OPTION]:
        try:
            print_completion(arguments[1:], list(ACTS))
        except UsageError as error:
            say(error)
            return MISUSED
        return 0
    parse: Any = tyro.cli  # mypy takes no union for a type
    verb = parse(
        Verb, prog="e5v", description=ABOUT, args=arguments, config=(tyro.conf.FlagCreatePairsOff,)
    )
    with _good_manners():
        return _told(verb)


def run(verb: Verb) -> bool:
    """Do what a verb says; tell whether all is well."""
    return ACTS[type(verb)](verb) is not False


def _told(verb: Verb) -> int:
    """Run a verb; whatever ends it is told in one line."""
    try:
        well = run(verb)
        sys.stdout.flush()
    except E5VError as error:
        say(error)
        return MISUSED if isinstance(error, UsageError) else FAILED
    except KeyboardInterrupt:
        say("interrupted")
        return INTERRUPTED
    except BrokenPipeError:  # the reader has had enough; Python would still complain on its way out
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return PIPE_CLOSED
    except OSError as error:
        say(f"{error.filename}: {error.strerror}" if error.filename else error)
        return FAILED
    except RuntimeError as error:
        if type(error).__name__ != "OutOfMemoryError":  # torch's, which is slow to import
            raise
        say("the GPU's memory is full; try a lower --batch-tokens, another --dtype or --device cpu")
        return FAILED
    return 0 if well else FAILED


@contextmanager
def _good_manners() -> Iterator[None]:
    """Tell warnings in one line, and leave nothing half-written when asked to end."""
    from PIL.Image import DecompressionBombWarning

    before = signal.signal(signal.SIGTERM, lambda *_: sys.exit(TERMINATED))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DecompressionBombWarning)  # our own limit stands
            warnings.showwarning = lambda message, *_: say(f"warning: {message}")
            yield
    finally:
        signal.signal(signal.SIGTERM, before)


if __name__ == "__main__":
    sys.exit(main())
