"""Encoding on a CPU: e5v, the official E5-V code and sentence-transformers, side by side.

    python -m benchmarks.encode --sentences nli.csv --photos-dir photos/ [--texts 1000 ...]

    random checkpoint -> do all make the same vectors? -> speed of matrix products -> timed runs
    -> results/encode-cpu.json and two tables

`--sentences` is a CSV with a column sent0 (SimCSE's nli_for_simcse.csv, say); `--photos-dir` any
folder of .jpg. The model is a LLaVA-NeXT with SmolLM-135M's text shape and the paper's tiles. Every
run is a fresh process; contenders take turns, so that a slow spell of the machine hits all.

Two comparisons are made: all in one dtype (`--dtype`), and each as it comes (e5v picks bfloat16
where the CPU is fast at it; the others take float32, in which the checkpoint is stored).
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

import tyro
from rich.console import Console

from benchmarks.agreement import Agreement, check, lowest_cosine
from benchmarks.contenders import Job, Outcome, run
from benchmarks.flops import CountJob, count, matrix_shapes, total
from benchmarks.fresh import Runner, fresh
from benchmarks.machine import Rate, RateJob, describe_machine, describe_versions, measure_rate
from benchmarks.result import publish, say
from benchmarks.series import Entry, Series, Work, best_batches, in_two_calls, pick, ratios, table
from benchmarks.sizes import SIZES
from benchmarks.work import Task, make_tasks, read_photos, read_sentences

ST = "sentence-transformers"
ST_DEFAULT = 32  # its batch_size
NOTES = (
    "every run is a fresh process; the first item is encoded once, untimed, before the list is",
    "items are distinct: e5v embeds equal ones once",
    "official: texts 15 rows padded together, images one by one, logits, hidden states, KV cache",
    "sentence-transformers: one list per task; photos as PIL images, not decoded before the call; "
    "of a mixed list, the batch where photos end and texts begin is padded to a photo's length",
    "share: operations needed (benchmarks/flops.py) per second, over the best matmul rate",
)
QUIET = {
    "HF_HUB_OFFLINE": "1",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "TRANSFORMERS_VERBOSITY": "error",
}
RATE_ROWS = 4096
SQUARE = 2048


@dataclass(frozen=True)
class Settings:
    """Compare e5v with the official code and sentence-transformers on this machine's CPU.

    Args:
        sentences: a CSV with a column sent0; its first distinct ones are encoded.
        photos_dir: a folder of .jpg; the first distinct ones by name are encoded.
        out: where the result is written, as JSON.
        texts: how many sentences.
        photos: how many photos; about 2,200 tokens each.
        dtype: what all compute in for the comparison in one dtype.
        repeats: how often every run is repeated; the median counts.
        st_batches: values of sentence-transformers' batch_size to try in the one dtype.
        own_defaults: also compare each as it comes.
        tasks: what to encode.
        model: "small" is the one to report; "tiny" rehearses.

    """

    sentences: Path
    photos_dir: Path
    out: Path = Path("benchmarks/results/encode-cpu.json")
    texts: int = 1000
    photos: int = 100
    dtype: Literal["float32", "bfloat16"] = "float32"
    repeats: int = 3
    st_batches: tuple[int, ...] = (8, ST_DEFAULT)
    own_defaults: bool = True
    tasks: tuple[Literal["texts", "photos", "mixed"], ...] = ("texts", "photos", "mixed")
    model: Literal["small", "tiny"] = "small"

    def __post_init__(self) -> None:
        """Refuse what cannot be measured."""
        if min(self.texts, self.photos, self.repeats) < 1:
            raise SystemExit("texts, photos and repeats must each be at least 1")


@dataclass(frozen=True)
class Result:
    """All that was measured; `comparisons` says by name who is compared, `rates` is by dtype."""

    settings: Settings
    comparisons: Mapping[str, Sequence[Entry]]
    agreement: Agreement
    rates: Mapping[str, Rate]
    series: Sequence[Series]


@dataclass(frozen=True)
class BuildJob:
    """A checkpoint to write: its shape, and the file of sentences its tokenizer learns from."""

    folder: Path
    model: str
    sentences: Path


def build(job: BuildJob) -> None:
    """Write the random checkpoint that all contenders open."""
    from benchmarks.checkpoint import write

    write(job.folder, SIZES[job.model], read_sentences(job.sentences))


def own_dtype(device: str) -> str:
    """Name the dtype that e5v picks on a device."""
    import torch

    from e5v.model.devices import pick_dtype

    return str(pick_dtype("auto", torch.device(device))).removeprefix("torch.")


def line_up(settings: Settings, picked: str) -> dict[str, tuple[Entry, ...]]:
    """Say who is compared: all in one dtype, and each as it comes; e5v picks `picked` by itself."""
    dtype = settings.dtype
    peers = tuple(Entry(ST, dtype, batch_size) for batch_size in settings.st_batches)
    one_dtype = {f"all in {dtype}": (Entry("e5v", dtype), Entry("official", dtype), *peers)}
    own_defaults = (
        Entry("e5v", picked),
        Entry("official", "float32"),
        Entry(ST, "float32", ST_DEFAULT),
    )
    return one_dtype | ({"each as it comes": own_defaults} if settings.own_defaults else {})


def measure(settings: Settings, runner: Runner = fresh) -> Iterator[Result]:
    """Measure everything, and yield what is known after each task; the one story of this file."""
    sentences = read_sentences(settings.sentences)[: settings.texts]
    tasks = make_tasks(sentences, read_photos(settings.photos_dir, settings.photos))
    comparisons = line_up(settings, runner(own_dtype, "cpu"))
    entries = list(dict.fromkeys(chain(*comparisons.values())))

    with TemporaryDirectory(prefix="e5v-benchmark-") as folder:
        checkpoint = Path(folder)
        say(f"writing a {settings.model} model with random weights")
        runner(build, BuildJob(checkpoint, settings.model, settings.sentences))

        say("comparing vectors")
        agreement = check(checkpoint, tasks, runner)

        say("timing matrix products")
        dtypes = dict.fromkeys(entry.dtype for entry in entries)
        rates = {dtype: runner(measure_rate, _rate_job(settings, dtype)) for dtype in dtypes}

        series: list[Series] = []
        for task in (task for task in tasks if task.name in settings.tasks):
            work = _work(settings, checkpoint, task, runner)
            outcomes = _take_turns(entries, settings.repeats, checkpoint, task, runner)
            series += _series(task, work, outcomes, rates)
            yield Result(settings, comparisons, agreement, rates, tuple(series))


def _rate_job(settings: Settings, dtype: str) -> RateJob:
    layers = [(RATE_ROWS, *pair) for pair in matrix_shapes(SIZES[settings.model])]
    return RateJob(dtype, ((SQUARE, SQUARE, SQUARE), *layers))


def _work(settings: Settings, checkpoint: Path, task: Task, runner: Runner) -> Work:
    counts = runner(count, CountJob(checkpoint, task.items))
    return Work(
        items=len(task.items),
        tokens=sum(counts.tokens),
        shared_tokens=counts.shared,
        tiles=sum(counts.tiles),
        flops=total(SIZES[settings.model], counts),
    )


def _take_turns(
    entries: Sequence[Entry], repeats: int, checkpoint: Path, task: Task, runner: Runner
) -> dict[Entry, list[Outcome]]:
    """Run everyone once, then everyone again: A B C A B C."""
    outcomes: dict[Entry, list[Outcome]] = {entry: [] for entry in entries}
    for repeat in range(repeats):
        for entry in entries:
            job = Job(entry.contender, checkpoint, task.items, entry.dtype, entry.batch_size)
            outcome = runner(run, job)
            say(
                f"{task.name}, turn {repeat + 1} of {repeats}: {entry.label} in {entry.dtype}: "
                f"{outcome.seconds:.1f} s"
            )
            outcomes[entry].append(outcome)
    return outcomes


def _series(
    task: Task, work: Work, outcomes: Mapping[Entry, list[Outcome]], rates: Mapping[str, Rate]
) -> Iterator[Series]:
    ours = next(iter(outcomes.values()))[0].vectors  # e5v's, in the one dtype
    for entry, runs in outcomes.items():
        cosine = min(lowest_cosine(ours, outcome.vectors) for outcome in runs)
        yield Series(task.name, work, entry, tuple(runs), cosine, rates[entry.dtype].best)


def report(result: Result) -> dict[str, Any]:
    """Return the result as it is written down."""
    kept = ("texts", "photos", "dtype", "repeats", "st_batches", "own_defaults", "model")
    return {
        "what": "encoding texts, photos and both shuffled; seconds exclude opening the model",
        "when": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": asdict(describe_machine()),
        "versions": describe_versions(),
        "settings": {key: getattr(result.settings, key) for key in kept},
        "notes": list(NOTES),
        "model": asdict(SIZES[result.settings.model]),
        "agreement_in_float32": asdict(result.agreement),
        "matmul": {
            dtype: asdict(rate) | {"best": rate.best} for dtype, rate in result.rates.items()
        },
        "tasks": {one.task: asdict(one.work) for one in result.series},
        "series": [one.record() for one in result.series],
        "comparisons": {
            name: _comparison(pick(result.series, entries))
            for name, entries in result.comparisons.items()
        },
    }


def _comparison(series: Sequence[Series]) -> dict[str, Any]:
    return {
        "medians_over_e5v": ratios(series),
        "mixed_in_two_calls_over_e5v": in_two_calls(series),
        "quickest_batch_size_of_sentence_transformers": best_batches(series),
    }


def show(result: Result, console: Console) -> None:
    """Draw the comparisons."""
    for name, entries in result.comparisons.items():
        console.print(table(name.capitalize(), pick(result.series, entries)))
    for dtype, rate in result.rates.items():
        console.print(f"Matrix products in {dtype}: {rate.best / 1e9:.0f} GFLOP/s at best.")


def main() -> None:
    """Measure, write the result down after each task, and draw it."""
    os.environ |= QUIET
    settings = tyro.cli(Settings)
    publish(measure(settings), settings.out, report, show)


if __name__ == "__main__":
    main()
