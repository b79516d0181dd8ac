"""The results of an evaluation, and its settings.

evaluator -> figures, runs, gap -> Report -> e5v.evaluation.report
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from e5v.evaluation.gap import Gap


@dataclass(frozen=True)
class Figure:
    """One number in percent, and the paper's; `note` says how the data differ from the paper's.

    `value` is None where it is undefined.
    """

    benchmark: str
    task: str
    metric: str
    value: float | None
    paper: float | None = None
    note: str = ""

    @property
    def difference(self) -> float | None:
        """Percentage points above the paper's figure."""
        if self.value is None or self.paper is None:
            return None
        return self.value - self.paper


@dataclass(frozen=True)
class BenchmarkRun:
    """The data of one benchmark, and what it took to embed them.

    `counts` has the items by kind ("images": 5000), `protocol` says what affects the figures,
    `notes` how the data differ from the paper's. Items were `embedded` in `seconds`, or
    `remembered` from the cache.
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
    """The settings of an evaluation.

    `turn` is the chat turn around the `prompts`, which are wordings by name and kind of item;
    `versions` are those of packages by name; `paper` names the model of the paper's figures;
    `when` is ISO 8601; `tiling` is how images were cut into tiles (`e5v.model.tiling`),
    `image_tokens` the most of an image if they were limited, `weights` how matrices were stored.
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
    runs: tuple[BenchmarkRun, ...]
    when: str
    tiling: str = "correct"
    image_tokens: int | None = None
    weights: str = "full"


@dataclass(frozen=True)
class Results:
    """All results of an evaluation; `gaps` by the name of the benchmark."""

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
