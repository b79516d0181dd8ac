"""What the results of the study say, setting by setting.

nano/results/*.json -> Findings -> Sample: mean, spread over seeds, error -> above, below or level

A difference counts if it is more than twice its standard error, which has two parts: so many
queries are a sample of all that could be asked, and so many seeds of all trainings. Both sides were
asked the same queries, so it is the differences query by query that are a sample.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean, stdev
from typing import Any, Literal

IMAGES, TEXTS, EDITS, PAIRS = "image retrieval", "text retrieval", "edits", "pairs"
BOTH = "mean of both ways"
ONE_WORD, NO_PROMPT, PROMPT = "one word", "no prompt", "prompt"
SURE = 2.0  # standard errors
Verdict = Literal["above", "below", "level"]
Record = dict[str, Any]


@dataclass(frozen=True)
class Sample:
    """A figure in percent, once for each seed, over so many queries.

    `first` says of R@1 how often each query was answered rightly, by seed, 0 to 1. Without it, the
    figure is taken for a rank correlation where samples are compared.
    """

    values: tuple[float, ...]
    queries: int
    first: tuple[tuple[float, ...], ...] = field(default=(), repr=False)

    @property
    def mean(self) -> float:
        """The mean over seeds."""
        return fmean(self.values)

    @property
    def spread(self) -> float | None:
        """The standard deviation over seeds, if there are several."""
        return stdev(self.values) if len(self.values) > 1 else None

    @property
    def answered(self) -> tuple[float, ...]:
        """How often each query was answered rightly, over seeds, in percent."""
        return tuple(100 * fmean(seeds) for seeds in zip(*self.first, strict=True))

    @property
    def trained(self) -> float:
        """The standard error of the mean that is of the seeds."""
        return (self.spread or 0.0) / math.sqrt(len(self.values))

    def only(self, places: Sequence[int]) -> Sample:
        """Return the share of some queries alone that was answered rightly."""
        first = tuple(tuple(seed[place] for place in places) for seed in self.first)
        return Sample(tuple(100 * fmean(seed) for seed in first), len(places), first)

    def __str__(self) -> str:
        """Write the mean, and the spread where there is one."""
        spread = "" if self.spread is None else f" ± {self.spread:.1f}"
        return f"{self.mean:.1f}{spread}"


def compare(left: Sample, right: Sample) -> Verdict:
    """Tell whether one figure is above another, as far as it can be told."""
    difference = left.mean - right.mean
    error = math.hypot(_asked(left, right), left.trained, right.trained)
    if abs(difference) <= SURE * error:
        return "level"
    return "above" if difference > 0 else "below"


def _asked(left: Sample, right: Sample) -> float:
    """Return the standard error of a difference that is of the queries, which both were asked.

    Of correlations it is that of independent ones, which is too large for those of the same pairs.
    """
    if left.first and right.first:
        apart = [one - other for one, other in zip(left.answered, right.answered, strict=True)]
        return stdev(apart) / math.sqrt(len(apart))
    return math.hypot(*(_correlated(one) for one in (left, right)))


def _correlated(one: Sample) -> float:
    return 100 * (1 - (one.mean / 100) ** 2) / math.sqrt(one.queries - 1)


@dataclass(frozen=True)
class Findings:
    """All results that are there: of each setting, one for each seed; and what pictures cost."""

    results: dict[str, list[Record]]
    cost: Record | None

    def first(self, setting: str) -> Record | None:
        """Return the result of the first seed."""
        return next(iter(self.results.get(setting, ())), None)

    def figure(
        self, setting: str, task: str, metric: str = "R@1", variant: str = ONE_WORD
    ) -> Sample | None:
        """Return a figure of a variant, or of other data: "lettered", "style" or "sts".

        None where a seed does not have it. The task BOTH is the mean of both ways.
        """
        if task == BOTH:
            return self._both(setting, metric, variant)
        cells = [_figures(one, variant).get(task, {}) for one in self.results.get(setting, ())]
        values = tuple(cell[metric] for cell in cells if cell.get(metric) is not None)
        if not values or len(values) < len(cells):
            return None
        first = [cell["first"] for cell in cells if metric == "R@1" and "first" in cell]
        return Sample(values, cells[0]["queries"], tuple(tuple(map(float, one)) for one in first))

    def _both(self, setting: str, metric: str, variant: str) -> Sample | None:
        """Return the mean of texts to images and images to texts.

        An image and its caption are one query of it: where one way fails, so does often the other.
        """
        images, texts = (self.figure(setting, task, metric, variant) for task in (IMAGES, TEXTS))
        if images is None or texts is None:
            return None
        first = zip(images.first, texts.first, strict=True)
        return Sample(
            tuple(map(fmean, zip(images.values, texts.values, strict=True))),
            images.queries,
            tuple(tuple(map(fmean, zip(*ways, strict=True))) for ways in first),
        )

    def ways(self, setting: str, metric: str, variant: str = ONE_WORD) -> str | None:
        """Return a figure as the paper writes it: texts to images / images to texts."""
        ways = [self.figure(setting, task, metric, variant) for task in (IMAGES, TEXTS)]
        return None if None in ways else " / ".join(map(str, ways))

    def compare(self, first: str, second: str, task: str) -> Verdict | None:
        """Compare R@1 of two settings; None where one has none."""
        left, right = self.figure(first, task), self.figure(second, task)
        return compare(left, right) if left and right else None

    def gap(self, setting: str, name: str, variant: str = ONE_WORD) -> float | None:
        """Return a measure of the gap, the mean over seeds."""
        scores = [one["scores"].get(variant, {}) for one in self.results.get(setting, ())]
        return _mean([one["gap"][name] for one in scores if one.get("gap")])

    def cost_of(self, setting: str, name: str) -> float | None:
        """Return what a training cost, the mean over seeds."""
        return _mean([one["cost"][name] for one in self.results.get(setting, ()) if one["cost"]])


def _figures(result: Record, variant: str) -> Record:
    figures: Record = result["scores"].get(variant, {}).get("figures", {})
    return figures or result.get(variant, {})


def _mean(values: Sequence[float]) -> float | None:
    return fmean(values) if values else None


def read_findings(folder: Path) -> Findings:
    """Read a folder of results."""
    files = sorted(folder.glob("*.json"))
    read = {file.stem: json.loads(file.read_text(encoding="utf-8")) for file in files}
    cost = read.pop("cost", None)
    results: dict[str, list[Record]] = {one["setting"]: [] for one in read.values()}
    for one in read.values():
        results[one["setting"]].append(one)
    return Findings(results, cost)
