"""The cache of sign bits beside a copy of an index: made here, not copied.

quantizer.npz of the writer + vectors of the copied table -> signs-*, as the writer has them

With one quantizer the same vectors have the same signs, so a search finds the same everywhere.
"""

import shutil
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from e5v.files import remove_temporary, temporary_path
from e5v.search.entry_table import Table
from e5v.search.live import Live
from e5v.search.signs import BLOCK, PREFIX, Signs, append

QUANTIZER = "quantizer.npz"  # beside index.json in a copy, and in every folder of signs
FILES = ("signs.u64", "first.u64", "numbers.i64")


def find_quantizer(folder: Path) -> Path | None:
    """Return the quantizer that the writer of a folder uses, if there is one."""
    signs = Signs.read(folder)
    return None if signs is None else signs.folder / QUANTIZER


def follow_signs(folder: Path) -> None:
    """Bring the signs of a copied index up to date with its table and quantizer."""
    remove_temporary(folder, PREFIX)
    if not (folder / QUANTIZER).exists():
        remove_signs(folder)
        return
    table = Table.open(folder)
    live, there = table.live(), find_quantizer(folder)
    signs = Signs.read(folder)
    same = there is not None and there.read_bytes() == (folder / QUANTIZER).read_bytes()
    if signs is None or not same or not _can_grow(signs, live.numbers):
        _make(folder, table, live)
    else:
        _grow(signs, table, live)


def remove_signs(folder: Path) -> None:
    """Remove the signs of a copied index."""
    for path in folder.glob(f"{PREFIX}*"):
        shutil.rmtree(path, ignore_errors=True)


def _can_grow(signs: Signs, numbers: NDArray[np.int64]) -> bool:
    """Return whether all records but the newest have signs."""
    last = signs.numbers[-1] if len(signs.numbers) else 0
    return signs.rows(numbers[: np.searchsorted(numbers, last, side="right")]) is not None


def _grow(signs: Signs, table: Table, live: Live) -> Signs:
    """Append the signs of the records that have none."""
    last = signs.numbers[-1] if len(signs.numbers) else 0
    first = int(np.searchsorted(live.numbers, last, side="right"))
    for start in range(first, len(live.numbers), BLOCK):
        some = slice(start, start + BLOCK)
        signs = append(signs, live.numbers[some], table.vectors(live.addresses[some]))
    return signs


def _make(folder: Path, table: Table, live: Live) -> None:
    """Make the signs of all records in a new folder; remove older ones."""
    old = max(folder.glob(f"{PREFIX}*"), default=None)
    number = 1 if old is None else int(old.name.removeprefix(PREFIX)) + 1
    target = folder / f"{PREFIX}{number:06d}"
    part = temporary_path(target)
    try:
        fresh = part / target.name
        fresh.mkdir(parents=True)
        shutil.copyfile(folder / QUANTIZER, fresh / QUANTIZER)
        for name in FILES:
            (fresh / name).touch()
        signs = Signs.read(part)
        assert signs is not None  # made above
        _grow(signs, table, live)
        fresh.rename(target)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    for path in folder.glob(f"{PREFIX}*"):
        if path != target:
            shutil.rmtree(path, ignore_errors=True)
