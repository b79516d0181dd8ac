"""What an evaluation found, and what it was found with.

evaluator -> figures, runs, gap -> Report -> e5v.evaluation.report
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from e5v.evaluation.gap import Gap


@dataclass(frozen=True)
class Figure:
    """One number in percent, and the paper's; `note` says where the data are not the paper's.

    `value` is None where there is none: the correlation of what does not vary.
    """

    benchmark: str
    task: str
    metric: str
    value: float | None
    paper: float | None = None
    note: str = ""

    @property
    def difference(self) -> float | None:
        """By how many points the value is above the paper's."""
        if self.value is None or self.paper is None:
            return None
        return self.value - self.paper


@dataclass(frozen=True)
class Run:
    """The data of one benchmark, and what it took to embed them.

    `counts` says of what there was how much ("images": 5000), `protocol` what moves the numbers,
    `notes` where the data differ from the paper's. Items were `embedded` in `seconds`, or
    `remembered` from an earlier run.
    """

    benchmark: str
    protocol: str
    revision: str
    counts: Mapping[str, int]
    embedded: int
    remembered: int
    seconds: float
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Setting:
    """What was measured with.

    `turn` is the chat turn around the `prompts`, which are wordings by name and kind of item;
    `versions` are those of packages by name; `paper` says of which model the paper's figures are;
    `when` is ISO 8601.
    """

    model: str
    fingerprint: str
    dtype: str
    device: str
    readout: str
    turn: str
    prompts: Mapping[str, str]
    paper: str
    versions: Mapping[str, str]
    runs: tuple[Run, ...]
    when: str


@dataclass(frozen=True)
class Report:
    """All that an evaluation says; `gaps` by what they are of, as benchmarks are named."""

    setting: Setting
    figures: tuple[Figure, ...]
    gaps: Mapping[str, Gap] = field(default_factory=dict)

    @property
    def by_benchmark(self) -> dict[str, list[Figure]]:
        """The figures of each benchmark, in the order in which they come."""
        groups: dict[str, list[Figure]] = {}
        for figure in self.figures:
            groups.setdefault(figure.benchmark, []).append(figure)
        return groups
