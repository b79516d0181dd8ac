"""Before anything is timed: do all contenders make the same vectors? Only same work is compared."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.contenders import Job, run
from benchmarks.fresh import Runner
from benchmarks.work import Task

SAME = 0.9999  # cosine of one item's vectors by two programs, in float32, at least
DIFFERENT = 0.99  # cosine of two items' vectors, at most: else agreeing would mean nothing
TEXTS = 8
PHOTOS = 2


@dataclass(frozen=True)
class Agreement:
    """How alike the contenders' vectors are in float32, on `items` texts and photos together.

    `lowest` is by contender, against e5v's; `different` the highest of two different items.
    """

    items: int
    lowest: dict[str, float]
    different: float


def check(checkpoint: Path, tasks: Sequence[Task], runner: Runner) -> Agreement:
    """Encode a few texts and photos with every contender in float32 and compare.

    Raises:
        SystemExit: a contender's vector is another one, or all items have the same.

    """
    items = tasks[0].items[:TEXTS] + tasks[1].items[:PHOTOS]
    vectors = {
        name: runner(run, Job(name, checkpoint, items, "float32")).vectors
        for name in ("e5v", "official", "sentence-transformers")
    }
    ours = vectors.pop("e5v")
    lowest = {name: lowest_cosine(ours, theirs) for name, theirs in vectors.items()}
    different = float(np.max(_cosines(ours, ours) - 2 * np.eye(len(ours))))
    for name, cosine in lowest.items():
        if cosine < SAME:
            raise SystemExit(f"{name} makes other vectors than e5v: cosine {cosine:.6f} < {SAME}")
    if different > DIFFERENT:
        raise SystemExit(f"two items have one vector: cosine {different:.6f} > {DIFFERENT}")
    return Agreement(len(items), lowest, different)


def lowest_cosine(left: NDArray[Any], right: NDArray[Any]) -> float:
    """Return the lowest cosine of rows (n, d) that belong together."""
    return float(np.diag(_cosines(left, right)).min())


def _cosines(left: NDArray[Any], right: NDArray[Any]) -> NDArray[np.float64]:
    units = [rows.astype(np.float64) for rows in (left, right)]
    a, b = (rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in units)
    cosines: NDArray[np.float64] = a @ b.T
    return cosines
