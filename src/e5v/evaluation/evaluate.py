"""Evaluates an embedder on benchmarks: from folders to figures.

folder -> Material -> pools -> vectors, remembered -> summed, unit -> figures
                                                   -> rankings for a test server
"""

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from e5v.errors import DataError
from e5v.evaluation.benchmarks import MEANS, Benchmark
from e5v.evaluation.embedders import Remembering, Vectors
from e5v.evaluation.figures import Figure, Run
from e5v.evaluation.gap import LEAST, Gap, measure_gap
from e5v.evaluation.metrics import average_precision, cosines, places, recall, spearman
from e5v.evaluation.submission import Metric, submission_json
from e5v.evaluation.tasks import Grading, Material, Pool, Search, Submission, Task
from e5v.vectors import unit

BEST = 100  # places of a ranking that are handed to a test server's form, beside its subset
Step = Callable[[int], None]


@dataclass(frozen=True)
class Evaluated:
    """What a benchmark gave: its figures, what it took, and files for a test server by name."""

    figures: tuple[Figure, ...]
    run: Run
    files: Mapping[str, str]


def evaluate(
    benchmark: Benchmark, material: Material, embedder: Remembering, step: Step = lambda _: None
) -> Evaluated:
    """Embed what a benchmark asks for and count what is right; `step` is told of items done.

    Raises:
        DataError: an item cannot be embedded.
    """
    began, before = time.perf_counter(), embedder.made
    figures: list[Figure] = []
    files: dict[str, str] = {}
    for task in material.tasks:
        if isinstance(task, Submission):
            files |= _files(task, embedder, step)
            continue
        note = "; ".join(material.notes)
        for metric, value in _values(task, embedder, step):
            paper = benchmark.paper.get((task.name, metric))
            figures.append(Figure(benchmark.title, task.name, metric, 100 * value, paper, note))
    made, asked = embedder.made - before, sum(len(pool.items) for pool in pools(material.tasks))
    run = Run(
        benchmark=benchmark.title,
        revision=material.revision,
        counts=_counts(material),
        embedded=made,
        remembered=asked - made,
        seconds=time.perf_counter() - began,
        notes=material.notes,
    )
    return Evaluated(tuple(figures), run, files)


def pools(tasks: Iterable[Task]) -> list[Pool]:
    """Return every pool of some tasks once."""
    found: list[Pool] = []
    for task in tasks:
        sides = (
            (task.left, task.right) if isinstance(task, Grading) else (*task.queries, task.gallery)
        )
        found += [side for side in sides if all(side is not one for one in found)]
    return found


def gap_of(material: Material, embedder: Remembering, step: Step = lambda _: None) -> Gap | None:
    """Measure the modality gap between the captions and the images of a benchmark, if it has both.

    Raises:
        DataError: an item cannot be embedded.
    """
    for task in material.tasks:
        if not isinstance(task, Search) or task.gallery.kind != "image":
            continue
        texts = task.queries[0]
        if texts.kind == "text" and min(len(texts.items), len(task.gallery.items)) >= LEAST:
            pairs = [(image, text) for text, true in enumerate(task.judged.true) for image in true]
            rows = [embedder.vectors(pool, step) for pool in (task.gallery, texts)]
            return measure_gap(rows[0], rows[1], np.array(pairs))
    return None


def _values(task: Search | Grading, embedder: Remembering, step: Step) -> list[tuple[str, float]]:
    if isinstance(task, Grading):
        left, right = (unit(embedder.vectors(pool, step)) for pool in (task.left, task.right))
        return [("Spearman", spearman(cosines(left, right), task.grades))]
    found = places(_queries(task, embedder, step), _gallery(task, embedder, step), task.judged)
    if task.measure == "map":
        return [(f"mAP@{k}", average_precision(found, k)) for k in task.cutoffs]
    subset = "R_s" if task.judged.among is not None else "R"
    return [(f"{subset}@{k}", recall(found, k)) for k in task.cutoffs]


def _queries(task: Search | Submission, embedder: Remembering, step: Step) -> Vectors:
    """Sum the vectors of each query's pools, then normalise."""
    rows = [embedder.vectors(pool, step) for pool in task.queries]
    summed: Vectors = np.sum(rows, axis=0)
    return unit(summed)


def _gallery(task: Search | Submission, embedder: Remembering, step: Step) -> Vectors:
    return unit(embedder.vectors(task.gallery, step))


def _files(task: Submission, embedder: Remembering, step: Step) -> dict[str, str]:
    """Write the rankings of a submission in each form that its server takes."""
    queries, gallery = _queries(task, embedder, step), _gallery(task, embedder, step)
    ranked = []
    for query, hidden, among in zip(queries, task.hidden, task.among, strict=True):
        scores = gallery @ query
        best = np.argsort(-scores, kind="stable")[: BEST + len(hidden)].tolist()
        subset = sorted(among, key=lambda place: (-scores[place], place))
        ranked.append((best, subset))
    metrics: dict[Metric, list[list[int]]] = (
        {"recall": [best for best, _ in ranked], "recall_subset": [own for _, own in ranked]}
        if any(task.among)
        else {"map": [best for best, _ in ranked]}
    )
    return {
        f"{task.name}-{metric}.json": submission_json(task, orders, metric)
        for metric, orders in metrics.items()
    }


def _counts(material: Material) -> dict[str, int]:
    counts: dict[str, int] = {}
    for pool in pools(material.tasks):
        name = {"text": "texts", "image": "images", "composed": "composed queries"}[pool.kind]
        counts[name] = counts.get(name, 0) + len(pool.items)
    return counts


def means(figures: Iterable[Figure]) -> list[Figure]:
    """Return the means that the paper gives, of sets of which every figure is there."""
    every = [one for one in figures if one.value is not None]
    found = []
    for mean in MEANS:
        own = [one for one in every if (one.benchmark, one.task, one.metric) in mean.of]
        if len(own) == len(mean.of):
            value = float(np.mean([one.value for one in own]))
            note = "; ".join(dict.fromkeys(one.note for one in own if one.note))
            found.append(Figure(mean.title, "mean", own[0].metric, value, mean.paper, note))
    return found


def read(benchmark: Benchmark, folder: Path) -> Material:
    """Read a benchmark's data from a folder.

    Raises:
        DataError: there is no such folder, or its data cannot be used.
    """
    if not folder.is_dir():
        raise DataError(f"{folder} is no folder; give the folder of {benchmark.source}")
    return benchmark.read(folder)
