"""What Ray costs: parts encoded by one process, and by actors that share out the cores.

    python -m benchmarks.scale_out [--texts 20000] [--part-rows 500] [--rounds 3]

texts -> parts, by one process | by one with a single thread | by Ray's actors -> rows a second

Each way is a fresh process with a folder of its own, and they take turns. A rate is counted from
the first part on, so that opening models and starting Ray are left out; `seconds` is all of it.
The files of all parts are compared with those of the first process with as many threads: the same
bytes are the same vectors, bit for bit. Other numbers of threads round otherwise.
"""

import hashlib
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import version
from itertools import accumulate
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import tyro
from rich.table import Table

from benchmarks.fresh import Runner, fresh
from benchmarks.machine import describe_machine, describe_versions
from benchmarks.result import publish, say

if TYPE_CHECKING:
    from e5v.model.opening import DTypeName
    from e5v.parts.job import PartsProgress

MODEL = "nano"
DTYPE: "DTypeName" = "float32"


@dataclass(frozen=True)
class Settings:
    """Measure what Ray's actors encode beside one process.

    Args:
        texts: how many are encoded.
        part_rows: texts of a part.
        actors: of Ray; the cores are shared out among them.
        rounds: in each, every way once.
        out: where the result is written, as JSON.

    """

    texts: int = 20_000
    part_rows: int = 500
    actors: int = 2
    rounds: int = 3
    out: Path = Path("benchmarks/results/scale-out-cpu.json")


@dataclass(frozen=True)
class Way:
    """One process of so many threads or, with `actors`, Ray with as many, each of so many cores."""

    name: str
    threads: int
    actors: int = 0


@dataclass(frozen=True)
class Job:
    """What a fresh process does."""

    way: Way
    lines: Path
    out: Path
    part_rows: int


@dataclass(frozen=True)
class Done:
    """What it took: `seconds` in all, `rate` in rows a second; `digest` is of all parts."""

    way: str
    seconds: float
    rate: float
    digest: str


def list_ways(settings: Settings) -> tuple[Way, ...]:
    """Return the ways, all of which have every core but the second."""
    cores = describe_machine().cores
    return (
        Way("one process", cores),
        Way("one process, one thread", 1),
        Way(f"{settings.actors} actors of Ray", max(1, cores // settings.actors), settings.actors),
    )


def encode(job: Job) -> Done:
    """Encode all parts, and time them."""
    begun = time.perf_counter()
    steps = _encode_with_ray(job) if job.way.actors else _encode_here(job)
    marks = [(time.perf_counter() - begun, done) for done in steps]
    first, *_, last, end = marks[1:]  # after the start, one for each part, and one for the commit
    assert end[1].manifest is not None
    rate = (last[1].done - first[1].done) / (last[0] - first[0])
    return Done(job.way.name, end[0], rate, _digest_parts(job.out))


def _encode_here(job: Job) -> "Iterator[PartsProgress]":
    import torch

    from e5v.model.malloc import keep_freed_memory
    from e5v.parts.job import encode_parts

    keep_freed_memory()  # as the command line and Ray's actors do
    torch.set_num_threads(job.way.threads)
    kind: dict[str, Any] = {"device": "cpu", "dtype": DTYPE}
    return encode_parts([job.lines], job.out, MODEL, part_rows=job.part_rows, **kind)


def _encode_with_ray(job: Job) -> "Iterator[PartsProgress]":
    from e5v.parts.actor import Work
    from e5v.parts.folders import open_folder
    from e5v.parts.job import find_model
    from e5v.parts.ray_engine import run_on_ray
    from e5v.parts.settings import PartOptions
    from e5v.parts.sources import make_sources

    model = find_model(MODEL, None, {"device": "cpu", "dtype": DTYPE})
    work = Work(open_folder(job.out), model, PartOptions(job.part_rows))
    return run_on_ray(make_sources([job.lines]), work, actors=job.way.actors, device="cpu")


def _digest_parts(out: Path) -> str:
    state = hashlib.blake2b(digest_size=16)
    for path in sorted(out.glob("*.parquet")):
        state.update(path.name.encode() + path.read_bytes())
    return state.hexdigest()


def measure(settings: Settings, runner: Runner = fresh) -> Iterator[Done]:
    """Encode in every way, in turns."""
    with TemporaryDirectory(prefix="e5v-benchmark-") as name:
        lines = Path(name, "lines.jsonl")
        lines.write_text("".join(f'"a small dog number {n}"\n' for n in range(settings.texts)))
        for number in range(settings.rounds):
            for place, way in enumerate(list_ways(settings)):
                out = Path(name, f"{number}-{place}")
                done = runner(encode, Job(way, lines, out, settings.part_rows))
                say(f"round {number + 1}, {way.name}: {done.rate:,.0f} rows/s")
                yield done


def report(settings: Settings, found: Sequence[Done]) -> dict[str, Any]:
    """Return the result as it is written down."""
    ways = list_ways(settings)
    rates = {way.name: [one.rate for one in found if one.way == way.name] for way in ways}
    seconds = {way.name: [one.seconds for one in found if one.way == way.name] for way in ways}
    medians = {name: median(some) for name, some in rates.items() if some}
    return {
        "what": "short texts encoded in parts a second, by one process and by actors of Ray",
        "when": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": asdict(describe_machine()),
        "versions": describe_versions() | {"ray": version("ray"), "pyarrow": version("pyarrow")},
        "settings": {
            "model": MODEL,
            "dtype": DTYPE,
            "texts": settings.texts,
            "part_rows": settings.part_rows,
            "rounds": settings.rounds,
        },
        "ways": [asdict(way) for way in ways],
        "rates": rates,
        "seconds": seconds,
        "medians": medians,
        "over_one_process": {name: rate / medians[ways[0].name] for name, rate in medians.items()},
        "same_bits": compare_bits(ways, found),
    }


def compare_bits(ways: Sequence[Way], found: Sequence[Done]) -> dict[str, bool]:
    """Return of each way whether all its parts are those of the first with as many threads."""
    digests = {way.name: {one.digest for one in found if one.way == way.name} for way in ways}
    first = {way.threads: way.name for way in reversed(ways)}
    pairs = ((way.name, first[way.threads]) for way in ways)
    return {
        name: len(digests[name] | digests[other]) == 1 for name, other in pairs if digests[name]
    }


def draw_table(told: dict[str, Any]) -> Table:
    """Draw what was measured."""
    drawn = Table("way", "rows/s, median", "of one process", "seconds in all, median")
    for name, rate in told["medians"].items():
        share, seconds = told["over_one_process"][name], median(told["seconds"][name])
        drawn.add_row(name, f"{rate:,.0f}", f"{share:.2f}", f"{seconds:.1f}")
    return drawn


def main() -> None:
    """Measure, write the result down after every way, and draw it."""
    settings = tyro.cli(Settings)
    publish(
        accumulate([one] for one in measure(settings)),
        settings.out,
        partial(report, settings),
        lambda found, console: console.print(draw_table(report(settings, found))),
    )


if __name__ == "__main__":
    main()
