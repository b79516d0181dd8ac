"""Find new, changed and missing files by size and mtime alone; only JSON lines are read.

roots -> FoundFile -> differs from the catalog -> to read; in the catalog but not found -> missing

A file that is not found may return: a disk is mounted, a folder synchronised, a network share
reconnected. So its entries are missing, not removed; so are those of JSON lines that are emptied.
What cannot be listed is assumed to exist, and so are the lines that an unfinished file lacks.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from e5v.files import NO_FILE, read_state
from e5v.left_out import LeftOut
from e5v.media.locations import file_of
from e5v.search.catalog import Catalog
from e5v.search.claims import Claims
from e5v.search.keys import find_positions
from e5v.search.listing import Listing
from e5v.search.passages import LONGEST_PASSAGE
from e5v.search.reading import Reading
from e5v.search.rereading import is_blank
from e5v.search.scan import FoundFile, Unlisted
from e5v.search.scope import Scope


@dataclass(frozen=True)
class Changes:
    """The differences between folders and the catalog.

    Attributes:
        fresh: files to read, JSON lines first.
        gone: numbers of records to remove: of files that are excluded or no longer followed, and of
            images that JSON lines now describe.
        missing: numbers of records whose files are missing.
        present: numbers of records whose files were missing and are back unchanged.
        cured: sources whose faults no longer apply.
        unlisted: what could not be listed.
        left_out: skipped files of unsupported types.
        system_folders: hidden and system folders, which were not looked into.
        unchanged: number of unchanged files.
        away: roots that are missing.
        emptied: files of JSON lines that have records, but no lines now.
    """

    fresh: tuple[FoundFile, ...] = ()
    gone: Sequence[int] = ()
    missing: Sequence[int] = ()
    present: Sequence[int] = ()
    cured: tuple[str, ...] = ()
    unlisted: tuple[Unlisted, ...] = ()
    left_out: LeftOut = field(default_factory=LeftOut)
    system_folders: Collection[str] = ()
    unchanged: int = 0
    away: tuple[str, ...] = ()
    emptied: tuple[str, ...] = ()

    @property
    def weight(self) -> int:
        """An estimate of the number of items to embed."""
        return sum(map(weight, self.fresh))


def weight(found: FoundFile) -> int:
    """Estimate the number of items in a file."""
    return 1 + found.size // LONGEST_PASSAGE if found.form in {"text", "lines"} else 1


def compare(scope: Scope, catalog: Catalog, reading: Reading | None = None) -> Changes:
    """Compare folders with the catalog."""
    listing = Listing(scope, catalog, reading or Reading())
    emptied = _take_emptied(listing, catalog)
    claims = Claims(scope, catalog, listing)
    claims.settle()
    sorted_records = _sort_records(scope, catalog, claims)
    claimed = claims.changed
    fresh = [one for path, one in listing.changed.items() if path not in claimed]
    return Changes(
        fresh=tuple(sorted(fresh, key=lambda found: found.form != "lines")),
        gone=sorted_records.gone,
        missing=sorted_records.missing,
        present=sorted_records.present,
        cured=tuple(
            path
            for path in catalog.faults
            if (path not in listing.faulty and claims.could_be_seen(path)) or scope.drops(path)
        ),
        unlisted=listing.unlisted,
        left_out=listing.left_out,
        system_folders=listing.system_folders,
        unchanged=listing.unchanged,
        away=listing.away,
        emptied=emptied,
    )


def _take_emptied(listing: Listing, catalog: Catalog) -> tuple[str, ...]:
    """Treat indexed JSON lines that have no lines now as not found; return their paths."""
    emptied = tuple(
        path
        for path in sorted(listing.changed)
        if listing.changed[path].form == "lines"
        and is_blank(path)
        and catalog.records.of_source(path)
    )
    for path in emptied:
        listing.forget(path)
    return emptied


@dataclass
class _Sorted:
    """Numbers of the records that are gone, missing, and back."""

    gone: list[int] = field(default_factory=list)
    missing: list[int] = field(default_factory=list)
    present: list[int] = field(default_factory=list)


def _sort_records(scope: Scope, catalog: Catalog, claims: Claims) -> _Sorted:
    """Find the records that are gone, those missing, and those that are back."""
    found = _Sorted(gone=claims.gone)
    listing, keys = claims.listing, catalog.records.keys
    if catalog.marks.missing:
        marked = np.zeros(len(keys.numbers), bool)
        marked[find_positions(keys.numbers, catalog.missing())] = True
        slots = np.flatnonzero(listing.seen & marked[keys.sources.places])
        claimed = set(claims.gone)
        for one in catalog.records.at_slots(slots):
            if one.number not in claimed and one.source.path not in listing.changed:
                is_missing = read_state(file_of(one.path)) == NO_FILE
                (found.missing if is_missing else found.present).append(one.number)
    if not listing.seen.all():
        for number, path in _unseen_records(catalog, ~listing.seen):
            if scope.drops(path):
                found.gone.append(number)
            elif claims.could_be_seen(path):
                found.missing.append(number)
    return found


def _unseen_records(catalog: Catalog, unseen: NDArray[np.bool_]) -> Iterator[tuple[int, str]]:
    """Yield number and source of records by slot: few are read one by one, many in one pass."""
    keys = catalog.records.keys
    slots = np.flatnonzero(unseen)
    if len(slots) <= FEW:
        yield from ((one.number, one.source.path) for one in catalog.records.at_slots(slots))
        return
    wanted = np.zeros(len(keys.numbers), bool)
    wanted[keys.sources.places[slots]] = True
    for batch in catalog.records.scan(("row", "source")):
        numbers = batch["row"].to_numpy()
        some = wanted[find_positions(keys.numbers, numbers)]
        yield from zip(
            numbers[some].tolist(), batch["source"].filter(some).to_pylist(), strict=True
        )


FEW = 20_000  # records worth reading one by one
