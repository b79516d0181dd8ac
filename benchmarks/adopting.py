"""What `e5v index --vectors` does with a core: its CPU time, and what of it goes into writing.

    python -m benchmarks.adopting [--texts 3000] [--photos 300]

made-up captions | photos -> parts, by the bundled model -> adopted -> seconds of CPU time

CPU time is of all threads, so that a busy machine counts the same. `writing` is all that other
processes could do of it: rows, sign bits, and LanceDB's one commit.
"""

import io
import json
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import patch

import numpy as np
import PIL.Image
import tyro

from benchmarks.machine import describe_machine, describe_versions
from benchmarks.result import say, write_down

SIZE = (640, 480)  # pixels of a photo
DRAWN = 20  # photos drawn; the others differ in a few bytes after the end of the image


@dataclass(frozen=True)
class Settings:
    """Measure what adopting parts costs.

    Args:
        texts: how many captions.
        photos: how many photos, of 640 x 480.
        out: where the result is written, as JSON.

    """

    texts: int = 3_000
    photos: int = 300
    out: Path = Path("benchmarks/results/adopting-cpu.json")


@dataclass(frozen=True)
class Adopted:
    """Seconds of CPU time: in all, for thumbnails, and for writing."""

    entries: int
    seconds: float
    thumbnails: float
    writing: float


def make_texts(folder: Path, count: int) -> None:
    """Write captions, a line each."""
    texts = (f"a small dog number {n}, and what else a caption has" for n in range(count))
    lines = (json.dumps({"text": text}) + "\n" for text in texts)
    (folder / "lines.jsonl").write_text("".join(lines))


def make_photos(folder: Path, count: int) -> None:
    """Write photos of smooth noise."""
    draw = np.random.default_rng(0)
    drawn = []
    for _ in range(DRAWN):
        noise = PIL.Image.fromarray(draw.integers(0, 255, (24, 32, 3), np.uint8))
        file = io.BytesIO()
        noise.resize(SIZE, PIL.Image.Resampling.BICUBIC).save(file, "JPEG", quality=85)
        drawn.append(file.getvalue())
    for number in range(count):
        (folder / f"{number:06d}.jpg").write_bytes(drawn[number % DRAWN] + b"%06d" % number)


@contextmanager
def timing(spent: dict[str, float]) -> Iterator[None]:
    """Count the CPU time of what makes thumbnails and of what writes."""
    from e5v.search import sync
    from e5v.search.writer import Writer

    def timed(act: Callable[..., Any], name: str, clock: Callable[[], float]) -> Callable[..., Any]:
        def run(*arguments: Any, **options: Any) -> Any:
            begun = clock()
            try:
                return act(*arguments, **options)
            finally:
                spent[name] += clock() - begun

        return run

    with ExitStack() as stack:
        for owner, act, name, clock in (
            (sync, "thumbnail", "thumbnails", time.thread_time),
            (Writer, "commit", "writing", time.thread_time),
            (Writer, "_release", "writing", time.process_time),  # LanceDB has threads of its own
        ):
            stack.enter_context(patch.object(owner, act, timed(getattr(owner, act), name, clock)))
        yield


def adopt(things: Path, folder: Path, model: Any) -> Adopted:
    """Encode parts, and time their adoption."""
    import e5v

    parts = folder / "parts"
    inputs = [things / "lines.jsonl"] if (things / "lines.jsonl").exists() else [things]
    for _ in e5v.encode_parts(inputs, parts, model, part_rows=1_000):
        pass
    spent = dict.fromkeys(("thumbnails", "writing"), 0.0)
    with timing(spent):
        begun = time.process_time()
        done = e5v.index(index=folder / "index", vectors=parts)
        seconds = time.process_time() - begun
    return Adopted(done.entries, seconds, spent["thumbnails"], spent["writing"])


def measure(settings: Settings) -> dict[str, Adopted]:
    """Adopt texts, then photos; a small index first, so that nothing is imported meanwhile."""
    import e5v

    model = e5v.E5V("nano", dtype="float32", device="cpu")
    kinds = {
        "first": (make_texts, 1),
        "texts": (make_texts, settings.texts),
        "photos": (make_photos, settings.photos),
    }
    found = {}
    for kind, (make, count) in kinds.items():
        with TemporaryDirectory(prefix="e5v-benchmark-") as name:
            things = Path(name, "things")
            things.mkdir()
            make(things, count)
            found[kind] = adopt(things, Path(name), model)
            say(f"{kind}: {found[kind]}")
    del found["first"]
    return found


def report(settings: Settings, found: dict[str, Adopted]) -> dict[str, Any]:
    """Return the result as it is written down."""
    return {
        "what": "CPU seconds of adopting parts as an index, in all, for thumbnails and for writing",
        "when": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": asdict(describe_machine()),
        "versions": describe_versions(),
        "settings": {"texts": settings.texts, "photos": settings.photos, "size": SIZE},
        "adopted": {kind: asdict(one) for kind, one in found.items()},
        "rates": {kind: one.entries / one.seconds for kind, one in found.items()},
        "share_of_writing": {kind: one.writing / one.seconds for kind, one in found.items()},
    }


def main() -> None:
    """Measure, and write the result down."""
    settings = tyro.cli(Settings)
    write_down(settings.out, report(settings, measure(settings)))


if __name__ == "__main__":
    main()
