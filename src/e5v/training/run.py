"""The input of a training run, and the records it yields.

Run -> fit -> Begun, then a Step for each step, and Measured where there is held-out data
"""

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from e5v.model.loading import DTypeName
from e5v.training.recipe import Recipe
from e5v.training.triplets import Broken, Triplets
from e5v.training.validation import Measures


@dataclass(frozen=True)
class Run:
    """Which model to train on which data, and the folder to write to.

    Every `every` steps there is a checkpoint, and a measurement on `evaluation` if that is given.
    """

    model: str
    data: tuple[Path, ...]
    out: Path
    recipe: Recipe
    evaluation: Path | None = None
    every: int = 50
    resume: bool = False
    device: str | None = None
    dtype: DTypeName = "auto"
    trust_remote_code: bool = False

    def record(self, data: Triplets) -> dict[str, Any]:
        """Return the options, data and versions: a resumed run must have the same."""
        content = hashlib.blake2b(repr(data.rows).encode(), digest_size=16)
        if more := [row.more_negatives for row in data.rows if row.more_negatives]:
            content.update(repr(more).encode())
        files = [str(path) for path in self.data]
        model = str(Path(self.model).resolve()) if Path(self.model).is_dir() else self.model
        about = {
            "model": model,
            "data": files,
            "rows": len(data.rows),
            "content": content.hexdigest(),
        }
        versions = {name: version(name) for name in ("e5v", "torch", "transformers", "peft")}
        return about | {"dtype": self.dtype} | self.recipe.told() | versions


@dataclass(frozen=True)
class Begun:
    """Before the first step: the size of the data, and the step at which the run starts.

    `left_out` counts the held-out rows that are not measured on. `notes` name the unused columns
    of the data.
    """

    rows: int
    broken: tuple[Broken, ...]
    left_out: int
    weights: int
    step: int
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Step:
    """One step, from 1. `accuracy` is the share of anchors whose positive is nearest, 0 to 1.

    `cut` counts the texts that were truncated; `seconds_left` is an estimate for all later steps.
    """

    step: int
    loss: float
    accuracy: float
    lr: float
    grad_norm: float
    tokens: int
    cut: int
    seconds: float
    seconds_left: float

    @property
    def tokens_per_second(self) -> float:
        """Tokens trained on per second."""
        return self.tokens / self.seconds

    def line(self) -> Mapping[str, float]:
        """Return the step as it is logged."""
        return asdict(self) | {"tokens_per_second": round(self.tokens_per_second, 1)}


@dataclass(frozen=True)
class Measured:
    """The measurement on held-out data after a step."""

    step: int
    measures: Measures

    def line(self) -> Mapping[str, float | None]:
        """Return the measurement as it is logged."""
        return {"step": self.step} | asdict(self.measures)
