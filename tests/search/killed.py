"""A writer that is killed: run as a program, it commits until it dies, and says what it committed.

    python -m tests.search.killed FOLDER|URL PLACE NTH

PLACE is a function of the writer's, named module.function or module.Class.function; at the NTH
call of it the process kills itself, before the call (PLACE) or after (PLACE+).
"""

import importlib
import os
import signal
import sys
from collections.abc import Callable
from typing import Any

from e5v.search.locating import open_folder
from e5v.search.writer import Writer, writing
from tests.search.made import make_manifest, records, vectors

ROWS, EACH = 120, 20


def arm(place: str, nth: int) -> None:
    """Set the trap."""
    *path, name = place.rstrip("+").split(".")
    owner: Any = importlib.import_module(f"e5v.search.{path[0]}")
    for inner in path[1:]:
        owner = getattr(owner, inner)
    act: Callable[..., Any] = getattr(owner, name)
    calls = iter(range(1, 1_000_000))

    def trapped(*arguments: Any, **options: Any) -> Any:
        last = next(calls) == nth
        if last and not place.endswith("+"):
            os.kill(os.getpid(), signal.SIGKILL)
        result = act(*arguments, **options)
        if last:
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    setattr(owner, name, trapped)


def run(writer: Writer) -> None:
    """Add rows, each commit replacing half of what the one before it wrote."""
    rows = vectors(ROWS)
    known = {one.id: one.number for one in writer.known()}
    for start in range(0, ROWS, EACH):
        first = max(0, start - EACH // 2)
        fresh = records(rows[first : start + EACH], first=first, version=start)
        replaced = [known[one.entry.id] for one in fresh if one.entry.id in known]
        numbers = writer.commit(fresh, replaced)
        known |= {one.entry.id: number for one, number in zip(fresh, numbers, strict=True)}
        sys.stdout.write(f"{start} {first} {start + EACH}\n")
        sys.stdout.flush()


def main(folder: str, place: str, nth: str) -> None:
    """Write until the trap shuts."""
    arm(place, int(nth))
    with writing(open_folder(folder), make_manifest) as writer:
        run(writer)


if __name__ == "__main__":
    main(*sys.argv[1:])
