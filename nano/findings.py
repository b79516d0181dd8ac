"""What the results of the study say, setting by setting.

nano/results/*.json -> Findings -> Sample: mean, spread over seeds, error -> above, below or level

A difference counts if it is more than twice its standard error, which has two parts: so many
queries are a sample of all that could be asked, and so many seeds of all trainings. Both sides were
asked the same queries, so it is the differences query by query that are a sample.
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean, stdev
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

IMAGES, TEXTS, EDITS, PAIRS = "image retrieval", "text retrieval", "edits", "pairs"
BOTH = "mean of both ways"
ONE_WORD, NO_PROMPT, PROMPT = "one word", "no prompt", "prompt"
SURE = 2.0  # standard errors
Verdict = Literal["above", "below", "level"]
Record = dict[str, Any]
Key = tuple[str, str]


@dataclass(frozen=True)
class Sample:
    """A figure in percent, once for each seed, over so many queries.

    `first`, "seeds queries", says of R@1 how often each query was answered rightly, 0 to 1. Without
    it, the figure is taken for a rank correlation where samples are compared.
    """

    values: Sequence[float]
    queries: int
    first: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))

    @property
    def mean(self) -> float:
        """The mean over seeds."""
        return fmean(self.values)

    @property
    def spread(self) -> float | None:
        """The standard deviation over seeds, if there are several."""
        return stdev(self.values) if len(self.values) > 1 else None

    @property
    def trained(self) -> float:
        """The standard error of the mean that is of the seeds."""
        return (self.spread or 0.0) / math.sqrt(len(self.values))

    def only(self, places: Sequence[int]) -> "Sample":
        """Return the share of some queries alone that was answered rightly."""
        first = self.first[:, places]
        return Sample(list(100 * first.mean(1)), len(places), first)

    def of(self, seeds: Sequence[int]) -> "Sample":
        """Return it of some seeds alone, by their places."""
        values = [self.values[seed] for seed in seeds]
        return Sample(values, self.queries, self.first[list(seeds)])

    def by(self, groups: int) -> "Sample":
        """Return it with so many queries: captions of one image, which rise and fall together.

        Those of a group follow each other, and all groups are of one size.
        """
        first = self.first.reshape(len(self.first), groups, -1).mean(2)
        return Sample(self.values, groups, first)

    def __str__(self) -> str:
        """Write the mean, and the spread where there is one."""
        spread = "" if self.spread is None else f" ± {self.spread:.1f}"
        return f"{self.mean:.1f}{spread}"


def compare(left: Sample, right: Sample) -> Verdict:
    """Tell whether one figure is above another, as far as it can be told."""
    return judge(left, right, error_of_queries(left, right))


def judge(left: Sample, right: Sample, asked: float) -> Verdict:
    """Tell how two figures stand; `asked` is the standard error of the queries, in percent."""
    difference = left.mean - right.mean
    error = math.hypot(asked, left.trained, right.trained)
    if abs(difference) <= SURE * error:
        return "level"
    return "above" if difference > 0 else "below"


def error_of_queries(left: Sample, right: Sample) -> float:
    """Return the standard error of a difference that is of the queries, which both were asked.

    Of correlations it is that of independent ones, which is too large for those of the same pairs.
    """
    if left.first.size and right.first.size:
        apart = left.first.mean(0) - right.first.mean(0)
        return 100 * float(apart.std(ddof=1)) / math.sqrt(len(apart))
    errors = ((1 - (one.mean / 100) ** 2) / math.sqrt(one.queries - 1) for one in (left, right))
    return 100 * math.hypot(*errors)


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
        """Return a figure of a variant, or of other data: "worded", "lettered", "style" or "sts".

        None where a seed does not have it. The task BOTH is the mean of both ways: an image and its
        captions are one query of it, as where one way fails, so does often the other.
        """
        if task == BOTH:
            images, texts = (self.figure(setting, one, metric, variant) for one in (IMAGES, TEXTS))
            if images is None or texts is None:
                return None
            values = [fmean(ways) for ways in zip(images.values, texts.values, strict=True)]
            if not images.first.size:
                return Sample(values, texts.queries)
            asked = images.by(texts.queries)
            return Sample(values, asked.queries, (asked.first + texts.first) / 2)
        cells = [_figures(one, variant).get(task, {}) for one in self.results.get(setting, ())]
        values = [cell[metric] for cell in cells if cell.get(metric) is not None]
        if not values or len(values) < len(cells):
            return None
        first = [[*cell["first"]] for cell in cells if metric == "R@1" and "first" in cell]
        return Sample(values, cells[0]["queries"], np.array(first, dtype=np.float64))

    def by_seed(
        self, setting: str, task: str, metric: str = "R@1", variant: str = ONE_WORD
    ) -> list[float | None]:
        """Return a figure of each seed, or None where a seed does not have it."""
        found = self.results.get(setting, ())
        return [_figures(one, variant).get(task, {}).get(metric) for one in found]

    def ways(self, setting: str, metric: str, variant: str = ONE_WORD) -> str | None:
        """Return a figure as the paper writes it: texts to images / images to texts."""
        ways = [self.figure(setting, task, metric, variant) for task in (IMAGES, TEXTS)]
        return None if None in ways else " / ".join(map(str, ways))

    def table(self, columns: Mapping[str, Key], rows: Mapping[str, Key]) -> str:
        """Return a table in Markdown, without the rows that have a figure missing.

        A column is of a setting and a variant, a row of a task and a metric, by their titles.
        """
        lines = [f"|  | {' | '.join(columns)} |", f"| --- |{' ---: |' * len(columns)}"]
        for title, (task, metric) in rows.items():
            figures = [self.figure(one, task, metric, variant) for one, variant in columns.values()]
            if None not in figures:
                lines.append(f"| {title} | {' | '.join(map(str, figures))} |")
        return "\n".join(lines) + "\n"

    def compare(self, one: Sequence[str], other: Sequence[str], task: str) -> Verdict | None:
        """Compare R@1 or the correlation of two settings, each with a variant unless ONE_WORD."""
        metric = "Spearman" if task == PAIRS else "R@1"
        left, right = (self.figure(side[0], task, metric, *side[1:]) for side in (one, other))
        return compare(left, right) if left and right else None

    def gap(self, setting: str, name: str, variant: str = ONE_WORD) -> float | None:
        """Return a measure of the gap, the mean over seeds."""
        scores = [one["scores"].get(variant, {}) for one in self.results.get(setting, ())]
        return _mean([one["gap"][name] for one in scores if one.get("gap")])

    def cost_of(self, setting: str, name: str) -> float | None:
        """Return what a training cost, the mean over the seeds that ran where the base did."""
        made = [one for one in self.results.get(setting, ()) if one["cost"]]
        return _mean([one["cost"][name] for one in made if not self.is_elsewhere(one)])

    @property
    def elsewhere(self) -> list[Record]:
        """Results of another processor or dtype than the base's, whose seconds are not compared."""
        return [one for some in self.results.values() for one in some if self.is_elsewhere(one)]

    def is_elsewhere(self, result: Record) -> bool:
        """Return whether a result is of another processor or dtype than the base."""
        base = self.first("base")
        return base is not None and _place_of(result) != _place_of(base)


def _figures(result: Record, variant: str) -> Record:
    figures: Record = result["scores"].get(variant, {}).get("figures", {})
    return figures or result.get(variant, {})


def _place_of(result: Record) -> tuple[Any, ...]:
    machine = result.get("machine") or {}
    return machine.get("cpu"), result.get("dtype")


def _mean(values: Sequence[float]) -> float | None:
    return fmean(values) if values else None


def read_findings(folder: Path) -> Findings:
    """Read a folder of results."""
    files = sorted(folder.glob("*.json"))
    read = {file.stem: json.loads(file.read_text(encoding="utf-8")) for file in files}
    cost = read.pop("cost", None)
    results: dict[str, list[Record]] = {}
    for one in read.values():
        results.setdefault(one["setting"], []).append(one)
    return Findings(results, cost)
