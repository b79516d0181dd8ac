"""How long a command takes until it is done: its first answer is its only one.

    python -m benchmarks.first_answer

20,000 small files -> an index of nano -> per command, a process of its own, some times
    search without a server | search beside a server | index, nothing changed
    -> wall and CPU seconds, the most resident memory, modules -> results/first-answer-cpu.json

Of the times the least is reported: all else is other work of the machine.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import tyro

from benchmarks.machine import describe_machine, describe_versions
from benchmarks.result import publish, say
from benchmarks.work import read_sentences

if TYPE_CHECKING:
    from rich.console import Console

SENTENCES = Path("examples/nli/train.csv")
EACH = 500  # files in a folder
HEAVY = (  # modules that a command may do without
    "torch",
    "torch._inductor",
    "transformers",
    "scipy",
    "pandas",
    "lance_namespace_urllib3_client.api",
)
NOTES = (
    "bundled model nano; the index and all libraries are in the page cache",
    "a process for each measurement, by the program's own entry point; the least of some",
    "cpu_seconds are user and system time of the process alone, peak_mib its most resident memory, "
    "at least that of the benchmark, 31 MiB",
    "heavy names what was imported of a list of slow libraries",
)
RUN = """
import json, os, sys
from e5v.cli import main
out = os.environ["FIRST_ANSWER"]
try:
    code = main()
finally:
    loaded = [name for name, module in sys.modules.items() if module]
    open(out, "w").write(json.dumps(loaded))
sys.exit(code)
"""


@dataclass(frozen=True)
class Settings:
    """Measure commands.

    Args:
        files: texts in the folder that is indexed.
        repeats: of each command.
        out: where the result is written, as JSON.

    """

    files: int = 20_000
    repeats: int = 5
    out: Path = Path("benchmarks/results/first-answer-cpu.json")


@dataclass(frozen=True)
class Measured:
    """What a command took, at least."""

    command: str
    wall_seconds: float
    cpu_seconds: float
    peak_mib: int
    modules: int
    heavy: tuple[str, ...]


def measure(settings: Settings) -> Iterator[tuple[Measured, ...]]:
    """Yield what is known after each command."""
    with TemporaryDirectory() as name:
        folder, index = Path(name) / "files", Path(name) / "index"
        _write_files(folder, settings.files)
        say(f"indexing {settings.files} files")
        at = ["--index", str(index)]
        _run(["index", str(folder), "--model", "nano", *at], Path(name))
        found: list[Measured] = []
        search = ["search", "a dog in the snow", *at]
        commands = [("search", search), ("index, nothing changed", ["index", *at])]
        for title, command in commands:
            found.append(_measure(title, command, settings.repeats, Path(name)))
            yield tuple(found)
        _run(["serve", "--background", "--port", "0", *at], Path(name))
        try:
            found.append(_measure("search, a server runs", search, settings.repeats, Path(name)))
        finally:
            _run(["serve", "--stop", *at], Path(name))
        yield tuple(found)


def _write_files(folder: Path, count: int) -> None:
    sentences = read_sentences(SENTENCES)
    for number in range(count):
        inner = folder / f"{number // EACH:03d}"
        inner.mkdir(parents=True, exist_ok=True)
        text = f"{sentences[number % len(sentences)]} {number}"
        (inner / f"{number}.txt").write_text(text)


def _measure(title: str, command: list[str], repeats: int, folder: Path) -> Measured:
    say(title)
    runs = [_run(command, folder) for _ in range(repeats)]
    wall, cpu, peak = (min(run[kind] for run in runs) for kind in ("wall", "cpu", "peak"))
    modules = runs[-1]["modules"]
    heavy = tuple(one for one in HEAVY if one in modules)
    return Measured(title, round(wall, 2), round(cpu, 2), round(peak), len(modules), heavy)


def _run(command: list[str], folder: Path) -> dict[str, Any]:
    """Run a command and return what it took.

    Raises:
        RuntimeError: it failed.
    """
    told = folder / "modules.json"
    environment = os.environ | {"FIRST_ANSWER": str(told)}
    begun = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-c", RUN, *command],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    assert process.stderr is not None
    with process.stderr as errors:
        lines = errors.read()
    _, status, used = os.wait4(process.pid, 0)
    wall = time.perf_counter() - begun
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"e5v {' '.join(command)}: {lines.decode()}")
    return {
        "wall": wall,
        "cpu": used.ru_utime + used.ru_stime,
        "peak": used.ru_maxrss / 2**10,
        "modules": json.loads(told.read_text()),
    }


def report(settings: Settings, found: tuple[Measured, ...]) -> dict[str, Any]:
    """Return all that is written down."""
    return {
        "what": "a command of its own: wall and CPU seconds, memory, and what it imports",
        "notes": NOTES,
        "settings": {**asdict(settings), "out": str(settings.out)},
        "commands": [asdict(one) for one in found],
        "machine": asdict(describe_machine()),
        "versions": describe_versions(),
    }


def show(found: tuple[Measured, ...], console: "Console") -> None:
    """Draw the table."""
    from rich.table import Table

    table = Table("command", "wall, s", "CPU, s", "MiB", "modules", "heavy")
    for one in found:
        times = f"{one.wall_seconds:.2f}", f"{one.cpu_seconds:.2f}"
        table.add_row(
            one.command, *times, str(one.peak_mib), str(one.modules), ", ".join(one.heavy)
        )
    console.print(table)


def main() -> None:
    """Measure, show and write."""
    settings = tyro.cli(Settings)
    publish(measure(settings), settings.out, lambda found: report(settings, found), show)


if __name__ == "__main__":
    main()
