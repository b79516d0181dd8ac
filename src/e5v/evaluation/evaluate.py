"""Evaluates an embedder on benchmarks: from folders to figures.

folder -> Material -> pools -> vectors, cached -> summed, normalised -> figures
                                               -> rankings for a test server
"""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from e5v.errors import DataError, UsageError
from e5v.evaluation.benchmarks import BENCHMARKS, MEANS, Benchmark
from e5v.evaluation.cached_embedder import Remembering, Vectors
from e5v.evaluation.captions import rendered
from e5v.evaluation.gap import LEAST, Gap, measure_gap
from e5v.evaluation.image_files import Lazy
from e5v.evaluation.metrics import (
    Places,
    average_precision,
    cosines,
    places,
    recall,
    spearman,
)
from e5v.evaluation.scores import Figure, Run
from e5v.evaluation.submission import Metric, submission_json
from e5v.evaluation.tasks import Grading, Kind, Material, Pool, Search, Submission, pools
from e5v.extras import need
from e5v.vectors import unit

BEST = 100  # ranked images passed on for a test server's file, besides the subset
NAMES: dict[Kind, str] = {"text": "texts", "image": "images", "composed": "composed queries"}
Step = Callable[[int], None]
Rows = Callable[[Pool], Vectors]


@dataclass(frozen=True)
class Evaluated:
    """The results of a benchmark: figures, cost, files for a test server by name, the gap.

    `places` has, by name of the search, the ranks of each query's true candidates, from 0.
    """

    figures: tuple[Figure, ...]
    run: Run
    files: Mapping[str, str]
    places: Mapping[str, Sequence[Places]]
    gap: Gap | None = None


def evaluate(
    benchmark: Benchmark,
    material: Material,
    embedder: Remembering,
    step: Step = lambda _: None,
    *,
    gap: bool = False,
) -> Evaluated:
    """Embed a benchmark's items and compute its figures; `step` is called with counts of items.

    With `gap`, measure the gap between its captions and images, if it has 10 of each.

    Raises:
        DataError: an item cannot be embedded.
        MissingExtraError: scipy is not installed, or for the gap matplotlib.
    """
    _check_libraries(material, gap)
    began, before = time.perf_counter(), embedder.made
    every = pools(material.tasks)
    made = {id(pool): embedder.vectors(pool, step) for pool in every}  # a pool has no hash
    seconds = time.perf_counter() - began

    def rows(pool: Pool) -> Vectors:
        return made[id(pool)]

    figures: list[Figure] = []
    files: dict[str, str] = {}
    found = {task.name: _rank(task, rows) for task in material.tasks if isinstance(task, Search)}
    for task in material.tasks:
        if isinstance(task, Submission):
            files |= _files(task, rows)
            continue
        for metric, value in (
            _grade(task, rows) if isinstance(task, Grading) else _count_hits(task, found[task.name])
        ):
            paper = benchmark.paper.get((task.name, metric))
            note = "; ".join(material.notes)
            figures.append(Figure(benchmark.title, task.name, metric, 100 * value, paper, note))
    embedded = embedder.made - before
    run = Run(
        benchmark=benchmark.title,
        protocol=benchmark.protocol,
        revision=material.revision,
        counts=_counts(every),
        embedded=embedded,
        remembered=sum(len(pool.items) for pool in every) - embedded,
        seconds=seconds,
        notes=material.notes,
    )
    return Evaluated(tuple(figures), run, files, found, _gap(material, rows) if gap else None)


def _check_libraries(material: Material, gap: bool) -> None:  # noqa: FBT001
    """Check, before anything is embedded, that the libraries for the figures are installed."""
    if gap:
        need("measuring the gap", "scipy", "matplotlib", extra="eval")
    if any(isinstance(task, Grading) for task in material.tasks):
        need("Spearman's correlation", "scipy")


def _gap(material: Material, rows: Rows) -> Gap | None:
    """Measure the gap between the captions and the images of a benchmark, if it has both."""
    for task in material.tasks:
        if not isinstance(task, Search) or task.gallery.kind != "image":
            continue
        texts = task.queries[0]
        if texts.kind == "text" and min(len(texts.items), len(task.gallery.items)) >= LEAST:
            pairs = [(image, text) for text, true in enumerate(task.judged.true) for image in true]
            return measure_gap(rows(task.gallery), rows(texts), np.array(pairs))
    return None


def _rank(task: Search, rows: Rows) -> list[Places]:
    return places(_queries(task, rows), unit(rows(task.gallery)), task.judged)


def _grade(task: Grading, rows: Rows) -> list[tuple[str, float]]:
    left, right = (unit(rows(pool)) for pool in (task.left, task.right))
    return [("Spearman", spearman(cosines(left, right), task.grades))]


def _count_hits(task: Search, found: Sequence[Places]) -> list[tuple[str, float]]:
    if task.measure == "map":
        return [(f"mAP@{k}", average_precision(found, k)) for k in task.cutoffs]
    subset = "R_s" if task.judged.among is not None else "R"
    return [(f"{subset}@{k}", recall(found, k)) for k in task.cutoffs]


def _queries(task: Search | Submission, rows: Rows) -> Vectors:
    """Sum the vectors of each query's pools, then normalise."""
    summed: Vectors = np.sum([rows(pool) for pool in task.queries], axis=0)
    return unit(summed)


def _files(task: Submission, rows: Rows) -> dict[str, str]:
    """Write the rankings of a submission in each form that its server takes."""
    queries, gallery = _queries(task, rows), unit(rows(task.gallery))
    ranked = []
    for query, hidden, among in zip(queries, task.hidden, task.among, strict=True):
        scores = gallery @ query
        best = np.argsort(-scores, kind="stable")[: BEST + len(hidden)].tolist()
        subset = sorted(among, key=lambda place: (-scores[place], place))
        ranked.append((best, subset))
    metrics: dict[Metric, list[list[int]]] = {task.measure: [best for best, _ in ranked]}
    if any(task.among):
        metrics["recall_subset"] = [own for _, own in ranked]
    return {
        f"{task.name}-{metric}.json": submission_json(task, orders, metric)
        for metric, orders in metrics.items()
    }


def _counts(every: Iterable[Pool]) -> dict[str, int]:
    """Count the items of each kind; a file in several pools counts once."""
    counts: dict[str, int] = {}
    files: set[Path] = set()
    for pool in every:
        listed = () if isinstance(pool.items, Lazy) else pool.items  # made at every access
        own = {one for one in listed if isinstance(one, Path)}
        name = NAMES[pool.kind]
        counts[name] = counts.get(name, 0) + len(pool.items) - len(own & files)
        files |= own
    return counts


def means(figures: Iterable[Figure]) -> list[Figure]:
    """Return the means that the paper gives, if all their figures are present."""
    every = {(one.benchmark, one.task, one.metric): one for one in figures}
    found = []
    for mean in MEANS:
        own = [every[key] for key in sorted(mean.of & every.keys())]
        values = [one.value for one in own if one.value is not None]
        if len(values) == len(mean.of):
            note = "of figures that have notes" if any(one.note for one in own) else ""
            value = float(np.mean(values))
            figure = Figure(mean.title, "mean", mean.metric, value, mean.paper, note)
            every[figure.benchmark, figure.task, figure.metric] = figure
            found.append(figure)
    return found


def place(benchmark: Benchmark, data: Path | None) -> Path | None:
    """Return the folder of a benchmark's data; None for the hub's copy.

    `data` is that folder, or a folder of such folders by name; those missing are read from the hub.
    """
    if data is None:
        return None
    own = data / (benchmark.folder or benchmark.name)
    several = any((data / (one.folder or one.name)).is_dir() for one in BENCHMARKS)
    if own.is_dir():
        return own
    return None if several and benchmark.hub else data


def read(benchmark: Benchmark, folder: Path | None, *, font: Path | None = None) -> Material:
    """Read a benchmark's data from a folder, or from the hub without one.

    `font` is the font of drawn captions.

    Raises:
        DataError: the folder or data set is missing, or its data cannot be used.
        UsageError: the hub has no copy, or the font cannot be read.
        MissingExtraError: `datasets` is not installed.
    """
    material = _read_source(benchmark, folder)
    if notes := tuple(_other_sizes(benchmark, material)):
        material = replace(material, notes=material.notes + notes)
    return rendered(material, font) if benchmark.drawn else material


def _read_source(benchmark: Benchmark, folder: Path | None) -> Material:
    if folder is not None:
        if not folder.is_dir():
            raise DataError(f"{folder} is not a folder; give the folder of {benchmark.source}")
        return benchmark.read(folder)
    if benchmark.hub is None:
        raise UsageError(
            f"benchmark {benchmark.name} is not on the hub; give a folder of its data "
            f"({benchmark.source})",
            argument="data",
        )
    return benchmark.hub()


def _other_sizes(benchmark: Benchmark, material: Material) -> Iterator[str]:
    """Report numbers of queries or candidates that differ from the paper's."""
    for task in material.tasks:
        if not isinstance(task, Search) or task.name not in benchmark.sizes:
            continue
        sizes = len(task.queries[0].items), len(task.gallery.items)
        if sizes != (known := benchmark.sizes[task.name]):
            ours, papers = (f"{queries:,} in {gallery:,}" for queries, gallery in (sizes, known))
            yield f"{task.name}: {ours}; in the paper {papers}"
