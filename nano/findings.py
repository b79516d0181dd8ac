"""What the results of the study say, setting by setting.

nano/results/*.json -> Findings -> Sample: mean, spread over seeds, error -> above, below or level

A difference counts if it is more than twice its standard error, which has two parts: so many
queries are a sample of all that could be asked, and so many seeds of all trainings.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
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
    """A figure in percent, once for each seed, over so many queries."""

    values: tuple[float, ...]
    queries: int

    @property
    def mean(self) -> float:
        """The mean over seeds."""
        return fmean(self.values)

    @property
    def spread(self) -> float | None:
        """The standard deviation over seeds, if there are several."""
        return stdev(self.values) if len(self.values) > 1 else None

    @property
    def error(self) -> float:
        """The standard error of the mean, of queries and seeds."""
        share = min(max(self.mean / 100, 0.0), 1.0)
        asked = 100 * math.sqrt(share * (1 - share) / self.queries)
        return math.hypot(asked, (self.spread or 0.0) / math.sqrt(len(self.values)))

    def __str__(self) -> str:
        """Write the mean, and the spread where there is one."""
        spread = "" if self.spread is None else f" ± {self.spread:.1f}"
        return f"{self.mean:.1f}{spread}"


def compare(left: Sample, right: Sample) -> Verdict:
    """Tell whether one figure is above another, as far as it can be told."""
    difference = left.mean - right.mean
    if abs(difference) <= SURE * math.hypot(left.error, right.error):
        return "level"
    return "above" if difference > 0 else "below"


@dataclass(frozen=True)
class Findings:
    """All results that are there: of each setting, one for each seed; and what pictures cost."""

    results: dict[str, list[Record]]
    cost: Record | None

    def first(self, setting: str) -> Record | None:
        """Return the result of the first seed."""
        return next(iter(self.results.get(setting, ())), None)

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
        """Return the mean of a figure both ways, texts to images and images to texts."""
        ways = [self.figure(setting, task, metric, variant) for task in (IMAGES, TEXTS)]
        if ways[0] is None or ways[1] is None:
            return None
        values = zip(ways[0].values, ways[1].values, strict=True)
        queries = ways[0].queries + ways[1].queries
        return Sample(tuple(fmean(pair) for pair in values), queries)

    def extra(self, setting: str, what: str, task: str, metric: str) -> Sample | None:
        """Return a figure of what only some settings are asked for."""
        kept = [one.get(what, {}) for one in self.results.get(setting, ())]
        return _sample([one.get(task, {}) for one in kept], metric)

    def gap(self, setting: str, name: str, variant: str = ONE_WORD) -> float | None:
        """Return a measure of the gap, the mean over seeds."""
        scores = [one["scores"].get(variant, {}) for one in self.results.get(setting, ())]
        values = [one["gap"][name] for one in scores if one.get("gap")]
        return fmean(values) if values else None

    def took(self, setting: str, name: str) -> float | None:
        """Return what a training took, the mean over seeds."""
        values = [one["cost"][name] for one in self.results.get(setting, ()) if one["cost"]]
        return fmean(values) if values else None


def _sample(cells: Sequence[Record], metric: str) -> Sample | None:
    """Gather a metric over seeds; none where a seed does not have it."""
    values = [one.get(metric) for one in cells]
    known = [one for one in values if one is not None]
    return Sample(tuple(known), cells[0]["queries"]) if known and len(known) == len(cells) else None


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
