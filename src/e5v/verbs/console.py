"""What a verb prints: results on stdout, everything else on stderr."""

import json
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from shutil import which
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import Progress, ProgressColumn, Task, TaskID
    from rich.text import Text

FAULTS_SHOWN = 10


def say(message: object) -> None:
    """Write one line on stderr, whatever the message holds."""
    sys.stderr.write(f"e5v: {' '.join(str(message).splitlines())}\n")


def say_unusable(counted: str, faults: Sequence[object]) -> None:
    """Warn of what cannot be used, "3 rows", and name the first ten faults, if there are any."""
    if faults:
        more = "; ..." if len(faults) > FAULTS_SHOWN else ""
        shown = "; ".join(map(str, faults[:FAULTS_SHOWN]))
        say(f"warning: {counted} cannot be used: {shown}{more}")


def find_command() -> str:
    """Return how this shell calls e5v: by its path, if its environment is not active."""
    script = Path(sys.executable).with_name("e5v")
    return "e5v" if which("e5v") or not script.exists() else os.path.relpath(script)


def announce(doing: str) -> None:
    """Say on a terminal what takes a moment and begins now; elsewhere stay quiet."""
    if sys.stderr.isatty():
        say(f"{doing} ...")
        sys.stderr.flush()


def can_ask() -> bool:
    """Tell whether there is a person who sees a question and can answer it."""
    return sys.stdin is not None and sys.stdin.isatty() and sys.stderr.isatty()


def ask(question: str) -> bool:
    """Ask on stderr; return whether the answer on stdin is yes, or left empty."""
    sys.stderr.write(f"e5v: {question} [Y/n] ")
    sys.stderr.flush()
    line = sys.stdin.readline()
    return bool(line) and line.strip().lower() in {"", "y", "yes"}


def show_line(result: Mapping[str, object]) -> None:
    """Write one result as a JSON line on stdout, at once."""
    sys.stdout.write(json.dumps(dict(result)) + "\n")
    sys.stdout.flush()


def wants_lines(*, json: bool) -> bool:
    """Tell whether results are for a program: asked for, or piped."""
    return json or not sys.stdout.isatty()


@dataclass(frozen=True)
class Bar:
    """A bar on stderr."""

    progress: "Progress"
    task: "TaskID"

    def name(self, doing: str) -> None:
        """Say what is being done now."""
        self.progress.update(self.task, description=doing)

    def step(self, count: int = 1) -> None:
        """Count an item, or some."""
        self.progress.advance(self.task, count)

    def begin(self, doing: str, total: int) -> None:
        """Go over to what is counted and timed anew."""
        self.progress.reset(self.task, description=doing, total=total)

    def reach(self, done: int, total: int | None = None) -> None:
        """Say how many items are done, and of how many if that has changed."""
        self.progress.update(self.task, completed=done, total=total)


@contextmanager
def bar(total: int | None, *, shown: bool, paced: bool = False) -> Iterator[Bar]:
    """Draw a bar while the block runs, if `shown` and stderr is a terminal.

    Beside it stands the time gone by or, if `paced`, rate and time left.
    """
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    with Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        _make_pace_column() if paced else TimeElapsedColumn(),
        console=Console(stderr=True),
        transient=True,
        disable=not (shown and sys.stderr.isatty()),
    ) as progress:
        yield Bar(progress, progress.add_task("", total=total))


def _make_pace_column() -> "ProgressColumn":
    from rich.progress import ProgressColumn
    from rich.text import Text

    class Pace(ProgressColumn):
        """Things per second since the start, and the time left at that: they come in bursts."""

        def render(self, task: "Task") -> "Text":
            return Text(pace(task.completed, task.total, task.elapsed or 0.0))

    return Pace()


def pace(done: float, total: float | None, seconds: float) -> str:
    """Say how many things a second were done, and how long the rest will take."""
    if not (done and total and seconds):
        return ""
    rate = done / seconds
    left = timedelta(seconds=round((total - done) / rate))
    return f"{rate:,.1f}/s, {left} left"
