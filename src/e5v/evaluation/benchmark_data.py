"""Reads the data of benchmarks, from folders or from the hub.

names, folder -> Benchmark, its folder -> Material, with notes on sizes that are not the paper's

A folder is read as it was published or, if it holds the hub's files, as the hub's copy.
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from e5v.data.records import DATA_SETS
from e5v.data.source import SOURCE, refuse_unfinished
from e5v.errors import DataError, UsageError
from e5v.evaluation.benchmarks import BENCHMARKS, Benchmark
from e5v.evaluation.captions import rendered
from e5v.evaluation.tasks import Material, Search

if TYPE_CHECKING:
    from e5v.evaluation.caption_images import Layout


def find_folder(benchmark: Benchmark, data: Path | None) -> Path | None:
    """Return the folder of a benchmark's data; None for the hub's copy.

    `data` is that folder, or a folder of such folders by name; those missing are read from the hub.
    """
    if data is None:
        return None
    own = data / (benchmark.folder or benchmark.name)
    several = any((data / (one.folder or one.name)).is_dir() for one in BENCHMARKS)
    several = several or any((data / one.home / SOURCE).is_file() for one in DATA_SETS)
    if own.is_dir():
        return own
    return None if several and benchmark.hub else data


def read_benchmark(
    benchmark: Benchmark,
    folder: Path | None,
    *,
    font: Path | None = None,
    layout: "Layout" = "basic",
) -> Material:
    """Read a benchmark's data from a folder, or from the hub without one.

    `font` is the font of drawn captions, and `layout` what places its letters.

    Raises:
        DataError: the folder or data set is missing, or its data cannot be used.
        UsageError: the hub has no copy, the font cannot be read, or there is no such layout.
        MissingExtraError: `datasets` is not installed.
    """
    if folder is not None:
        refuse_unfinished(folder)
    material = read_material(benchmark, folder)
    if notes := tuple(_compare_sizes(benchmark, material)):
        material = replace(material, notes=material.notes + notes)
    return rendered(material, font, layout) if benchmark.drawn else material


def read_material(benchmark: Benchmark, folder: Path | None) -> Material:
    """Read a benchmark's data as they are, whether or not their fetch is finished.

    Raises:
        DataError, UsageError, MissingExtraError: as for `read_benchmark`.
    """
    if folder is not None:
        if not folder.is_dir():
            raise DataError(f"{folder} is not a folder; give the folder of {benchmark.source}")
        copy = benchmark.hub.find_in(folder) if benchmark.hub else None
        return copy.open() if copy else benchmark.read(folder)
    if benchmark.hub is None:
        raise UsageError(
            f"benchmark {benchmark.name} is not on the hub; give a folder of its data "
            f"({benchmark.source})",
            argument="data",
        )
    return benchmark.hub.open()


def _compare_sizes(benchmark: Benchmark, material: Material) -> Iterator[str]:
    """Results numbers of queries or candidates that differ from the paper's."""
    for task in material.tasks:
        if not isinstance(task, Search) or task.name not in benchmark.sizes:
            continue
        sizes = len(task.queries[0].items), len(task.candidates.items)
        if sizes != (known := benchmark.sizes[task.name]):
            ours, papers = (
                f"{queries:,} in {candidates:,}" for queries, candidates in (sizes, known)
            )
            yield f"{task.name}: {ours}; in the paper {papers}"
