"""Scores an embedder on one benchmark.

Material -> pools -> vectors, cached -> summed, normalised -> figures
                                               -> rankings for a test server
"""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from e5v.evaluation.benchmarks import MEANS, Benchmark
from e5v.evaluation.cached_embedder import CachedEmbedder, Vectors
from e5v.evaluation.gap import LEAST, Gap, measure_gap
from e5v.evaluation.image_files import Lazy
from e5v.evaluation.metrics import (
    Places,
    average_precision,
    cosines,
    places,
    spearman,
)
from e5v.evaluation.scores import BenchmarkRun, Figure
from e5v.evaluation.submission import Metric, submission_json
from e5v.evaluation.tasks import Grading, Kind, Material, Pool, Search, Submission, pools
from e5v.extras import need
from e5v.retrieval import recall_at
from e5v.vectors import unit

BEST = 100  # ranked images passed on for a test server's file, besides the subset
NAMES: dict[Kind, str] = {"text": "texts", "image": "images", "composed": "composed queries"}
Step = Callable[[int], None]
Rows = Callable[[Pool], Vectors]


@dataclass(frozen=True)
class BenchmarkScores:
    """The results of a benchmark: figures, cost, files for a test server by name, the gap.

    `places` has, by name of the search, the ranks of each query's true candidates, from 0.
    """

    figures: tuple[Figure, ...]
    run: BenchmarkRun
    files: Mapping[str, str]
    places: Mapping[str, Sequence[Places]]
    gap: Gap | None = None


def score_benchmark(
    benchmark: Benchmark,
    material: Material,
    embedder: CachedEmbedder,
    step: Step = lambda _: None,
    *,
    gap: bool = False,
) -> BenchmarkScores:
    """Embed a benchmark's items and compute its figures; `step` is called with counts of items.

    With `gap`, measure the gap between its captions and images, if it has 10 of each.

    Raises:
        DataError: an item cannot be embedded.
        MissingExtraError: scipy is not installed, or for the gap scikit-learn or matplotlib.
    """
    _check_libraries(material, gap)
    began, before = time.perf_counter(), embedder.made
    every = pools(material.tasks)
    made = {id(pool): embedder.vectors(pool, step) for pool in every}  # a pool has no hash
    seconds = time.perf_counter() - began

    def rows(pool: Pool) -> Vectors:
        return made[id(pool)]

    searches = [task for task in material.tasks if isinstance(task, Search)]
    submissions = [task for task in material.tasks if isinstance(task, Submission)]
    found = {task.name: _rank_candidates(task, rows) for task in searches}
    embedded = embedder.made - before
    run = BenchmarkRun(
        benchmark=benchmark.title,
        protocol=benchmark.protocol,
        revision=material.revision,
        counts=_count_items(every),
        embedded=embedded,
        remembered=sum(len(pool.items) for pool in every) - embedded,
        seconds=seconds,
        notes=material.notes,
    )
    return BenchmarkScores(
        figures=tuple(_compute_figures(benchmark, material, rows, found)),
        run=run,
        files={
            name: text for one in submissions for name, text in _write_rankings(one, rows).items()
        },
        places=found,
        gap=_measure_gap(material, rows) if gap else None,
    )


def _compute_figures(
    benchmark: Benchmark, material: Material, rows: Rows, found: Mapping[str, Sequence[Places]]
) -> Iterator[Figure]:
    """Compute the figures of a benchmark, each beside the paper's."""
    note = "; ".join(material.notes)
    for task in material.tasks:
        if isinstance(task, Submission):
            continue
        values = (
            _grade_pairs(task, rows)
            if isinstance(task, Grading)
            else _count_hits(task, found[task.name])
        )
        for metric, value in values:
            paper = benchmark.paper.get((task.name, metric))
            yield Figure(benchmark.title, task.name, metric, 100 * value, paper, note)


def _check_libraries(material: Material, gap: bool) -> None:  # noqa: FBT001
    """Check, before anything is embedded, that the libraries for the figures are installed."""
    if gap:
        need("measuring the gap", "scipy", "sklearn", "matplotlib", extra="eval")
    if any(isinstance(task, Grading) for task in material.tasks):
        need("Spearman's correlation", "scipy")


def _measure_gap(material: Material, rows: Rows) -> Gap | None:
    """Measure the gap between the captions and the images of a benchmark, if it has both."""
    for task in material.tasks:
        if not isinstance(task, Search) or task.candidates.kind != "image":
            continue
        texts = task.queries[0]
        if texts.kind == "text" and min(len(texts.items), len(task.candidates.items)) >= LEAST:
            pairs = [
                (image, text) for text, true in enumerate(task.relevance.true) for image in true
            ]
            return measure_gap(rows(task.candidates), rows(texts), np.array(pairs))
    return None


def _rank_candidates(task: Search, rows: Rows) -> list[Places]:
    return places(_sum_queries(task, rows), unit(rows(task.candidates)), task.relevance)


def _grade_pairs(task: Grading, rows: Rows) -> list[tuple[str, float]]:
    left, right = (unit(rows(pool)) for pool in (task.left, task.right))
    return [("Spearman", spearman(cosines(left, right), task.grades))]


def _count_hits(task: Search, found: Sequence[Places]) -> list[tuple[str, float]]:
    if task.measure == "map":
        return [(f"mAP@{k}", average_precision(found, k)) for k in task.cutoffs]
    subset = "R_s" if task.relevance.among is not None else "R"
    return [(f"{subset}@{k}", recall_at(found, k)) for k in task.cutoffs]


def _sum_queries(task: Search | Submission, rows: Rows) -> Vectors:
    """Sum the vectors of each query's pools, then normalise."""
    summed: Vectors = np.sum([rows(pool) for pool in task.queries], axis=0)
    return unit(summed)


def _write_rankings(task: Submission, rows: Rows) -> dict[str, str]:
    """Write the rankings of a submission in each form that its server takes."""
    queries, candidates = _sum_queries(task, rows), unit(rows(task.candidates))
    ranked = []
    for query, hidden, among in zip(queries, task.hidden, task.among, strict=True):
        scores = candidates @ query
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


def _count_items(every: Iterable[Pool]) -> dict[str, int]:
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


def compute_means(figures: Iterable[Figure]) -> list[Figure]:
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
