"""A result on its way out: written down after each round, drawn at the end; talk goes to stderr.

rounds -> report -> JSON -> after the last round: a table
"""

import json
import signal
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from e5v.files import write_file

if TYPE_CHECKING:
    from rich.console import Console

WIDTH = 140  # columns of a table where there is no terminal

Known = TypeVar("Known")


def say(line: str) -> None:
    """Tell how far the work is."""
    sys.stderr.write(f"{line}\n")


def write_down(out: Path, told: dict[str, Any]) -> None:
    """Write a report as JSON; the one before it stands until then."""
    out.parent.mkdir(parents=True, exist_ok=True)
    write_file(out, json.dumps(told, indent=2) + "\n")


def publish(
    rounds: Iterable[Known],
    out: Path,
    report: Callable[[Known], dict[str, Any]],
    show: Callable[[Known, "Console"], None],
) -> None:
    """Write down what is known after each round, and draw what is known after the last.

    A run that is killed ends as by Ctrl-C, so that what it wrote elsewhere is removed.
    """
    from rich.console import Console  # machines with a GPU need not have it

    signal.signal(signal.SIGTERM, signal.default_int_handler)
    for known in rounds:
        write_down(out, report(known))
    show(known, Console(width=max(WIDTH, Console().width)))
    say(f"wrote {out}")
