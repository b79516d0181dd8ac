"""Searching an index on a CPU: how many of the nearest are found, and how long it takes.

    python -m benchmarks.search [--rows 25000 50000 100000 200000] [--folder DIR]

worlds of made-up vectors -> an index that grows -> at each size: quick search | every cosine
    -> results/search-cpu.json and a table

The quick search looks at signs first, and random directions are the wrong test of signs: in them
nothing has neighbours, so that the "nearest" are hardly nearer than the rest, and no few bits tell
them apart. Vectors of a language model lie in clusters, in far fewer dimensions than they have, all
to one side of the origin, some dimensions much wider than others. `clustered` is made so; `hard` is
without clusters; `isotropic` is the worst case. Queries are drawn like the rows and are none of
them; half are moved to one side, as texts lie beside images. Times are of the whole of
`Index.search`: query vector in, ten entries with captions and thumbnails out.
"""

import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import tyro
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from benchmarks.machine import describe_machine, describe_versions
from benchmarks.memory import peak_mib
from e5v.search.facts import Facts
from e5v.search.index import Entry, Hit, Index
from e5v.search.rank import cosines, nearest
from e5v.search.rows import Rows
from e5v.search.sources import Source
from e5v.search.writer import Record, Writer, writing
from e5v.vectors import unit

K = 10
COMMIT = 1_000  # rows
THUMBNAIL = 4_000  # bytes
SPREAD = 0.7  # of the logarithm of a dimension's width
WITHIN = 0.7  # how wide a cluster is, beside how far they lie apart
GAP = 0.4  # length of the shift of half of the queries
QUERIES = 2**40  # a seed that is no row's number
PIECE = 2_048


@dataclass(frozen=True)
class World:
    """How vectors lie: about `centres` points (0: about none) of a space of `rank` dimensions.

    `mean` is the length of what they share, `noise` of what is of each alone, in all dimensions.
    A rank of 0 is all dimensions alike: no structure at all.
    """

    name: str
    centres: int
    rank: int
    mean: float
    noise: float


WORLDS = (
    World("clustered", centres=2_000, rank=384, mean=0.8, noise=0.4),
    World("hard", centres=0, rank=384, mean=0.8, noise=0.4),
    World("isotropic", centres=0, rank=0, mean=0.0, noise=1.0),
)
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


class Drawer:
    """Draws vectors of a world."""

    def __init__(self, world: World, dim: int) -> None:
        fixed = np.random.default_rng(0)
        widths = np.exp(SPREAD * fixed.standard_normal(dim, np.float32))
        self.world, self.dim = world, dim
        self._mean, self._shift = unit(fixed.standard_normal((2, dim), np.float32) * widths)
        basis = fixed.standard_normal((world.rank, dim), np.float32) * widths
        basis *= (np.arange(1, world.rank + 1, dtype=np.float32) ** -0.5)[:, None]
        self._basis = basis / max(1e-9, float(np.linalg.norm(basis)))
        self._centres = fixed.standard_normal((world.centres, world.rank), np.float32)

    def rows(self, count: int, seed: int, *, moved: bool = False) -> NDArray[np.float32]:
        """Return unit rows (count, dim); `moved` shifts every second one."""
        draw = np.random.default_rng([1, seed])
        rows = draw.standard_normal((count, self.dim), np.float32)
        rows *= self.world.noise / self.dim**0.5
        if not self.world.rank:
            return unit(rows)
        inner = draw.standard_normal((count, self.world.rank), np.float32)
        if self.world.centres:
            inner *= WITHIN
            inner += self._centres[draw.integers(0, self.world.centres, count)]
        rows += inner @ self._basis + self.world.mean * self._mean
        if moved:
            rows[::2] += GAP * self._shift
        return unit(rows)


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
        records = [_record(first + place, row) for place, row in enumerate(rows)]
        begun = time.perf_counter()
        writer.commit(records, [])
        seconds += time.perf_counter() - begun
    begun = time.perf_counter()
    writer.optimize()
    return (end - start) / (seconds + time.perf_counter() - begun)


def _record(number: int, row: NDArray[np.float32]) -> Record:
    is_text = number % 4 == 0
    path = f"/made/up/photos/of/{number % 97}/{number:08d}.{'txt' if is_text else 'jpg'}"
    entry = Entry(
        id=f"{number:032x}",
        path=path,
        kind="text" if is_text else "image",
        part=int(is_text),
        size=3_000_000,
        mtime=number,
        digest=f"{number:032x}",
        text=f"a made-up caption of what is to be seen in photo {number}",
        thumbnail=b"" if is_text else np.random.default_rng(number).bytes(THUMBNAIL),
        width=0 if is_text else 4_000,
        height=0 if is_text else 3_000,
    )
    return Record(entry, Source(path, 3_000_000, number, 1), row)


def measure_index(folder: Path, drawer: Drawer, settings: Settings, speed: float) -> Measured:
    """Ask one index, as it stands."""
    begun = time.perf_counter()
    index = Index.open(folder)
    opened = 1_000 * (time.perf_counter() - begun)
    queries = drawer.rows(settings.queries, QUERIES, moved=True)
    rows = Rows.read(folder)
    assert rows is not None
    places = np.arange(len(index))

    def search(query: NDArray[np.float32]) -> list[Hit]:
        return index.search(query, k=K)

    hits: list[list[Hit]] = []
    times = _timed(lambda query: hits.append(search(query)), queries)
    some = queries[: settings.filtered_queries]
    filtered = _timed(lambda query: index.search(query, k=K, where="kind = 'image'"), some)
    ranking = _timed(lambda query: nearest(rows, places, query, K), queries)
    exact = _timed(lambda query: cosines(rows, places, query), queries[: settings.exact_queries])
    scores = _every_cosine(rows, queries)
    return Measured(
        world=drawer.world.name,
        rows=len(index),
        dim=settings.dim,
        recall=_recall(hits, scores),
        p50=float(np.median(times)),
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


def _every_cosine(rows: Rows, queries: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the cosine of every query with every row: (queries, rows)."""
    scores = np.empty((len(queries), len(rows.numbers)), np.float32)
    for start in range(0, len(rows.numbers), PIECE):
        piece = np.asarray(rows.vectors[start : start + PIECE], np.float32)
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
        with TemporaryDirectory(prefix="e5v-benchmark-", dir=settings.folder) as name:
            folder, before = Path(name), 0
            for size in sizes:
                _say(f"{world.name}: writing {size - before:,} rows, then asking {size:,}")
                facts = Facts(f"made-up {world.name}", "made-up", "float32", settings.dim)
                with writing(folder, lambda facts=facts: facts) as writer:  # type: ignore[misc]
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
    columns = "recall@10", "p50", "p95", "quickest", "CPU", "filtered", "every cosine"
    drawn = Table("vectors", "rows", *columns)
    for one in found:
        times = one.p50, one.p95, one.quickest, one.p50_cpu, one.filtered_p50, one.exact_p50
        drawn.add_row(
            one.world,
            f"{one.rows:,}",
            f"{one.recall:.3f}",
            *(f"{milliseconds:.1f} ms" for milliseconds in times),
        )
    return drawn


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")


def main() -> None:
    """Measure, write the result down after every size, and draw it."""
    settings = tyro.cli(Settings)
    settings.out.parent.mkdir(parents=True, exist_ok=True)
    found = []
    for one in measure(settings):
        found.append(one)
        settings.out.write_text(json.dumps(report(settings, found), indent=2) + "\n")
    Console().print(table(found))
    _say(f"wrote {settings.out}")


if __name__ == "__main__":
    main()
