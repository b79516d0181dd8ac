"""What weights in fewer bits save, cost and change: memory, speed, agreement with bfloat16.

    python -m benchmarks.weights

a random model of 1B          -> a fresh process per way -> MiB, CPU seconds, vectors -> cosines
photos, merged into a folder  -> by way -> recall on examples/photos, Spearman on examples/scenes
                              -> results/weights-cpu.json

The vectors of a random model say nothing of what is lost; those of photos, whose weights are real,
do: hence both.
"""

import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
import tyro
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

import e5v
from benchmarks.checkpoint import write
from benchmarks.fresh import Runner, fresh
from benchmarks.machine import describe_machine, describe_versions
from benchmarks.memory import forget_peak, peak_since_mib
from benchmarks.result import publish, say
from benchmarks.sizes import SIZES
from benchmarks.work import read_photos, read_sentences
from e5v import E5V
from e5v.model.loading import load
from e5v.model.opening import Weights
from e5v.model.torchao_internals import list_plain

EXAMPLES = Path("examples")
WAYS: tuple[Weights, ...] = ("full", "8bit", "4bit")
NOTES = (
    "computed in bfloat16; full is bfloat16, too; one thread; a fresh process for each way",
    "weights_mib are the tensors of the open model; peak_mib the most resident memory while it is "
    "opened and used, the library included",
    "seconds are CPU seconds of the texts and of the photos, the best of some rounds",
    "cosines are to the vectors of full weights, of the same item",
    "photos: its adapter is merged into a folder first; figures in percent, correlation times 100",
)


@dataclass(frozen=True)
class Settings:
    """Measure weights in fewer bits.

    Args:
        sizes: of the random model: 1b, small, tiny.
        texts: sentences to embed.
        photos: photos to embed.
        rounds: how often they are embedded; the best counts.
        model: the model of real weights; it has to be assembled. Empty for none.
        out: where the result is written, as JSON.

    """

    sizes: str = "1b"
    texts: int = 64
    photos: int = 2
    rounds: int = 2
    model: str = "photos"
    out: Path = Path("benchmarks/results/weights-cpu.json")


@dataclass(frozen=True)
class Job:
    """A checkpoint to open in a way, and what to embed with it."""

    checkpoint: Path
    way: Weights
    texts: tuple[str, ...]
    photos: tuple[Path, ...]
    rounds: int


@dataclass(frozen=True)
class Outcome:
    """What a process measured; `rows` are the vectors of the texts, then of the photos."""

    weights_mib: float
    peak_mib: float
    open_seconds: float
    text_seconds: float
    photo_seconds: float
    rows: NDArray[np.float32]


@dataclass(frozen=True)
class Measured:
    """A way, with its cosines to full weights."""

    way: str
    weights_mib: int
    peak_mib: int
    open_seconds: float
    text_seconds: float
    photo_seconds: float
    mean_cosine: float
    lowest_cosine: float


@dataclass(frozen=True)
class Scored:
    """A way, with the figures of a model of real weights."""

    way: str
    figures: dict[str, float]
    mean_cosine: float
    lowest_cosine: float


@dataclass(frozen=True)
class Known:
    """What is known so far."""

    random: tuple[Measured, ...] = ()
    real: tuple[Scored, ...] = ()


def use(job: Job) -> Outcome:
    """Open a checkpoint, embed, and say what it took."""
    torch.set_num_threads(1)
    forget_peak()
    begun = time.process_time()
    model = E5V(job.checkpoint, device="cpu", dtype="bfloat16", weights=job.way)
    opened = time.process_time() - begun
    texts, photos = list(job.texts), list(job.photos)
    rows = [model.encode(texts)] + [model.encode(photos)] * bool(photos)
    return Outcome(
        weights_mib=_bytes(model) / 2**20,
        peak_mib=peak_since_mib(),
        open_seconds=opened,
        text_seconds=min(_seconds(model, texts) for _ in range(job.rounds)),
        photo_seconds=min(_seconds(model, photos) for _ in range(job.rounds)) if photos else 0.0,
        rows=np.concatenate(rows),
    )


def _bytes(model: E5V) -> int:
    """Return the bytes of all weights; those of a quantised matrix are in the tensors in it."""
    held = model.loaded.model.state_dict().items()
    return sum(part.nbytes for name, one in held for _, part in list_plain(name, one))


def _seconds(model: E5V, items: list[Any]) -> float:
    begun = time.process_time()
    model.encode(items)
    return time.process_time() - begun


def measure(settings: Settings, runner: Runner = fresh) -> Iterator[Known]:
    """Yield what is known after each way."""
    sentences = read_sentences(EXAMPLES / "nli" / "train.csv")
    photos = read_photos(EXAMPLES / "photos" / "images", max(settings.photos, 1))
    ways: list[Measured] = []
    with TemporaryDirectory() as name:
        folder = Path(name)
        write(folder, SIZES[settings.sizes], sentences, dtype=torch.bfloat16)
        reference = None
        for way in WAYS:
            say(f"the random model, {way}")
            items = tuple(sentences[: settings.texts]), tuple(photos[: settings.photos])
            found = runner(use, Job(folder, way, *items, settings.rounds))
            reference = found.rows if reference is None else reference
            ways.append(_summarise(way, found, reference))
            yield Known(tuple(ways))
    for scored in score(settings) if settings.model else ():
        yield Known(tuple(ways), scored)


def _summarise(way: str, found: Outcome, reference: NDArray[np.float32]) -> Measured:
    cosines = (found.rows * reference).sum(1)
    return Measured(
        way,
        round(found.weights_mib),
        round(found.peak_mib),
        round(found.open_seconds, 2),
        round(found.text_seconds, 2),
        round(found.photo_seconds, 2),
        round(float(cosines.mean()), 5),
        round(float(cosines.min()), 5),
    )


def score(settings: Settings) -> Iterator[tuple[Scored, ...]]:
    """Evaluate the model of real weights by way, and yield what is known after each."""
    items = [*read_photos(EXAMPLES / "photos" / "images", 9999)]
    items += read_sentences(EXAMPLES / "nli" / "train.csv")[:200]  # type: ignore[arg-type]
    found: list[Scored] = []
    with TemporaryDirectory() as name:
        folder, pairs = Path(name) / "merged", Path(name) / "pairs"
        merged = load(settings.model, device="cpu", dtype="bfloat16")
        merged.model.save_pretrained(folder)
        merged.processor.save_pretrained(folder)
        pairs.mkdir()
        (pairs / "pairs.tsv").write_bytes((EXAMPLES / "scenes" / "pairs.tsv").read_bytes())
        reference = None
        for way in WAYS:
            say(f"{settings.model}, {way}")
            model = E5V(folder, device="cpu", dtype="bfloat16", weights=way)
            rows = model.encode(items)
            reference = rows if reference is None else reference
            figures = find_figures(model, EXAMPLES / "photos") | find_figures(model, pairs)
            cosines = (rows * reference).sum(1)
            lowest, mean = round(float(cosines.min()), 5), round(float(cosines.mean()), 5)
            found.append(Scored(way, figures, mean, lowest))
            yield tuple(found)


def find_figures(model: E5V, data: Path) -> dict[str, float]:
    """Return the scores of a model on a folder in percent, by task and metric."""
    scores = e5v.evaluate(model, data=data).scores
    known = {f"{one.task}, {one.metric}": one.value for one in scores}
    return {name: round(value, 2) for name, value in known.items() if value is not None}


def report(settings: Settings, known: Known) -> dict[str, Any]:
    """Return all that is written down."""
    return {
        "what": "memory, time and agreement of weights in 8 and 4 bits, on a CPU",
        "notes": NOTES,
        "settings": {**asdict(settings), "out": str(settings.out), "threads": 1},
        "random": [asdict(one) for one in known.random],
        "real": [asdict(one) for one in known.real],
        "machine": asdict(describe_machine()),
        "versions": describe_versions(),
    }


def show(known: Known, console: Console) -> None:
    """Draw both tables."""
    table = Table("weights", "MiB", "peak MiB", "texts, s", "photos, s", "cosine", "lowest")
    for one in known.random:
        sizes = f"{one.weights_mib:,}", f"{one.peak_mib:,}"
        times = f"{one.text_seconds:.2f}", f"{one.photo_seconds:.2f}"
        table.add_row(one.way, *sizes, *times, f"{one.mean_cosine:.4f}", f"{one.lowest_cosine:.4f}")
    console.print(table)
    names = list(known.real[0].figures) if known.real else []
    table = Table("weights", "cosine", "lowest", *names)
    for real in known.real:
        values = [f"{real.figures.get(name, 0):.1f}" for name in names]
        table.add_row(real.way, f"{real.mean_cosine:.4f}", f"{real.lowest_cosine:.4f}", *values)
    console.print(table)


def main() -> None:
    """Measure, show and write."""
    settings = tyro.cli(Settings)
    torch.set_num_threads(1)
    publish(measure(settings), settings.out, lambda known: report(settings, known), show)


if __name__ == "__main__":
    main()
