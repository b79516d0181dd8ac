"""The input of a training run, and the records it yields.

Run -> fit -> Begun, then a Step for each step, and Measured where there is validation data
"""

import math
import time
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any, Unpack

from e5v.errors import UsageError, plural
from e5v.hub_sets import HubSplit
from e5v.model.adapters import ASKED_BY
from e5v.model.backbones import Tiling
from e5v.model.bundled import untuned_name
from e5v.model.locating import absolute_name
from e5v.model.opening import BaseOptions, DTypeName, OpenOptions
from e5v.places import local_path
from e5v.training.reading import read_triplets
from e5v.training.recipe import Recipe, check_shard
from e5v.training.record import digest_file, digest_model, list_parts
from e5v.training.triplets import Broken, Triplet, Triplets, collect_triplets
from e5v.training.validation import Measures


class TrainOptions(BaseOptions, total=False):
    """The options of `e5v.train` beside the recipe; the defaults are those of `Run`."""

    every: int
    resume: bool
    image_memory: float
    image_disk: float
    shard: bool
    track: tuple[str, ...]
    model_recipe: str | None


Data = Path | str | Iterable[Path | str] | Mapping[Path | str, float] | Iterable[Triplet]


@dataclass(frozen=True)
class Run:
    """Which model to train on which data, and the folder to write to.

    `data` are files of triplets, or hub:ORG/NAME:SPLIT; or triplets. `weights` are the shares of
    the files in what is trained on, in any unit; without any, a file's share is that of its rows.
    Every `every` steps there is a checkpoint, and a measurement on `evaluation` if that is given.
    Image tokens are kept in up to `image_memory` GiB of memory, and `image_disk` GiB of disk.
    With `shard`, the processes of torchrun divide the frozen layers (`e5v.training.shards`).
    `track` names trackers (`e5v.training.trackers`). `model_recipe` is how the model is asked
    (`e5v.model.recipes`), by default as it is known to be.
    """

    model: str
    data: tuple[Path, ...] | tuple[Triplet, ...]
    out: Path
    recipe: Recipe
    evaluation: Path | None = None
    every: int = 50
    resume: bool = False
    device: str | None = None
    dtype: DTypeName = "auto"
    trust_remote_code: bool = False
    tiling: Tiling = "correct"
    weights: tuple[float, ...] = ()
    image_memory: float = 2.0
    image_disk: float = 0.0
    shard: bool = False
    track: tuple[str, ...] = ()
    model_recipe: str | None = None

    def __post_init__(self) -> None:
        """Check what needs no data and no model.

        Raises:
            UsageError: `every` is below 1, the model is tuned already, the weights are not
                positive numbers, one for each file, or a cache is below 0; or layers are to be
                divided by one process, or in 4 bits.
        """
        if self.shard:
            check_shard(self.recipe)
        if self.weights and len(self.weights) != len(self.files):
            raise UsageError(
                f"there are {len(self.weights)} weights for {plural(len(self.files), 'file')}; "
                "expected one for each, or none",
                argument="data",
            )
        for weight in self.weights:
            if not (isinstance(weight, int | float) and 0 < weight < math.inf):
                raise UsageError(f"a weight is {weight}; expected above 0", argument="data")
        if self.every < 1:
            raise UsageError(f"every is {self.every}; expected at least 1", argument="every")
        if base := untuned_name(self.model):
            raise UsageError(
                f"model is {self.model}, which is tuned already; expected {base}", argument="model"
            )
        for name in ("image_memory", "image_disk"):
            if not 0 <= getattr(self, name) < math.inf:
                got = getattr(self, name)
                raise UsageError(f"{name} is {got}; expected 0 or more", argument=name)

    @classmethod
    def of(
        cls,
        model: str,
        data: Data,
        out: Path | str,
        recipe: Recipe,
        evaluation: Path | str | None = None,
        **options: Unpack[TrainOptions],
    ) -> "Run":
        """Return the run that the arguments of `e5v.train` describe."""
        if isinstance(data, Triplet) or not isinstance(data, Iterable | Path):
            raise UsageError(
                f"data is of type {type(data).__name__}; expected files or a list of triplets",
                argument="data",
            )
        sources = [data] if isinstance(data, str | Path) else list(data)
        paths = [local_path(one, "data") for one in sources if isinstance(one, str | Path)]
        triplets = [one for one in sources if not isinstance(one, str | Path)]
        if paths and triplets:
            raise UsageError("data has files and triplets; expected one of them", argument="data")
        held_out = None if evaluation is None else local_path(evaluation, "evaluation")
        weights = tuple(data.values()) if isinstance(data, Mapping) else ()
        folder = local_path(out, "out")
        run = cls(model, tuple(paths) or tuple(triplets), folder, recipe, held_out, **options)
        return replace(run, weights=weights)

    @property
    def opening(self) -> OpenOptions:
        """How the model is opened."""
        return {
            "device": self.device,
            "dtype": self.dtype,
            "trust_remote_code": self.trust_remote_code,
            "tiling": self.tiling,
            "recipe": self.model_recipe,
        }

    @property
    def files(self) -> list[Path]:
        """The files of the data; empty if the triplets are given."""
        return [one for one in self.data if isinstance(one, Path)]

    def read_data(self) -> Triplets:
        """Read the files, or check the triplets.

        Raises:
            DataError: the data cannot be used.
        """
        if self.files:
            return read_triplets(self.files)
        return collect_triplets(one for one in self.data if not isinstance(one, Path))

    def record(self, data: Triplets) -> dict[str, Any]:
        """Return the options, data and versions: a resumed run must have the same.

        Model, data and teacher are told by their content, too (`e5v.training.record`).

        Raises:
            DataError: the teacher's file cannot be read.
        """
        teacher = self.recipe.objective.teacher
        about = {
            "model": absolute_name(self.model),
            "model_content": digest_model(self.model),
            "data": [str(file if HubSplit.of(file) else file.absolute()) for file in self.files],
            "weights": self.weights or None,
            "rows": len(data.rows),
            "parts": list_parts(data.sources),
            "content": data.content,
            "teacher_content": digest_file(teacher) if teacher else None,
        }
        versions = {name: version(name) for name in ("e5v", "torch", "transformers", "peft")}
        opening = {"dtype": self.dtype, "tiling": self.tiling, ASKED_BY: self.model_recipe}
        told = self.recipe.told() | {"teacher": teacher and str(teacher.absolute())}
        return about | opening | told | versions


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

    `grad_norm` is the gradient norm before clipping; `cut` counts the truncated items. `sources`
    counts the rows of each file, by name; empty if there is one file.
    `seconds_left` is an estimate for all later steps.
    """

    step: int
    loss: float
    accuracy: float
    lr: float
    grad_norm: float
    tokens: int
    cut: int
    sources: Mapping[str, int] = field(default_factory=dict)
    seconds: float = 0.0
    seconds_left: float = 0.0

    @property
    def tokens_per_second(self) -> float:
        """Tokens trained on per second."""
        return self.tokens / self.seconds

    def line(self) -> Mapping[str, Any]:
        """Return the step as it is logged; `sources` only if there are several."""
        values = asdict(self) | {"tokens_per_second": round(self.tokens_per_second, 1)}
        return values if self.sources else {k: v for k, v in values.items() if k != "sources"}


@dataclass(frozen=True)
class Measured:
    """The measurement on held-out data after a step."""

    step: int
    measures: Measures

    def line(self) -> Mapping[str, float | None]:
        """Return the measurement as it is logged."""
        return {"step": self.step} | asdict(self.measures)


class Pace:
    """Measures the time of a step and estimates the time of those left."""

    def __init__(self, steps: int) -> None:
        self._left, self._done, self._spent = steps, 0, 0.0
        self.resume()

    def resume(self) -> None:
        """Restart the clock after work that is not a step."""
        self._since = time.perf_counter()

    def time(self, step: Step) -> Step:
        """Return a step that ends now with its time, and that of the steps left."""
        seconds = time.perf_counter() - self._since
        self._spent += seconds
        self._done += 1
        self._left -= 1
        self.resume()
        left = self._left * self._spent / self._done
        return replace(step, seconds=seconds, seconds_left=left)
