"""What a reader finds in data: counts of rows, and images that must open.

Contents -> counts compared with those expected -> what differs
         -> images, a sample or all, decoded    -> what cannot be opened
"""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from e5v.data.records import DataSet
from e5v.errors import E5VError
from e5v.inputs import RawItem, normalise

SAMPLE = 200  # images that are opened, unless all are
AHEAD = 64  # images in memory at a time


@dataclass(frozen=True)
class Contents:
    """Counts of rows by what they are, all images, and what else is to be told."""

    rows: Mapping[str, int]
    images: Sequence[RawItem] = ()
    notes: tuple[str, ...] = ()


Reader = Callable[[DataSet, Path], Contents]  # reads a data set in its folder


def compare_rows(expected: Mapping[str, int], found: Mapping[str, int]) -> list[str]:
    """Say which counts differ, a line each: "4,000 images; expected 5,000"."""
    return [
        f"{found.get(name, 0):,} {name}; expected {count:,}"
        for name, count in expected.items()
        if found.get(name, 0) != count
    ]


def choose_places(count: int, wanted: int | None) -> list[int]:
    """Return the indices of `wanted` images out of `count`, evenly spaced; all of them for None."""
    if wanted is None or wanted >= count:
        return list(range(count))
    return [place * count // wanted for place in range(wanted)]


def find_unreadable(images: Sequence[RawItem], places: Sequence[int]) -> Iterator[str]:
    """Open images, by their indices, and yield why for each that cannot be opened."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for first in range(0, len(places), AHEAD):
            some = places[first : first + AHEAD]
            # They are fetched on one thread: a Parquet file keeps its last row group in memory.
            fetched = [_fetch(images, place) for place in some]
            for place, why in zip(some, pool.map(_explain_unreadable, fetched), strict=True):
                if why:
                    yield f"image {place + 1}: {why}"


def _fetch(images: Sequence[RawItem], place: int) -> RawItem | E5VError:
    try:
        return images[place]
    except E5VError as error:
        return error


def _explain_unreadable(raw: RawItem | E5VError) -> str:
    """Return why an image cannot be opened, or nothing."""
    from e5v.model.images import decode

    if isinstance(raw, E5VError):
        return str(raw)
    try:
        for image in normalise(raw).images:
            decode(image)
    except E5VError as error:
        return str(error)
    return ""
