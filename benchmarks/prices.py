"""The prices of `e5v models` beside real runs, of random models in some sizes, on this machine.

    python -m benchmarks.prices [--sizes small 500m 2b] [--photos 4] [--texts 64]

    a size -> random checkpoint -> its price, as `e5v models` estimates it
                                -> photos of 640x480 pixels and sentences, embedded and timed
    -> error of each estimate, their median -> results/prices-cpu.json

The share of the rates that a run reached is what `e5v.model.prices.EFFICIENCY` is taken from.
"""

import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import tyro
from rich.console import Console
from rich.table import Table

from benchmarks.fresh import Runner, fresh
from benchmarks.machine import describe_machine, describe_versions
from benchmarks.result import publish, say
from benchmarks.sizes import SIZES, Sizes
from benchmarks.work import read_photos, read_sentences

EXAMPLES = Path("examples")
SENTENCES = EXAMPLES / "nli" / "train.csv"
TARGET = 0.3  # the median error that is allowed
NOTES = (
    "every size is a fresh process; one photo and one text are embedded before the clock starts",
    "seconds are of one photo and of one text; the model is open already; with one_thread they are "
    "seconds of CPU, decoding included",
    "error is |estimated - measured| / measured",
    "ideal is the seconds of an item if all its work were done at the measured rates",
    "efficiency is ideal / measured",
)


@dataclass(frozen=True)
class Settings:
    """Compare estimated prices with real runs of random models.

    Args:
        sizes: names in benchmarks/sizes.py; 2b takes 20 GB of disk and memory.
        photos: how many photos are embedded.
        texts: how many sentences.
        photos_dir: a folder of .jpg; each is made 640x480 pixels large.
        device: where they run, by default the fastest.
        dtype: what they compute in; "auto" is bfloat16 where the hardware is fast at it.
        one_thread: compute on one thread and count its seconds of CPU, which others' work on the
            machine changes little.
        out: where the result is written, as JSON.

    """

    sizes: tuple[str, ...] = ("small", "500m")
    photos: int = 4
    texts: int = 64
    photos_dir: Path = EXAMPLES / "photos" / "images"
    device: str | None = None
    dtype: str = "auto"
    one_thread: bool = False
    out: Path = Path("benchmarks/results/prices-cpu.json")

    def __post_init__(self) -> None:
        """Refuse what cannot be measured."""
        if unknown := set(self.sizes) - SIZES.keys():
            raise SystemExit(f"{', '.join(unknown)}: expected sizes of {', '.join(SIZES)}")
        if min(self.photos, self.texts) < 1:
            raise SystemExit("photos and texts must each be at least 1")


@dataclass(frozen=True)
class Job:
    """One size to measure."""

    size: str
    settings: Settings


@dataclass(frozen=True)
class Row:
    """One estimate and its run: operations and seconds of one item."""

    size: str
    kind: str
    operations: int
    ideal: float
    estimated: float
    measured: float
    efficiency: float
    error: float


def describe_size(size: str) -> Any:
    """Return the record of a random model, as the catalogue has those of published ones."""
    from benchmarks.checkpoint import TILINGS
    from e5v.model.catalogue import CatalogueModel
    from e5v.model.photo_tokens import Tiles
    from e5v.model.shapes import Shape

    sizes = SIZES[size]
    pinpoints = tuple((high * sizes.tile, wide * sizes.tile) for high, wide in TILINGS)
    shape = Shape(_language(sizes), _tower(sizes))
    return CatalogueModel(size, "e5-v", shape, Tiles(sizes.tile, sizes.patch, pinpoints))


def _language(sizes: Sizes) -> Any:
    from e5v.model.shapes import Language

    return Language(
        sizes.layers,
        sizes.width,
        sizes.mlp,
        sizes.heads,
        sizes.kv_heads,
        sizes.vocabulary,
        tied=sizes.tied,
    )


def _tower(sizes: Sizes) -> Any:
    from e5v.model.shapes import Tower

    width = sizes.vision_width
    return Tower(
        sizes.vision_layers,
        width,
        sizes.vision_mlp,
        3 * sizes.patch**2,
        ((width, sizes.width), (sizes.width, sizes.width)),
        unread=1,
        places=sizes.patches + 1,
    )


def measure_size(job: Job) -> list[Row]:
    """Write a random checkpoint, price it, and time it."""
    import torch
    from PIL import Image

    from benchmarks.checkpoint import write
    from e5v import E5V
    from e5v.model.machine import find_machine, measure_rates
    from e5v.model.malloc import keep_freed_memory
    from e5v.model.prices import find_ideal, find_price

    settings, model = job.settings, describe_size(job.size)
    keep_freed_memory()  # as the command line does
    clock = time.perf_counter
    if settings.one_thread:
        torch.set_num_threads(1)
        clock = time.process_time
    files = read_photos(settings.photos_dir, settings.photos + 1)
    photos = [Image.open(file).convert("RGB").resize((640, 480)) for file in files]
    texts = read_sentences(SENTENCES)[: settings.texts + 1]
    with TemporaryDirectory(prefix="e5v-prices-") as folder:
        write(Path(folder), SIZES[job.size], read_sentences(SENTENCES))
        dtype: Any = settings.dtype
        opened = E5V(folder, device=settings.device, dtype=dtype)
        machine = find_machine(settings.device, settings.dtype)
        rates = measure_rates(machine, model.widths, clock)
        price = find_price(model, machine, rates, {})
        rows = []
        for kind, items, estimated in (
            ("photo", photos, price.photo),
            ("text", texts, price.text),
        ):
            measured, ideal = _time(opened, items, clock), find_ideal(model.work(kind), rates)
            rows.append(
                Row(
                    job.size,
                    kind,
                    sum(one.operations for one in model.work(kind).values()),
                    ideal,
                    estimated,
                    measured,
                    efficiency=ideal / measured,
                    error=abs(estimated - measured) / measured,
                )
            )
    return rows


def _time(model: Any, items: Sequence[Any], clock: Callable[[], float]) -> float:
    """Return the seconds of one item; the first is embedded before, untimed."""
    model.encode(items[:1])
    begun = clock()
    model.encode(items[1:])
    return (clock() - begun) / (len(items) - 1)


def measure(settings: Settings, runner: Runner = fresh) -> Iterator[list[Row]]:
    """Measure each size, and yield what is known after it."""
    rows: list[Row] = []
    for size in settings.sizes:
        say(f"a random model of size {size}")
        rows += runner(measure_size, Job(size, settings))
        yield rows


def report(settings: Settings, rows: Sequence[Row]) -> dict[str, Any]:
    """Return the result as it is written down."""
    return {
        "what": "prices of e5v models beside real runs of random models",
        "when": datetime.now(UTC).isoformat(timespec="seconds"),
        "notes": NOTES,
        "machine": asdict(describe_machine()),
        "versions": describe_versions(),
        "settings": asdict(settings) | {"photos_dir": str(settings.photos_dir), "out": None},
        "target": TARGET,
        "median_error": statistics.median(row.error for row in rows),
        "rows": [asdict(row) for row in rows],
    }


def show(rows: Sequence[Row], console: Console) -> None:
    """Draw the rows, and the median error."""
    table = Table("size", "kind", "estimated s", "measured s", "efficiency", "error")
    for row in rows:
        seconds = (f"{row.estimated:.3g}", f"{row.measured:.3g}")
        table.add_row(row.size, row.kind, *seconds, f"{row.efficiency:.2f}", f"{row.error:.0%}")
    console.print(table)
    console.print(f"median error {statistics.median(row.error for row in rows):.0%}")


def main() -> None:
    """Measure, and write down what was found."""
    settings = tyro.cli(Settings)
    publish(measure(settings), settings.out, lambda rows: report(settings, rows), show)


if __name__ == "__main__":
    main()
