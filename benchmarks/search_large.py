"""Searching and following a large index: time, and memory by kind.

    python -m benchmarks.search_large [--rows 200000 1000000 10000000] [--folder DIR]

a made-up index (made_index.py) -> opened and searched | brought up to date, nothing having changed
    -> in a process each: seconds, anonymous memory at most, and beside it that of mapped files
    -> results/search-large.json and a table

Times are for comparing within a run: `exact` and LanceDB's `IvfRq` are asked in one process, in
turn. From half a million rows `Index.search` itself asks IvfRq, and looks up what it finds.
"""

import os
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import version
from itertools import accumulate
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import numpy as np
import tyro
from numpy.typing import NDArray
from rich.table import Table

from benchmarks.fresh import fresh
from benchmarks.machine import describe_machine, describe_versions
from benchmarks.made_index import MadeIndex, make_index, make_photos
from benchmarks.memory import Memory, watching
from benchmarks.result import publish, say
from benchmarks.worlds import WORLDS, Drawer
from e5v.search.entries import Hit
from e5v.search.index import Index
from e5v.search.nearest import cosines
from e5v.search.snapshot import Snapshot
from e5v.search.stored_vectors import Vectors
from e5v.search.sync import FolderSync
from e5v.search.writer import writing

K = 10
PIECE = 2**16  # rows compared at once
MIB = 2**20
NOTES = (
    "vectors are made up, clustered as a language model's are; photos are empty files",
    "anonymous memory is what a process itself holds; pages of mapped files are counted beside it, "
    "and a system takes them back when it needs them",
    "at_start is a process with torch and LanceDB imported, before it opens the index",
    "recall is against every cosine in float32 of the same float16 rows",
    "ratios are of medians within one process; rough with other work on the machine (load_average)",
)


@dataclass(frozen=True)
class Settings:
    """Measure large indexes on this machine's CPU.

    Args:
        rows: sizes of the indexes.
        dim: width of a vector.
        queries: how many are asked at each size.
        exact_queries: how many of them are also timed against every cosine.
        folder: where indexes and photos are made; a temporary folder by default.
        out: where the result is written, as JSON.

    """

    rows: tuple[int, ...] = (200_000, 1_000_000, 10_000_000)
    dim: int = 256
    queries: int = 100
    exact_queries: int = 3
    folder: Path | None = None
    out: Path = Path("benchmarks/results/search-large.json")


@dataclass(frozen=True)
class Searched:
    """Opening and searching: milliseconds, recall at K, and memory at most."""

    open_ms: float
    first_ms: float
    search_ms: float
    ivf_rq_ms: float
    exact_ms: float
    search_recall: float
    ivf_rq_recall: float
    opened: Memory
    memory: Memory


@dataclass(frozen=True)
class Followed:
    """An incremental run that finds nothing changed: seconds, unchanged files, and memory."""

    seconds: float
    unchanged: int
    memory: Memory


@dataclass(frozen=True)
class Measured:
    """One size; the ratios are those of medians."""

    rows: int
    dim: int
    search: Searched
    run: Followed
    search_to_exact: float
    search_to_ivf_rq: float
    bytes_per_row_open: float
    bytes_per_row_run: float
    mib_on_disk: float
    load_average: float = field(default_factory=lambda: os.getloadavg()[0])


@dataclass(frozen=True)
class SearchJob:
    """What to ask an index."""

    folder: Path
    queries: NDArray[np.float32]
    exact_queries: int


def measure_search(job: SearchJob) -> Searched:
    """Open an index and ask it; the other ways to ask are not counted as its memory."""
    import torch  # noqa: F401  which is there already where a model made the query

    with watching() as memory:
        with watching() as opened:
            begun = time.perf_counter()
            index = Index.open(job.folder)
            open_ms = 1_000 * (time.perf_counter() - begun)
        hits: list[list[Hit]] = []
        first_ms, *_ = [_timed(lambda q: hits.append(index.search(q, k=K)), q) for q in job.queries]
    seen = Snapshot.take(job.folder)
    if not seen.table.indexed:
        seen.table.make_index()
    near: list[list[int]] = []
    times: dict[str, list[float]] = {"search": [], "ivf_rq": [], "exact": []}
    places = np.arange(len(index))
    for number, query in enumerate(job.queries):
        times["search"].append(_timed(lambda q: index.search(q, k=K), query))
        times["ivf_rq"].append(_timed(lambda q: near.append(_near(seen, q)), query))
        if number < job.exact_queries:
            exact = partial(cosines, seen.collection.vectors, places)
            times["exact"].append(_timed(exact, query))
    best = find_best(seen.collection.vectors, job.queries)
    medians = {name: float(np.median(some)) for name, some in times.items()}
    return Searched(
        open_ms=open_ms,
        first_ms=first_ms,
        search_ms=medians["search"],
        ivf_rq_ms=medians["ivf_rq"],
        exact_ms=medians["exact"],
        search_recall=_recall([[int(hit.entry.id, 16) for hit in some] for some in hits], best),
        ivf_rq_recall=_recall(near, best),
        opened=opened,
        memory=memory,
    )


def _near(seen: Snapshot, query: NDArray[np.float32]) -> list[int]:
    numbers: list[int] = (seen.table.near(query, K, None).numbers - 1).tolist()
    return numbers


def _timed(act: Callable[[NDArray[np.float32]], object], query: NDArray[np.float32]) -> float:
    """Return the milliseconds of a call."""
    begun = time.perf_counter()
    act(query)
    return 1_000 * (time.perf_counter() - begun)


def find_best(vectors: Vectors, queries: NDArray[np.float32]) -> NDArray[np.int64]:
    """Return the places of the K nearest of each query (n, K), by every cosine."""
    scores = np.full((len(queries), K), -np.inf, np.float32)
    best = np.full((len(queries), K), -1)
    for start in range(0, len(vectors), PIECE):
        places = np.arange(start, min(start + PIECE, len(vectors)))
        piece = queries @ vectors.take(places).astype(np.float32).T
        both = np.concatenate([scores, piece], axis=1)
        every = np.concatenate([best, np.broadcast_to(places, piece.shape)], axis=1)
        chosen = np.argpartition(-both, K - 1, axis=1)[:, :K]
        scores, best = (np.take_along_axis(one, chosen, axis=1) for one in (both, every))
    return best


def _recall(found: Sequence[Sequence[int]], best: NDArray[np.int64]) -> float:
    """Return the share of the nearest that were found; numbers are places."""
    pairs = zip(found, best.tolist(), strict=True)
    return sum(len(set(some) & set(row)) for some, row in pairs) / best.size


def measure_run(made: MadeIndex) -> Followed:
    """Bring an index up to date, as `e5v index` does, where nothing has changed."""

    def refuse() -> Any:
        raise AssertionError("there is nothing to embed")

    with watching() as memory:
        begun = time.perf_counter()
        with writing(made.folder, refuse) as writer:
            sync = FolderSync(writer, refuse)
            *_, done = sync.follow([str(made.photos)])
            writer.tidy()
        seconds = time.perf_counter() - begun
    assert not done.changed
    return Followed(seconds, done.unchanged, memory)


def measure_size(rows: int, folder: Path, settings: Settings) -> Measured:
    """Make an index, measure it, and remove it."""
    made = MadeIndex(folder / f"index-{rows}", folder / "photos", rows)
    drawer = Drawer(WORLDS[0], settings.dim)
    say(f"making an index of {rows:,} rows")
    make_photos(made.photos, rows)
    make_index(made, drawer)
    size = sum(path.stat().st_size for path in made.folder.rglob("*") if path.is_file())
    say("a run that finds nothing changed")
    run = fresh(measure_run, made)
    assert run.unchanged == rows
    say("searching")
    queries = drawer.queries(settings.queries)
    searched = fresh(measure_search, SearchJob(made.folder, queries, settings.exact_queries))
    shutil.rmtree(made.folder)
    opened = searched.opened
    return Measured(
        rows=rows,
        dim=settings.dim,
        search=searched,
        run=run,
        search_to_exact=searched.search_ms / searched.exact_ms,
        search_to_ivf_rq=searched.search_ms / searched.ivf_rq_ms,
        bytes_per_row_open=(opened.anonymous - opened.at_start) * MIB / rows,
        bytes_per_row_run=(run.memory.anonymous - run.memory.at_start) * MIB / rows,
        mib_on_disk=size / MIB,
    )


def measure(settings: Settings) -> Iterator[Measured]:
    """Measure every size, in a folder that is removed in the end."""
    folder = Path(mkdtemp(prefix="e5v-benchmark-", dir=settings.folder))
    try:
        for rows in settings.rows:
            yield measure_size(rows, folder, settings)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def report(settings: Settings, found: Sequence[Measured]) -> dict[str, Any]:
    """Return the result as it is written down."""
    return {
        "what": "opening, searching and following a large index: time, and memory by kind in MiB",
        "when": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": asdict(describe_machine()),
        "versions": describe_versions() | {"lancedb": version("lancedb")},
        "settings": {"queries": settings.queries, "k": K},
        "notes": list(NOTES),
        "measured": [asdict(one) for one in found],
    }


def table(found: Sequence[Measured]) -> Table:
    """Draw what was measured."""
    recalls, memory = ("recall@10", "IvfRq's"), ("MiB to search", "MiB of a run")
    drawn = Table("rows", "open", "search", "of exact", "of IvfRq", *recalls, *memory, "run")
    for one in found:
        drawn.add_row(
            f"{one.rows:,}",
            f"{one.search.open_ms:.0f} ms",
            f"{one.search.search_ms:.1f} ms",
            f"{one.search_to_exact:.4f}",
            f"{one.search_to_ivf_rq:.2f}",
            f"{one.search.search_recall:.3f}",
            f"{one.search.ivf_rq_recall:.3f}",
            f"{one.search.memory.anonymous:.0f}",
            f"{one.run.memory.anonymous:.0f}",
            f"{one.run.seconds:.1f} s",
        )
    return drawn


def main() -> None:
    """Measure, write the result down after every size, and draw it."""
    settings = tyro.cli(Settings)
    publish(
        accumulate([one] for one in measure(settings)),
        settings.out,
        partial(report, settings),
        lambda found, console: console.print(table(found)),
    )


if __name__ == "__main__":
    main()
