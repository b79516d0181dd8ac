"""What a verb tells: results on stdout, all else on stderr."""

import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID


def say(message: object) -> None:
    """Write one line on stderr, whatever the message holds."""
    sys.stderr.write(f"e5v: {' '.join(str(message).splitlines())}\n")


def show_line(result: Mapping[str, Any]) -> None:
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


@contextmanager
def bar(total: int | None, *, shown: bool) -> Iterator[Bar]:
    """Draw a bar while the block runs, if `shown` and stderr is a terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn()
    console = Console(stderr=True)
    disable = not (shown and sys.stderr.isatty())
    drawn = Progress(
        *columns, TimeElapsedColumn(), console=console, transient=True, disable=disable
    )
    with drawn as progress:
        yield Bar(progress, progress.add_task("", total=total))
