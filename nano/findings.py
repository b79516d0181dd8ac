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

    def candidates(self) -> int:
        """Return among how many images a caption's is looked for."""
        count: int = self.results["base"][0]["scores"][ONE_WORD]["figures"][IMAGES]["candidates"]
        return count

    def seeds(self) -> int:
        """Return the largest number of seeds of any setting."""
        return max(map(len, self.results.values()))

    def title(self, setting: str) -> str:
        """Return what a setting is called."""
        title: str = self.results[setting][0]["title"]
        return title

    def figure(
        self, setting: str, task: str, metric: str, variant: str = ONE_WORD
    ) -> Sample | None:
        """Return a figure of a variant."""
        scores = [one["scores"].get(variant, {}) for one in self.results.get(setting, ())]
        return _sample([one.get("figures", {}).get(task, {}) for one in scores], metric)

    def both(self, setting: str, metric: str, variant: str = ONE_WORD) -> Sample | None:
        """Return the mean of a figure both ways, texts to images and images to texts.

        An image and its caption are one query of it: where one way fails, so does often the other.
        """
        ways = [self.figure(setting, task, metric, variant) for task in (IMAGES, TEXTS)]
        if ways[0] is None or ways[1] is None:
            return None
        values = zip(ways[0].values, ways[1].values, strict=True)
        first = zip(ways[0].first, ways[1].first, strict=True)
        return Sample(
            tuple(fmean(pair) for pair in values),
            ways[0].queries,
            tuple(tuple(map(fmean, zip(*pair, strict=True))) for pair in first),
        )

    def ways(self, setting: str, metric: str, variant: str = ONE_WORD) -> str | None:
        """Return a figure as the paper writes it: texts to images / images to texts."""
        ways = [self.figure(setting, task, metric, variant) for task in (IMAGES, TEXTS)]
        return None if None in ways else " / ".join(map(str, ways))

    def get(self, setting: str, kind: str, *names: str) -> Sample | None:
        """Return a `figure` or an `extra`, whichever `kind` says."""
        return (self.extra if kind == "extra" else self.figure)(setting, *names)

    def extra(self, setting: str, what: str, task: str, metric: str) -> Sample | None:
        """Return a figure of what only some settings are asked for."""
        kept = [one.get(what, {}) for one in self.results.get(setting, ())]
        return _sample([one.get(task, {}) for one in kept], metric)

    def gap(self, setting: str, name: str, variant: str = ONE_WORD) -> float | None:
        """Return a measure of the gap, the mean over seeds."""
        scores = [one["scores"].get(variant, {}) for one in self.results.get(setting, ())]
        values = [one["gap"][name] for one in scores if one.get("gap")]
        return fmean(values) if values else None

    def cost_of(self, setting: str, name: str) -> float | None:
        """Return what a training cost, the mean over seeds."""
        values = [one["cost"][name] for one in self.results.get(setting, ()) if one["cost"]]
        return fmean(values) if values else None


def _sample(cells: Sequence[Record], metric: str) -> Sample | None:
    """Gather a metric over seeds; none where a seed does not have it."""
    values = [one.get(metric) for one in cells]
    known = [one for one in values if one is not None]
    if not known or len(known) < len(cells):
        return None
    first = [one["first"] for one in cells if metric == "R@1" and "first" in one]
    return Sample(tuple(known), cells[0]["queries"], tuple(tuple(map(float, one)) for one in first))


def read_findings(folder: Path) -> Findings:
    """Read a folder of results."""
    results: dict[str, list[Record]] = {}
    for file in sorted(folder.glob("*.json")):
        if file.name != "cost.json":
            one = json.loads(file.read_text(encoding="utf-8"))
            results.setdefault(one["setting"], []).append(one)
    cost = folder / "cost.json"
    return Findings(
        results, json.loads(cost.read_text(encoding="utf-8")) if cost.exists() else None
    )
