"""Repeated runs of one contender on one task, and how contenders compare.

Outcomes -> Series -> record for JSON, ratio of medians, row of a table
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from rich.table import Table

from benchmarks.contenders import Outcome


@dataclass(frozen=True)
class Entry:
    """A contender as it takes part: `batch_size` is None for those that choose it themselves."""

    contender: str
    dtype: str
    batch_size: int | None = None

    @property
    def label(self) -> str:
        """Name the entry within a comparison."""
        return self.contender + (f", batches of {self.batch_size}" if self.batch_size else "")


@dataclass(frozen=True)
class Work:
    """What a task is: its items, tokens and tiles, and the operations its vectors need."""

    items: int
    tokens: int
    shared_tokens: int
    tiles: int
    flops: int


@dataclass(frozen=True)
class Series:
    """All runs of an entry on a task; `cosine` is the lowest to e5v's vectors in the same run.

    `rate` is the machine's best rate of multiplying matrices in the entry's dtype.
    """

    task: str
    work: Work
    entry: Entry
    outcomes: tuple[Outcome, ...]
    cosine: float
    rate: float

    @property
    def seconds(self) -> list[float]:
        """Every repeat, in order."""
        return [outcome.seconds for outcome in self.outcomes]

    @property
    def median(self) -> float:
        """The middle repeat, in seconds."""
        return median(self.seconds)

    @property
    def peak_mib(self) -> float:
        """The highest resident memory of any repeat, opening the model included."""
        return max(outcome.peak_mib for outcome in self.outcomes)

    @property
    def encode_peak_mib(self) -> float | None:
        """The highest resident memory of any repeat while encoding; None where unknown."""
        peaks = [outcome.encode_peak_mib for outcome in self.outcomes]
        return max((peak for peak in peaks if peak is not None), default=None)

    @property
    def share(self) -> float:
        """Needed operations per second, as a share of the machine's rate: 0 to 1."""
        return self.work.flops / self.median / self.rate

    def record(self) -> dict[str, Any]:
        """Return everything for JSON."""
        return {
            "task": self.task,
            "contender": self.entry.contender,
            "dtype": self.entry.dtype,
            "batch_size": self.entry.batch_size,
            "seconds": [round(seconds, 3) for seconds in self.seconds],
            "seconds_min": round(min(self.seconds), 3),
            "seconds_median": round(self.median, 3),
            "seconds_max": round(max(self.seconds), 3),
            "items_per_second": round(self.work.items / self.median, 3),
            "peak_mib": round(self.peak_mib),
            "encode_peak_mib": None
            if self.encode_peak_mib is None
            else round(self.encode_peak_mib),
            "share_of_matmul_rate": round(self.share, 4),
            "lowest_cosine_to_e5v": round(self.cosine, 6),
        }


def pick(series: Iterable[Series], entries: Sequence[Entry]) -> list[Series]:
    """Return the series of a comparison, task by task in the order of its entries."""
    tasks: dict[str, dict[Entry, Series]] = {}
    for one in series:
        tasks.setdefault(one.task, {})[one.entry] = one
    return [found[entry] for found in tasks.values() for entry in entries]


def ratios(series: Sequence[Series]) -> dict[str, dict[str, float]]:
    """Say for every task how many times e5v's median each entry took: task -> label -> times."""
    ours = {one.task: one.median for one in series if one.entry.contender == "e5v"}
    found: dict[str, dict[str, float]] = {task: {} for task in ours}
    for one in series:
        found[one.task][one.entry.label] = round(one.median / ours[one.task], 3)
    return found


def in_two_calls(series: Sequence[Series]) -> dict[str, float]:
    """Say how many times e5v's median of the mixed list it takes to give each kind its own call."""
    medians = {(one.entry, one.task): one.median for one in series}
    ours = next(
        (one for one in series if (one.entry.contender, one.task) == ("e5v", "mixed")), None
    )
    if ours is None:  # not measured yet
        return {}
    return {
        entry.label: round((medians[entry, "texts"] + medians[entry, "photos"]) / ours.median, 3)
        for entry in dict.fromkeys(one.entry for one in series)
    }


def best_batches(series: Sequence[Series]) -> dict[str, int]:
    """Say for every task with which batch size sentence-transformers was quickest."""
    sized = [one for one in series if one.entry.batch_size]
    slowest_first = sorted(sized, key=lambda one: -one.median)
    best = {one.task: one.entry.batch_size or 0 for one in slowest_first}
    return {one.task: best[one.task] for one in sized}


def table(title: str, series: Sequence[Series]) -> Table:
    """Draw one comparison."""
    drawn = Table(title=title)
    for column in ("task", "contender", "dtype"):
        drawn.add_column(column, no_wrap=True)
    for column in ("seconds", "min to max", "items/s", "x e5v", "peak MiB", "share", "cosine"):
        drawn.add_column(column, justify="right", no_wrap=True)
    times = ratios(series)
    for one in series:
        drawn.add_row(
            one.task,
            one.entry.label,
            one.entry.dtype,
            f"{one.median:.2f}",
            f"{min(one.seconds):.2f} to {max(one.seconds):.2f}",
            f"{one.work.items / one.median:.2f}",
            f"{times[one.task][one.entry.label]:.2f}",
            f"{one.encode_peak_mib or one.peak_mib:.0f}",
            f"{one.share:.0%}",
            f"{one.cosine:.5f}",
        )
    return drawn
