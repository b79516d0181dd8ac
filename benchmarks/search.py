"""Searching an index on a CPU: how many of the nearest are found, and how long it takes.

    python -m benchmarks.search [--rows 25000 50000 100000 200000] [--folder DIR]

a world's vectors (worlds.py) -> an index that grows -> at each size: quick search | every cosine
    -> results/search-cpu.json and a table

Queries are drawn like the rows and are none of them; half are moved to one side, as texts lie
beside images. Times are of the whole of `Index.search`: query vector in, ten entries with captions
and thumbnails out. The indexes are removed in the end, and where a run is interrupted.
"""

import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import version
from itertools import accumulate
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import tyro
from numpy.typing import NDArray
from rich.table import Table

from benchmarks.machine import describe_machine, describe_versions
from benchmarks.memory import peak_mib
from benchmarks.result import publish, say
from benchmarks.worlds import WORLDS, Drawer, record
from e5v.search.entries import Hit
from e5v.search.index import Index
from e5v.search.manifest import Manifest
from e5v.search.nearest import cosines, nearest
from e5v.search.snapshot import Snapshot
from e5v.search.stored_vectors import Vectors
from e5v.search.writer import Writer, writing

K = 10
COMMIT = 1_000  # rows
PIECE = 2_048
NOTES = (
    "vectors are made up; clustered as a language model's are, the other worlds for contrast",
    "queries are drawn like rows and are none of them; half are shifted, as texts beside images",
    "recall is against every cosine in float32 of the same float16 rows",
    "exact is the cosine of every row, by the same code that settles the order of the nearest",
    "filtered lets three rows of four through",
    "the index grows: the sizes of the first world are one index",
)


@dataclass(frozen=True)
class Settings:
    """Measure search in a growing index on this machine's CPU.

    Args:
        rows: sizes at which the index of the first world is measured, ascending.
        other_rows: size of the indexes of the other worlds.
        dim: width of a vector.
        queries: how many are asked at each size.
        filtered_queries: how many of them are also asked with a filter.
        exact_queries: how many of them are also timed against every cosine.
        folder: where the indexes are made; a temporary folder by default.
        out: where the result is written, as JSON.

    """

    rows: tuple[int, ...] = (25_000, 50_000, 100_000, 200_000)
    other_rows: int = 50_000
    dim: int = 4_096
    queries: int = 200
    filtered_queries: int = 50
    exact_queries: int = 5
    folder: Path | None = None
    out: Path = Path("benchmarks/results/search-cpu.json")


@dataclass(frozen=True)
class Measured:
    """One size of one index; times in milliseconds, `first` that of the first search.

    `p50_cpu` is what the search itself computed, in all threads: on a machine that does other
    things, too (see `load_average`), times are longer than on one that does not, this hardly.
    """

    world: str
    rows: int
    dim: int
    recall: float
    p50: float
    p90: float
    p95: float
    quickest: float
    p50_cpu: float
    first: float
    filtered_p50: float
    ranking_p50: float
    exact_p50: float
    open_ms: float
    rows_per_second: float
    mib_on_disk: float
    nearest_cosine: float
    tenth_cosine: float
    median_cosine: float
    load_average: float


def grow(writer: Writer, drawer: Drawer, start: int, end: int) -> float:
    """Write rows, and return how many a second; drawing them is not counted."""
    seconds = 0.0
    for first in range(start, end, COMMIT):
        rows = drawer.rows(min(COMMIT, end - first), seed=first)
        records = [record(first + place, row) for place, row in enumerate(rows)]
        begun = time.perf_counter()
        writer.commit(records, [])
        seconds += time.perf_counter() - begun
    begun = time.perf_counter()
    writer.optimize()
    return (end - start) / (seconds + time.perf_counter() - begun)


def measure_index(folder: Path, drawer: Drawer, settings: Settings, speed: float) -> Measured:
    """Ask one index, as it stands."""
    begun = time.perf_counter()
    index = Index.open(folder)
    opened = 1_000 * (time.perf_counter() - begun)
    queries = drawer.queries(settings.queries)
    collection = Snapshot.take(folder).collection
    vectors = collection.vectors
    places = np.arange(len(index))

    def search(query: NDArray[np.float32]) -> list[Hit]:
        return index.search(query, k=K)

    hits: list[list[Hit]] = []
    times = _timed(lambda query: hits.append(search(query)), queries)
    some = queries[: settings.filtered_queries]
    filtered = _timed(lambda query: index.search(query, k=K, where="kind = 'image'"), some)
    ranking = _timed(lambda query: nearest(collection, places, query, K), queries)
    exact = _timed(lambda query: cosines(vectors, places, query), queries[: settings.exact_queries])
    scores = _every_cosine(vectors, queries)
    return Measured(
        world=drawer.world.name,
        rows=len(index),
        dim=settings.dim,
        recall=_recall(hits, scores),
        p50=float(np.median(times)),
        p90=float(np.quantile(times, 0.9)),
        p95=float(np.quantile(times, 0.95)),
        quickest=min(times),
        p50_cpu=float(np.median(_timed(search, queries, time.process_time))),
        first=times[0],
        filtered_p50=float(np.median(filtered)),
        ranking_p50=float(np.median(ranking)),
        exact_p50=float(np.median(exact)),
        open_ms=opened,
        rows_per_second=speed,
        mib_on_disk=sum(p.stat().st_size for p in folder.rglob("*") if p.is_file()) / 2**20,
        nearest_cosine=float(scores.max(axis=1).mean()),
        tenth_cosine=float(np.partition(scores, -K, axis=1)[:, -K].mean()),
        median_cosine=float(np.median(scores[:, :PIECE])),
        load_average=os.getloadavg()[0],
    )


def _timed(
    act: Callable[[NDArray[np.float32]], object],
    queries: NDArray[np.float32],
    clock: Callable[[], float] = time.perf_counter,
) -> list[float]:
    """Return the milliseconds of each call."""
    times = []
    for query in queries:
        begun = clock()
        act(query)
        times.append(1_000 * (clock() - begun))
    return times


def _every_cosine(vectors: Vectors, queries: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the cosine of every query with every row: (queries, rows)."""
    scores = np.empty((len(queries), len(vectors)), np.float32)
    for start in range(0, len(vectors), PIECE):
        places = np.arange(start, min(start + PIECE, len(vectors)))
        piece = vectors.take(places).astype(np.float32)
        scores[:, start : start + PIECE] = queries @ piece.T
    return scores


def _recall(hits: Sequence[Sequence[Hit]], scores: NDArray[np.float32]) -> float:
    """Return the share of the K nearest that were found; ids are numbers in hexadecimal."""
    found = 0
    for some, row in zip(hits, scores, strict=True):
        best = np.argpartition(-row, K)[:K]
        found += len({int(hit.entry.id, 16) for hit in some}.intersection(best.tolist()))
    return found / (K * len(scores))


def measure(settings: Settings) -> Iterator[Measured]:
    """Measure every size of every world, one index after the other."""
    import torch  # noqa: F401  which is there already where a model made the query

    for world in WORLDS:
        drawer = Drawer(world, settings.dim)
        sizes = settings.rows if world is WORLDS[0] else (settings.other_rows,)
        with TemporaryDirectory(
            prefix="e5v-benchmark-",
            dir=settings.folder,
            ignore_cleanup_errors=True,  # LanceDB may still write as an interrupted run ends
        ) as name:
            folder, before = Path(name), 0
            for size in sizes:
                say(f"{world.name}: writing {size - before:,} rows, then asking {size:,}")
                manifest = Manifest(f"made-up {world.name}", "made-up", "float32", settings.dim)
                with writing(folder, lambda manifest=manifest: manifest) as writer:  # type: ignore[misc]
                    speed = grow(writer, drawer, before, size)
                yield measure_index(folder, drawer, settings, speed)
                before = size


def report(settings: Settings, found: Sequence[Measured]) -> dict[str, Any]:
    """Return the result as it is written down."""
    kept = {"queries": settings.queries, "k": K, "commit_rows": COMMIT}
    return {
        "what": "searching an index; milliseconds of Index.search, vector in, ten entries out",
        "when": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": asdict(describe_machine()),
        "versions": describe_versions() | {"lancedb": version("lancedb")},
        "settings": kept,
        "notes": list(NOTES),
        "worlds": [asdict(world) for world in WORLDS],
        "measured": [asdict(one) for one in found],
        "peak_mib": peak_mib(),
    }


def table(found: Sequence[Measured]) -> Table:
    """Draw what was measured."""
    columns = "recall@10", "p50", "p90", "quickest", "CPU", "filtered", "every cosine"
    drawn = Table("vectors", "rows", *columns)
    for one in found:
        times = one.p50, one.p90, one.quickest, one.p50_cpu, one.filtered_p50, one.exact_p50
        drawn.add_row(
            one.world,
            f"{one.rows:,}",
            f"{one.recall:.3f}",
            *(f"{milliseconds:.1f} ms" for milliseconds in times),
        )
    return drawn


def main() -> None:
    """Measure, write the result down after every size, and draw it."""
    settings = tyro.cli(Settings)
    sizes = accumulate([one] for one in measure(settings))
    publish(
        sizes,
        settings.out,
        partial(report, settings),
        lambda found, console: console.print(table(found)),
    )


if __name__ == "__main__":
    main()
