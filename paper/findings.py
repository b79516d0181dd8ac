"""What the evaluations of a plan found, as samples that nano.findings' rule compares.

OUT/evaluate/*/report.json, ranks.json -> Findings -> Sample of a key -> above, below or level

A key is a figure of a benchmark, or a mean that the paper gives. The error of a mean adds those of
one data set's figures, which rise and fall together, and joins those of several as independent.
"""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np

from e5v.evaluation.benchmarks import BENCHMARKS, MEANS
from e5v.evaluation.gap import Gap
from e5v.evaluation.published import Key
from e5v.evaluation.report import RANKS, from_json
from e5v.evaluation.scores import Results
from nano.findings import (
    IMAGES,
    ONE_WORD,
    TEXTS,
    Sample,
    Verdict,
    error_of_queries,
    judge,
)
from paper.stages import Plan
from paper.ways import USUAL, Way

SHARED = ("flickr30k", "coco")  # data sets of which several tasks have the same images
TWO = math.sqrt(2)  # sides of a comparison with an error of their own


@dataclass(frozen=True)
class Side:
    """One row of ours: a setting, a variant of an ablation, and how images were made."""

    setting: str
    variant: str = ""
    way: Way = USUAL


@dataclass(frozen=True)
class Part:
    """A figure in a mean: its weight, and the group whose errors rise and fall together."""

    key: Key
    weight: float
    group: str


@dataclass(frozen=True)
class Evaluation:
    """One evaluation: of which seed, its report, and the rank of each query's best candidate."""

    seed: int
    results: Results
    ranks: Mapping[str, Mapping[str, Sequence[int]]]

    def value(self, key: Key, variant: str) -> float | None:
        """Return a figure in percent."""
        for one in self.results.figures:
            if (one.task, one.metric) == key[1:] and one.benchmark in _names(key[0], variant):
                return one.value
        return None

    def ranks_of(self, key: Key, variant: str) -> Sequence[int]:
        """Return the ranks of a search; none of what is not one."""
        for name in _names(key[0], variant):
            if name in self.ranks:
                return self.ranks[name].get(key[1], ())
        return ()

    def pairs_of(self, key: Key, variant: str) -> int:
        """Return how many pairs of texts were compared."""
        names = _names(key[0], variant)
        counts = (one.counts for one in self.results.setting.runs if one.benchmark in names)
        return next((one.get("texts", 0) // 2 for one in counts), 0)


def _names(benchmark: str, variant: str) -> tuple[str, ...]:
    """Return how a benchmark may be named in a report: with the label of its variant."""
    if variant:
        return (f"{benchmark}, {variant}",)
    return (benchmark, f"{benchmark}, {ONE_WORD}")


@cache
def expand(key: Key) -> tuple[Part, ...]:
    """Return the figures that a key is the mean of; itself if it is none."""
    for mean in MEANS:
        if (mean.title, "mean", mean.metric) == key:
            parts = [part for own in sorted(mean.of) for part in expand(own)]
            share = 1 / len(mean.of)
            return tuple(Part(one.key, one.weight * share, one.group) for one in parts)
    return (Part(key, 1.0, _find_group(key)),)


def _find_group(key: Key) -> str:
    for one in BENCHMARKS:
        if one.title == key[0] and (one.folder or one.name) in SHARED:
            return one.folder or one.name
    return f"{key[0]}, {key[1]}"


@dataclass(frozen=True)
class Findings:
    """The evaluations that are there, one for each seed, by setting and way."""

    evaluations: Mapping[Side, Sequence[Evaluation]]

    def sample(self, side: Side, key: Key) -> Sample | None:
        """Return a figure over the seeds, None if it was not measured."""
        parts = [self._sample_one(side, part.key) for part in expand(key)]
        known = [one for one in parts if one is not None]
        if len(known) < len(parts):
            return None
        if len(known) == 1:
            return known[0]
        seeds = zip(*(one.values for one in known), strict=True)
        weights = [part.weight for part in expand(key)]
        return Sample([_weigh(weights, values) for values in seeds], 0)

    def compare(self, one: Side, other: Side, key: Key) -> Verdict | None:
        """Tell how two of our rows stand, which were asked the same queries."""
        left, right = self.sample(one, key), self.sample(other, key)
        if left is None or right is None:
            return None
        return judge(left, right, self._combine(key, one, other))

    def judge_against(self, side: Side, key: Key, published: float) -> Verdict | None:
        """Tell how a row stands to a published figure, whose error is taken to be as large."""
        ours = self.sample(side, key)
        if ours is None:
            return None
        return judge(ours, Sample([published], 0), TWO * self._combine(key, side))

    def gap(self, side: Side, benchmark: str) -> Gap | None:
        """Return the gap that was measured with the first seed."""
        for one in self._find(side)[:1]:
            for name in _names(benchmark, side.variant):
                if name in one.results.gaps:
                    return one.results.gaps[name]
        return None

    def gap_mean(self, side: Side, benchmark: str, name: str) -> float | None:
        """Return a measure of the gap, the mean over seeds."""
        gaps = [
            one.results.gaps[own]
            for one in self._find(side)
            for own in _names(benchmark, side.variant)
            if own in one.results.gaps
        ]
        return fmean(getattr(one, name) for one in gaps) if gaps else None

    def figures(self) -> Iterator[dict[str, Any]]:
        """Yield every figure that was measured, as results.json has it."""
        for side, every in self.evaluations.items():
            for one in every:
                for figure in one.results.figures:
                    yield {
                        "setting": side.setting,
                        "seed": one.seed,
                        "tiling": side.way.tiling,
                        "layout": side.way.layout,
                        "benchmark": figure.benchmark,
                        "task": figure.task,
                        "metric": figure.metric,
                        "value": figure.value,
                    }

    def _find(self, side: Side) -> Sequence[Evaluation]:
        return self.evaluations.get(Side(side.setting, way=side.way), ())

    def _sample_one(self, side: Side, key: Key) -> Sample | None:
        every = self._find(side)
        values = [one.value(key, side.variant) for one in every]
        known = [value for value in values if value is not None]
        if not known or len(known) < len(values):
            return None
        if not key[2].startswith("R@"):
            return Sample(known, every[0].pairs_of(key, side.variant))
        k = int(key[2].removeprefix("R@"))
        ranks = np.array([one.ranks_of(key, side.variant) for one in every])
        asked = Sample(known, ranks.shape[1], (ranks < k).astype(np.float64))
        images = len(every[0].ranks_of((key[0], TEXTS, key[2]), side.variant))
        if key[1] == IMAGES and images and asked.queries % images == 0:
            return asked.by(images)  # captions of one image
        return asked

    def _combine(self, key: Key, one: Side, other: Side | None = None) -> float:
        """Return the standard error of a figure, or of a difference, that is of the queries."""
        groups: dict[str, float] = {}
        for part in expand(key):
            left = self._sample_one(one, part.key)
            right = self._sample_one(other, part.key) if other else None
            error = _error(left, right) if left else 0.0
            groups[part.group] = groups.get(part.group, 0.0) + part.weight * error
        return math.hypot(*groups.values())


def _weigh(weights: Sequence[float], values: Sequence[float]) -> float:
    return sum(weight * value for weight, value in zip(weights, values, strict=True))


def _error(left: Sample, right: Sample | None) -> float:
    """Return the error of a difference, or of a figure alone."""
    if right is not None:
        return error_of_queries(left, right)
    if left.first.size:
        shares = left.first.mean(0)
        return 100 * float(shares.std(ddof=1)) / math.sqrt(len(shares))
    return 100 * (1 - (left.mean / 100) ** 2) / math.sqrt(max(left.queries - 1, 1))


def read_findings(plan: Plan, done: set[str]) -> Findings:
    """Read the evaluations of a plan whose jobs are done, by their labels."""
    found: dict[Side, list[Evaluation]] = {}
    for setting, seed, label in plan.labelled:
        for way in plan.ways_of(setting):
            folder = plan.evaluation(label, way)
            if f"evaluate-{folder.name}" in done:
                own = found.setdefault(Side(setting.name, way=way), [])
                own.append(_read_evaluation(folder, seed))
    return Findings(found)


def _read_evaluation(folder: Path, seed: int) -> Evaluation:
    results = from_json((folder / "report.json").read_text(encoding="utf-8"))
    return Evaluation(seed, results, json.loads((folder / RANKS).read_text(encoding="utf-8")))
