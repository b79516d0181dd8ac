"""Indexing small items beside embedding them alone, and near-duplicates among many entries.

    python -m benchmarks.index

texts in files  -> `e5v.index` | `E5V.encode_iter` of the same texts -> CPU and wall seconds
made-up vectors -> `group_duplicates`                               -> seconds, memory, pairs found
                -> results/index-cpu.json

Each in a fresh process; of indexing and encoding the least of some turns, which alternate.
"""

import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np
import tyro

import e5v
from benchmarks.fresh import Runner, fresh
from benchmarks.machine import describe_machine, describe_versions
from benchmarks.memory import forget_peak, peak_since_mib
from benchmarks.result import publish, say
from benchmarks.work import read_sentences
from benchmarks.worlds import WORLDS, Drawer
from e5v import E5V
from e5v.search.duplicates import group_duplicates
from e5v.search.stored_vectors import LoadedVectors

if TYPE_CHECKING:
    from rich.console import Console

SENTENCES = Path("examples/nli/train.csv")
EACH = 500  # files in a folder
TARGET_SHARE, TARGET_SECONDS = 1.1, 60.0
NOTES = (
    "bundled model nano, whose forward pass is small: beside a larger one the rest is less",
    "seconds exclude opening the model and imports",
    "duplicates: clustered vectors and near-copies of some, threshold 0.99; compared are all pairs",
)


@dataclass(frozen=True)
class Settings:
    """Measure indexing and near-duplicates.

    Args:
        texts: files that are indexed, of a sentence each.
        repeats: turns of indexing and of encoding.
        rows: vectors among which near-duplicates are searched.
        dim: their width.
        out: where the result is written, as JSON.

    """

    texts: int = 3_000
    repeats: int = 3
    rows: int = 200_000
    dim: int = 2_048
    out: Path = Path("benchmarks/results/index-cpu.json")


@dataclass(frozen=True)
class Texts:
    """Sentences, the folder that has a file of each, and the one for the index."""

    sentences: tuple[str, ...]
    folder: Path
    index: Path


@dataclass(frozen=True)
class Took:
    """What some work took."""

    cpu_seconds: float
    wall_seconds: float
    peak_mib: float
    count: int


@dataclass(frozen=True)
class Known:
    """What is known so far; `count` is items, and of duplicates groups."""

    indexing: tuple[Took, ...] = ()
    encoding: tuple[Took, ...] = ()
    duplicates: Took | None = None


def index(texts: Texts) -> Took:
    """Index the folder."""
    model = E5V("nano")
    model.encode(texts.sentences[:32])
    return _take(lambda: e5v.index(texts.folder, index=texts.index, model=model).entries)


def encode(texts: Texts) -> Took:
    """Embed the sentences, and keep nothing."""
    model = E5V("nano")
    model.encode(texts.sentences[:32])
    return _take(lambda: sum(1 for _ in model.encode_iter(texts.sentences)))


def find_duplicates(size: tuple[int, int]) -> Took:
    """Group near-duplicates among vectors of a world, of which one in forty has a near-copy."""
    rows, dim = size
    half = Drawer(WORLDS[0], dim).rows(rows, 0).astype(np.float16)
    copies = max(1, rows // 40)
    noise = np.random.default_rng(0).normal(0, 0.02 / dim**0.5, (copies, dim))
    half[-copies:] = half[:copies] + noise.astype(np.float16)
    vectors = LoadedVectors(dim, np.arange(rows, dtype=np.uint64), lambda some: half[some])
    return _take(lambda: len(group_duplicates(vectors, np.arange(rows), 0.99)))


def _take(work: Any) -> Took:
    forget_peak()
    cpu, wall = time.process_time(), time.perf_counter()
    count = work()
    took = time.process_time() - cpu, time.perf_counter() - wall
    return Took(round(took[0], 2), round(took[1], 2), round(peak_since_mib()), count)


def measure(settings: Settings, runner: Runner = fresh) -> Iterator[Known]:
    """Yield what is known after each turn."""
    sentences = [f"{one} {place}" for place, one in enumerate(read_sentences(SENTENCES))]
    indexing: list[Took] = []
    encoding: list[Took] = []
    with TemporaryDirectory() as name:
        texts = Texts(tuple(sentences[: settings.texts]), Path(name) / "files", Path(name) / "0")
        _write_files(texts)
        for turn in range(settings.repeats):
            say(f"turn {turn + 1} of {settings.repeats}")
            texts = Texts(texts.sentences, texts.folder, Path(name) / str(turn))
            indexing.append(runner(index, texts))
            encoding.append(runner(encode, texts))
            yield Known(tuple(indexing), tuple(encoding))
    say("near-duplicates")
    duplicates = runner(find_duplicates, (settings.rows, settings.dim))
    yield Known(tuple(indexing), tuple(encoding), duplicates)


def _write_files(texts: Texts) -> None:
    for place, sentence in enumerate(texts.sentences):
        inner = texts.folder / f"{place // EACH:03d}"
        inner.mkdir(parents=True, exist_ok=True)
        (inner / f"{place}.txt").write_text(sentence)


def report(settings: Settings, known: Known) -> dict[str, Any]:
    """Return all that is written down."""
    return {
        "what": "indexing small texts beside embedding them alone, and near-duplicates",
        "notes": NOTES,
        "settings": {**asdict(settings), "out": str(settings.out)},
        "indexing_over_encoding": round(_least(known.indexing) / _least(known.encoding), 3),
        "targets": {"indexing_over_encoding": TARGET_SHARE, "duplicate_seconds": TARGET_SECONDS},
        **asdict(known),
        "machine": asdict(describe_machine()),
        "versions": describe_versions(),
    }


def _least(turns: tuple[Took, ...]) -> float:
    """Return the least CPU seconds: both do their work in one process, with the same threads."""
    return min(one.cpu_seconds for one in turns)


def show(known: Known, console: "Console") -> None:
    """Draw the table."""
    from rich.table import Table

    table = Table("work", "CPU, s", "wall, s", "MiB", "items or groups")
    works = {"indexing": known.indexing, "encoding": known.encoding}
    rows = [(name, one) for name, turns in works.items() for one in turns]
    rows += [("near-duplicates", known.duplicates)] if known.duplicates else []
    for name, one in rows:
        figures = f"{one.cpu_seconds:.1f}", f"{one.wall_seconds:.1f}", f"{one.peak_mib:,.0f}"
        table.add_row(name, *figures, f"{one.count:,}")
    console.print(table)


def main() -> None:
    """Measure, show and write."""
    settings = tyro.cli(Settings)
    publish(measure(settings), settings.out, lambda known: report(settings, known), show)


if __name__ == "__main__":
    main()
