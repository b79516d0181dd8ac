"""Made-up evaluations: every figure of the paper's tables, as our own, with the ranks behind it."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from e5v.evaluation.benchmark_scores import compute_means
from e5v.evaluation.benchmarks import BENCHMARKS
from e5v.evaluation.scores import BenchmarkRun, Figure, Results, Setting
from paper.findings import Evaluation, Findings, Side

QUERIES, CAPTIONS, PAIRS = 200, 5, 1000
TASKS: dict[str, dict[str, tuple[int, ...]]] = {  # of a benchmark, with its cutoffs
    "CIRR val": {"CIRR": (1, 5, 10, 50)},
    "FashionIQ val": dict.fromkeys(("dress", "shirt", "toptee"), (10, 50)),
}
RETRIEVAL: dict[str, tuple[int, ...]] = dict.fromkeys(
    ("image retrieval", "text retrieval"), (1, 5, 10)
)
PICTURES = ("Flickr30K 1K", "COCO 5K", "I2I-Flickr30K", "I2I-COCO", *TASKS)


def make_evaluation(right: float, *, seed: int = 0, variant: str = "") -> Evaluation:
    """Return an evaluation where a share of the queries is answered rightly, the rest never.

    Which ones depends on the share alone: of two models, the better one answers all that the other
    does. `variant` is the label of an ablation.
    """
    figures: list[Figure] = []
    ranks: dict[str, dict[str, Sequence[int]]] = {}
    for title in PICTURES:
        for task, cutoffs in TASKS.get(title, RETRIEVAL).items():
            captions = CAPTIONS if task == "image retrieval" else 1
            own = np.repeat(np.arange(QUERIES) >= right * QUERIES, captions) * 1000
            ranks.setdefault(title, {})[task] = own.tolist()
            figures += [
                Figure(title, task, f"R@{k}", 100 * float((own < k).mean())) for k in cutoffs
            ]
    names = [one.title for one in BENCHMARKS if one.table == "Table 5"]
    figures += [Figure(name, name, "Spearman", 80.0) for name in names]
    figures += compute_means(figures)
    label = f", {variant}" if variant else ""
    runs = tuple(_make_run(f"{name}{label}") for name in names)
    setting = Setting("m", "f", "float32", "cpu", "last", "t", {}, "", {}, runs, "now")
    labelled = tuple(replace(one, benchmark=f"{one.benchmark}{label}") for one in figures)
    named = {f"{title}{label}": own for title, own in ranks.items()}
    return Evaluation(seed, Results(setting, labelled), named)


def _make_run(name: str) -> BenchmarkRun:
    return BenchmarkRun(name, "p", "r", {"texts": 2 * PAIRS}, 2 * PAIRS, 0, 1.0)


def make_findings(shares: Mapping[Side, Sequence[float]]) -> Findings:
    """Return the evaluations of some sides, by the share that each seed answers rightly."""
    return Findings(
        {
            side: [make_evaluation(one, seed=seed) for seed, one in enumerate(every)]
            for side, every in shares.items()
        }
    )
