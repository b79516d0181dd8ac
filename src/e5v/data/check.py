"""Check data that were fetched: source, checksums, rows, images.

DataSet, folder -> source.json -> a Finding each for source, files, every count of rows, and images
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from e5v.data.contents import SAMPLE, Contents, Reader, choose_places, find_unreadable
from e5v.data.fetch import find_layout, list_known
from e5v.data.records import DataSet
from e5v.data.source import Source, read_source, sha256
from e5v.errors import E5VError, MissingExtraError, plural

NAMED = 3  # faults that a finding names


@dataclass(frozen=True)
class Finding:
    """One check of a data set: what was found, and what was expected."""

    data: str
    check: str
    found: str
    expected: str = ""
    passed: bool = field(default=True, kw_only=True)


def check(
    data: DataSet, root: Path, read: Reader, *, all_images: bool = False
) -> Iterator[Finding]:
    """Check a data set of a folder, and yield each finding as soon as it is known.

    Args:
        data: the record of what is expected.
        root: the folder of data sets.
        read: reads the rows of the data in their folder.
        all_images: open every image; otherwise a sample of 200.

    Raises:
        MissingExtraError: a library that reads the data is not installed.
    """
    folder = root / data.home
    if not folder.is_dir():
        yield Finding(data.name, "source", "missing", f"a folder {folder}", passed=False)
        return
    try:
        source = read_source(folder)
    except E5VError as error:
        yield Finding(data.name, "source", str(error), passed=False)
        return
    yield _check_source(data, source)
    if source and not source.is_complete:
        return
    yield _check_files(data, folder, source)
    try:
        contents = read(data, folder)
    except MissingExtraError:
        raise
    except E5VError as error:
        yield Finding(data.name, "rows", str(error), passed=False)
        return
    yield from _check_rows(data, source, contents)
    yield from (Finding(data.name, "note", note) for note in contents.notes)
    if contents.images:
        yield _check_images(data, contents, None if all_images else SAMPLE)


def _check_source(data: DataSet, source: Source | None) -> Finding:
    """Check that the fetch was finished, at the revision that is pinned."""
    if source is None:
        found, expected, passed = "not fetched by e5v: no source.json", "", True
    elif not source.is_complete:
        found, expected, passed = "an unfinished fetch", "a finished one (fetch it again)", False
    else:
        pinned = {one.id: one.revision for one in data.sources if one.revision}
        others = [
            one for one in source.downloads if pinned.get(one.id, one.revision) != one.revision
        ]
        found, passed = source.revision, not others
        expected = ", ".join(pinned[one.id] or "" for one in others)
    return Finding(data.name, "source", found, expected, passed=passed)


def _check_files(data: DataSet, folder: Path, source: Source | None) -> Finding:
    """Compare checksums with those of `source.json` or, without it, with those that are known."""
    if source:
        known = {name: facts.sha256 for name, facts in source.files.items()}
    else:
        names = find_layout(data, folder) or []
        known = {name: list_known(data, None).get(name) for name in names}
    faults = []
    for name, expected in known.items():
        if not (folder / name).is_file():
            faults.append(f"{name} is missing")
        elif expected and (got := sha256(folder / name)) != expected:
            faults.append(f"{name} has the sha256 {got}, expected {expected}")
    if faults:
        return Finding(data.name, "files", _join(faults), passed=False)
    compared = sum(1 for expected in known.values() if expected)
    found = f"{plural(len(known), 'file')}, {plural(compared, 'checksum')} compared"
    expected = "" if known else "the published files"
    return Finding(data.name, "files", found, expected, passed=bool(known))


def _check_rows(data: DataSet, source: Source | None, contents: Contents) -> Iterator[Finding]:
    """Compare counts with those that are expected and, where none is, with those of the fetch."""
    counts = {**(source.rows if source else {}), **data.rows}
    for name, count in counts.items():
        found = contents.rows.get(name, 0)
        yield Finding(data.name, name, f"{found:,}", f"{count:,}", passed=found == count)


def _check_images(data: DataSet, contents: Contents, wanted: int | None) -> Finding:
    places = choose_places(len(contents.images), wanted)
    faults = list(find_unreadable(contents.images, places))
    if faults:
        found = f"{len(faults):,} of {len(places):,} cannot be opened: {_join(faults)}"
        return Finding(data.name, "opened images", found, passed=False)
    found = f"{len(places):,} of {len(contents.images):,} opened"
    return Finding(data.name, "opened images", found)


def _join(faults: list[str]) -> str:
    return "; ".join(faults[:NAMED]) + ("; ..." if len(faults) > NAMED else "")
