"""What an index takes on disk beside its vectors, at every stage, and what reading them costs.

    python -m benchmarks.index_size [--rows 20000] [--dim 4096]

made-up vectors (worlds.py) -> an index in commits | optimised | after removals -> bytes by kind
the same vectors in four layouts -> bytes, and milliseconds to read candidates of a search

The four layouts: as until format 2 (a table with the vectors, and a copy of them in a file); a
table without them, beside a file; the table alone, read row by row through LanceDB; the table
alone, its data files mapped. The last is what the index does, and its size is measured; those of
the others are computed from it. `numbers` are 2 bytes a value. The entries have no thumbnails: one
of 4 KB takes as much as a vector of 2,048 values, and is copied with it when fragments are joined.
"""

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import version
from itertools import accumulate
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event, Thread
from typing import Any

import numpy as np
import tyro
from numpy.typing import NDArray
from rich.table import Table

from benchmarks.machine import describe_machine, describe_versions
from benchmarks.result import publish, say
from benchmarks.worlds import WORLDS, Drawer, record
from e5v.search.manifest import Manifest
from e5v.search.snapshot import Snapshot
from e5v.search.table_rows import Record
from e5v.search.writer import Writer, writing

COMMIT = 1_000  # rows
FIRST = 4_000  # rows that are not watched: a commit of 1,000 being written is much beside them
CANDIDATES = 2_000  # vectors that a search compares exactly, at most
READS = 30
MIB = 2**20
LAYOUTS = {  # what is on disk of the vectors, in copies: in the table, and in a file beside it
    "table and a copy in a file": (1, 1),
    "file beside a table without vectors": (0, 1),
    "table, read through LanceDB": (1, 0),
    "table, mapped": (1, 0),
}


@dataclass(frozen=True)
class Settings:
    """Measure what an index takes on disk.

    Args:
        rows: entries of the index.
        dim: width of a vector.
        folder: where the index is made; a temporary folder by default.
        out: where the result is written, as JSON.

    """

    rows: int = 20_000
    dim: int = 4_096
    folder: Path | None = None
    out: Path = Path("benchmarks/results/index-size.json")


@dataclass(frozen=True)
class Stage:
    """Sizes on disk in MiB, and as a multiple of the numbers.

    `largest_ratio` is the most at any moment until then, looked at every 10 ms from the fifth
    commit on.
    """

    stage: str
    rows: int
    numbers: float
    table_data: float
    table_other: float
    signs: float
    other: float
    ratio: float
    largest_ratio: float


@dataclass(frozen=True)
class Layout:
    """A layout: MiB of the vectors on disk, as a multiple of the numbers, and a read in ms."""

    layout: str
    mib: float
    ratio: float
    read_p50: float


def measure_stage(stage: str, folder: Path, rows: int, dim: int, largest: float) -> Stage:
    """Return the sizes of an index folder by kind of file."""
    sizes = dict.fromkeys(("table_data", "table_other", "signs", "other"), 0.0)
    for inner, _, names in os.walk(folder):
        for name in names:
            path = Path(inner, name)
            with suppress(FileNotFoundError):  # removed while we look
                sizes[_kind(path.relative_to(folder))] += path.stat().st_size / MIB
    numbers = 2 * rows * dim / MIB
    ratio = sum(sizes.values()) / numbers
    return Stage(stage, rows, numbers, **sizes, ratio=ratio, largest_ratio=max(ratio, largest))


def _kind(path: Path) -> str:
    if path.parts[0].startswith("signs-"):
        return "signs"
    if path.parts[0].endswith(".lance"):
        return "table_data" if path.parts[1] == "data" else "table_other"
    return "other"


def measure_index(settings: Settings, folder: Path) -> Iterator[Stage | Layout]:
    """Grow an index, and measure it after each stage."""
    drawer, dim = Drawer(WORLDS[0], settings.dim), settings.dim
    manifest = Manifest("made-up", "made-up", "float32", dim)
    with writing(folder, lambda: manifest) as writer, watching(writer, dim) as largest:
        for start in range(0, settings.rows, COMMIT):
            drawn = drawer.rows(min(COMMIT, settings.rows - start), seed=start)
            writer.commit([_record(start + place, row) for place, row in enumerate(drawn)], [])
        yield measure_stage("built, before optimise", folder, settings.rows, dim, largest())
        writer.optimize()
        optimised = measure_stage("optimised", folder, settings.rows, dim, largest())
        yield optimised
    yield from measure_layouts(folder, optimised, settings)
    with writing(folder, lambda: manifest) as writer, watching(writer, dim) as largest:
        removed = settings.rows // 5
        writer.commit([], range(1, removed + 1))
        rows = settings.rows - removed
        yield measure_stage("a fifth removed", folder, rows, dim, largest())
        writer.optimize()
        yield measure_stage("optimised again", folder, rows, dim, largest())


def _record(number: int, row: NDArray[np.float32]) -> Record:
    made = record(number, row)
    return replace(made, entry=replace(made.entry, thumbnail=b""))


@contextmanager
def watching(writer: Writer, dim: int) -> Iterator[Callable[[], float]]:
    """Look at an index all the time; give the most it took, as a multiple of the numbers."""
    ratios = [0.0]
    done = Event()

    def watch() -> None:
        while not done.wait(0.01):
            rows = len(writer)
            if rows > FIRST:
                ratios.append(measure_stage("", writer.folder, rows, dim, 0.0).ratio)

    thread = Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield lambda: max(ratios)
    finally:
        done.set()
        thread.join()


def measure_layouts(folder: Path, optimised: Stage, settings: Settings) -> Iterator[Layout]:
    """Read candidates at random places in each layout."""
    seen = Snapshot.take(folder)
    stored, addresses = seen.collection.vectors, seen.live.addresses
    beside = folder / "vectors.f16"
    np.asarray(stored.take(np.arange(len(stored)))).tofile(beside)
    file = np.memmap(beside, "<f2", "r", shape=(len(stored), settings.dim))
    reads: dict[str, Callable[[NDArray[np.int64]], object]] = {
        "table and a copy in a file": lambda places: file[places],
        "file beside a table without vectors": lambda places: file[places],
        "table, read through LanceDB": lambda places: seen.table.vectors(addresses[places]),
        "table, mapped": stored.take,
    }
    draw = np.random.default_rng(0)
    count = min(CANDIDATES, len(stored) // 2)
    wanted = [np.sort(draw.choice(len(stored), count, replace=False)) for _ in range(READS)]
    numbers, other = optimised.numbers, optimised.ratio - 1
    for layout, copies in LAYOUTS.items():
        ratio = sum(copies) + other
        yield Layout(layout, ratio * numbers, ratio, _median_ms(reads[layout], wanted))
    beside.unlink()


def _median_ms(
    read: Callable[[NDArray[np.int64]], object], wanted: Sequence[NDArray[np.int64]]
) -> float:
    seconds = []
    for places in wanted:
        begun = time.perf_counter()
        read(places)
        seconds.append(time.perf_counter() - begun)
    return 1_000 * float(np.median(seconds))


def measure(settings: Settings) -> Iterator[Stage | Layout]:
    """Measure in a folder that is removed in the end."""
    with TemporaryDirectory(
        prefix="e5v-benchmark-", dir=settings.folder, ignore_cleanup_errors=True
    ) as name:
        for found in measure_index(settings, Path(name)):
            say(f"{found.stage if isinstance(found, Stage) else found.layout}: {found.ratio:.2f}")
            yield found


def report(settings: Settings, found: Sequence[Stage | Layout]) -> dict[str, Any]:
    """Return the result as it is written down."""
    return {
        "what": "bytes of an index on disk, as a multiple of its numbers: 2 bytes a value",
        "when": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": asdict(describe_machine()),
        "versions": describe_versions() | {"lancedb": version("lancedb")},
        "settings": {"rows": settings.rows, "dim": settings.dim, "commit_rows": COMMIT},
        "candidates": CANDIDATES,
        "stages": [asdict(one) for one in found if isinstance(one, Stage)],
        "layouts": [asdict(one) for one in found if isinstance(one, Layout)],
    }


def draw_table(found: Sequence[Stage | Layout]) -> Table:
    """Draw what was measured."""
    drawn = Table("stage or layout", "MiB", "of the numbers", "at most", "read, ms")
    for one in found:
        if isinstance(one, Stage):
            mib = one.table_data + one.table_other + one.signs + one.other
            cells = one.stage, f"{mib:.0f}", f"{one.ratio:.2f}", f"{one.largest_ratio:.2f}", ""
        else:
            cells = one.layout, f"{one.mib:.0f}", f"{one.ratio:.2f}", "", f"{one.read_p50:.1f}"
        drawn.add_row(*cells)
    return drawn


def main() -> None:
    """Measure, write the result down after every stage, and draw it."""
    settings = tyro.cli(Settings)
    publish(
        accumulate([one] for one in measure(settings)),
        settings.out,
        partial(report, settings),
        lambda found, console: console.print(draw_table(found)),
    )


if __name__ == "__main__":
    main()
