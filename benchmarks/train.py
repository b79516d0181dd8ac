"""One training step on a CPU: e5v, the official script and sentence-transformers, side by side.

    python -m benchmarks.train --data nli.csv [--batch 768 --dtype bfloat16 ...]

    random checkpoint -> do all find the same loss and gradient? -> timed steps, in turns
    -> results/train-cpu.json and a table

`--data` is a file of triplets (SimCSE's nli_for_simcse.csv, say). With `--kind images` it is one of
captioned images (`--data examples/photos/captions.jsonl --batch 8 --mini-batches 1`); the official
script, which learns from texts only, then takes no part. The model is a LLaVA-NeXT with
SmolLM-135M's text shape; its language model alone is trained, with the paper's LoRA. Every step is
made in a fresh process; contenders take turns, so that a slow spell of the machine hits all.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any, Literal

import tyro
from rich.console import Console
from rich.table import Table

from benchmarks.encode import QUIET, ST
from benchmarks.fresh import Runner, fresh
from benchmarks.machine import describe_machine, describe_versions
from benchmarks.result import publish, say
from benchmarks.series import Entry
from benchmarks.sizes import SIZES
from benchmarks.training_contenders import KEPT, RECIPE, Job, Outcome, Stepped, run
from benchmarks.training_work import BATCH, FEW, BuildJob, Kind, build

OFFICIAL = "official"
CONTENDERS: Mapping[Kind, tuple[str, ...]] = {
    "texts": ("e5v", OFFICIAL, ST),
    "images": ("e5v", KEPT, ST),
}
COMMON = (
    "every step is made in a fresh process, after one on a few rows that is not timed",
    "seconds go from strings and files to moved weights: images, tokens, gradient, its clipping, "
    "AdamW",
    "LoRA on every linear layer of the language model, float32 under autocast; the rest frozen",
    "no item is there twice; texts were cut to 32 tokens before, prompts come on top",
    "sentence-transformers: CachedMultipleNegativesRankingLoss; anchors, positives and negatives "
    "are padded to the longest of each; batches of N: its mini_batch_size",
)
NOTES: Mapping[Kind, tuple[str, ...]] = {
    "texts": (
        *COMMON,
        "official: the language model alone, 24 triplets at a time padded left to a multiple of 8, "
        "logits, hidden states of all layers, activations computed again, gradients accumulated; "
        "so an anchor has 48 candidates, not two for every triplet of the batch: another, easier "
        "objective",
        "official: with e5v's prompt, shorter than its own, a mask that hides padding "
        "(--fix_attention_mask), and frozen weights in the dtype of the others, not in 4 bits",
    ),
    "images": (
        *COMMON,
        "a row is a photo and one of its captions; e5v: every photo is new, and seen by the frozen "
        "tower once; sentence-transformers runs the tower in both passes of its cached loss",
        "e5v with kept image tokens: as from the second epoch on, the tower has seen every photo",
    ),
}
SAME = 1e-3  # relative difference of losses and of lengths of gradients in float32, at most


@dataclass(frozen=True)
class Settings:
    """Compare a training step of e5v with the official script's and sentence-transformers'.

    Args:
        data: a file of triplets, or of captioned images; its first rows without an item in common
            are learned from.
        kind: "texts" for triplets of texts, "images" for pairs of an image and a text.
        out: where the result is written, as JSON.
        batch: rows of a step.
        dtype: what all compute in, and hold the frozen weights in.
        repeats: how often every step is repeated, from the start; the median counts.
        mini_batches: values of sentence-transformers' mini_batch_size to try.
        model: "small" is the one to report; "tiny" rehearses.

    """

    data: Path
    kind: Kind = "texts"
    out: Path = Path("benchmarks/results/train-cpu.json")
    batch: int = RECIPE.batch
    dtype: Literal["float32", "bfloat16"] = "bfloat16"
    repeats: int = 3
    mini_batches: tuple[int, ...] = (32, 16)
    model: Literal["small", "tiny"] = "small"

    def __post_init__(self) -> None:
        """Refuse what cannot be measured."""
        if self.batch < 2 or min(self.repeats, *self.mini_batches) < 1:  # noqa: PLR2004
            raise SystemExit("batch must be at least 2, repeats and mini-batches at least 1")


@dataclass(frozen=True)
class Agreement:
    """A contender's step next to e5v's, in float32, without dropout, from the same weights.

    The differences are relative: of the losses, and of the lengths of their gradients.
    """

    stepped: Stepped
    loss_difference: float
    gradient_difference: float


@dataclass(frozen=True)
class Series:
    """All steps of an entry."""

    entry: Entry
    rows: int
    outcomes: tuple[Outcome, ...]

    @property
    def median(self) -> float:
        """The middle repeat, in seconds."""
        return median(outcome.seconds for outcome in self.outcomes)

    @property
    def step_peak_mib(self) -> float | None:
        """The highest resident memory of any repeat during the step; None where unknown."""
        peaks = [outcome.step_peak_mib for outcome in self.outcomes]
        return max((peak for peak in peaks if peak is not None), default=None)

    def record(self, ours: float) -> dict[str, Any]:
        """Return everything for JSON; `ours` is e5v's median."""
        seconds = [outcome.seconds for outcome in self.outcomes]
        peak = self.step_peak_mib
        return {
            "contender": self.entry.contender,
            "dtype": self.entry.dtype,
            "mini_batch_size": self.entry.batch_size,
            "seconds": [round(one, 3) for one in seconds],
            "seconds_min": round(min(seconds), 3),
            "seconds_median": round(self.median, 3),
            "seconds_max": round(max(seconds), 3),
            "rows_per_second": round(self.rows / self.median, 3),
            "seconds_over_e5v": round(self.median / ours, 3),
            "peak_mib": round(max(outcome.peak_mib for outcome in self.outcomes)),
            "step_peak_mib": None if peak is None else round(peak),
            "loss": round(self.outcomes[0].stepped.loss, 4),
        }


@dataclass(frozen=True)
class Result:
    """All that was measured; the first series is e5v's."""

    settings: Settings
    agreement: Mapping[str, Agreement]
    series: Sequence[Series]


def line_up(settings: Settings) -> list[Entry]:
    """Say who takes part, e5v first."""
    alone = [Entry(name, settings.dtype) for name in CONTENDERS[settings.kind] if name != ST]
    return alone + [Entry(ST, settings.dtype, size) for size in settings.mini_batches]


def measure(settings: Settings, runner: Runner = fresh) -> Iterator[Result]:
    """Measure everything, and yield what is known after each turn; the one story of this file."""
    entries = line_up(settings)
    outcomes: dict[Entry, tuple[Outcome, ...]] = dict.fromkeys(entries, ())

    with TemporaryDirectory(prefix="e5v-benchmark-") as folder:
        checkpoint = Path(folder)
        say(f"writing a {settings.model} model with random weights")
        job = BuildJob(checkpoint, settings.model, settings.data, settings.batch, settings.kind)
        runner(build, job)

        say("comparing losses and gradients")
        agreement = check(checkpoint, runner, entries)

        for turn in range(settings.repeats):
            for entry in entries:
                rows = checkpoint / BATCH
                step = Job(entry.contender, checkpoint, rows, entry.dtype, entry.batch_size)
                outcome = runner(run, step)
                outcomes[entry] += (outcome,)
                say(
                    f"turn {turn + 1} of {settings.repeats}: {entry.label} in {entry.dtype}: "
                    f"{outcome.seconds:.1f} s"
                )
            series = [Series(entry, settings.batch, outcomes[entry]) for entry in entries]
            yield Result(settings, agreement, series)


def check(checkpoint: Path, runner: Runner, entries: Sequence[Entry]) -> dict[str, Agreement]:
    """Make a step on a few pairs, or a micro-batch of the official script, with everyone.

    On so few, the official objective is the same as the others'. The adapters start alike, so equal
    lengths of the gradient say that all go back through the same layers.

    Raises:
        SystemExit: a contender finds another loss or gradient than e5v.

    """
    jobs = {
        one.contender: Job(
            one.contender,
            checkpoint,
            checkpoint / FEW,
            "float32",
            one.batch_size,
            dropout=0.0,
            warm=False,
        )
        for one in entries
    }
    stepped = {name: runner(run, job).stepped for name, job in jobs.items()}
    found = {name: _agreement(one, stepped["e5v"]) for name, one in stepped.items()}
    for name, one in found.items():
        apart = max(one.loss_difference, one.gradient_difference)
        if not apart <= SAME:
            raise SystemExit(
                f"{name} finds another loss or gradient than e5v: {one.stepped}, "
                f"e5v {stepped['e5v']}; expected them within {SAME:g} of each other"
            )
    return found


def _agreement(stepped: Stepped, ours: Stepped) -> Agreement:
    return Agreement(
        stepped,
        abs(stepped.loss / ours.loss - 1),
        abs(stepped.gradient / ours.gradient - 1),
    )


def report(result: Result) -> dict[str, Any]:
    """Return the result as it is written down."""
    from torch import get_num_threads

    settings = result.settings
    kept = ("kind", "batch", "dtype", "repeats", "mini_batches", "model")
    packages = {name: version(name) for name in ("peft", "accelerate")}
    return {
        "what": "rows per second of one optimiser step; seconds exclude opening the model",
        "when": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": asdict(describe_machine()),
        "versions": describe_versions() | packages,
        "threads": get_num_threads(),
        "settings": {key: getattr(settings, key) for key in kept},
        "recipe": asdict(RECIPE.adapter)
        | {"lr": RECIPE.lr, "temperature": RECIPE.objective.temperature}
        | {"text_tokens": RECIPE.text_tokens},
        "notes": list(NOTES[settings.kind]),
        "model": asdict(SIZES[settings.model]),
        "agreement_in_float32": {name: asdict(one) for name, one in result.agreement.items()},
        "series": [one.record(result.series[0].median) for one in result.series],
    }


def show(result: Result, console: Console) -> None:
    """Draw the comparison."""
    settings = result.settings
    drawn = Table(
        title=f"One step on {settings.batch} rows of {settings.kind}, in {settings.dtype}"
    )
    drawn.add_column("contender", no_wrap=True)
    for column in ("seconds", "min to max", "rows/s", "x e5v", "peak MiB"):
        drawn.add_column(column, justify="right", no_wrap=True)
    for one in result.series:
        record = one.record(result.series[0].median)
        drawn.add_row(
            one.entry.label,
            f"{record['seconds_median']:.2f}",
            f"{record['seconds_min']:.2f} to {record['seconds_max']:.2f}",
            f"{record['rows_per_second']:.2f}",
            f"{record['seconds_over_e5v']:.2f}",
            f"{record['step_peak_mib'] or record['peak_mib']}",
        )
    console.print(drawn)


def main() -> None:
    """Measure, write the result down after each turn, and draw it."""
    os.environ |= QUIET
    settings = tyro.cli(Settings)
    publish(measure(settings), settings.out, report, show)


if __name__ == "__main__":
    main()
