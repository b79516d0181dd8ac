"""Fetch a data set: whole, as published, and written down.

DataSet, folder -> there already | a local copy | downloaded from the hub, continued if interrupted
                -> archives unpacked -> checksums and rows as expected -> source.json

Only `source.json` with files in it says that data are complete, and it is written last.
"""

import shutil
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from e5v.captions import CAPTIONS
from e5v.data.contents import Reader, compare_rows
from e5v.data.conversations import write_captions
from e5v.data.hub_files import Progress, download_file, list_files, part_of
from e5v.data.records import DataSet, HubFiles
from e5v.data.source import (
    SOURCE,
    Download,
    Source,
    find_facts,
    read_source,
    write_source,
)
from e5v.data.unpack import unpack
from e5v.errors import DataError
from e5v.files import locked, remove_temporary
from e5v.image_formats import is_image_name


@dataclass(frozen=True)
class Fetched:
    """The folder of a data set and what it holds; `fresh` if something was done."""

    folder: Path
    source: Source
    fresh: bool


def fetch(data: DataSet, root: Path, read: Reader, progress: Progress = lambda *_: None) -> Fetched:
    """Bring a data set into its folder in `root`, unless it is there.

    A copy that is there in the published layout is taken as it is. An interrupted fetch is
    continued with the same revision.

    Args:
        data: the record of what is wanted.
        root: the folder of data sets; made if it is missing.
        read: reads the rows of the data in their folder.
        progress: is called with what is being done, and with how many bytes of how many.

    Raises:
        DataError: the hub does not give the data, the disk is full, or files or rows are not those
            expected. A download that was stopped is kept, and continued the next time.
    """
    folder = root / data.home
    source = read_source(folder)
    current = source is not None and (not source.downloads or _is_wanted(data, source))
    if source and source.is_complete and current and _has_files(folder, source):
        _remove_archives(data, folder, source)
        return Fetched(folder, source, fresh=False)
    if source or find_layout(data, folder) is None:
        source = _plan(data, source)
        _need_space(data, folder, source)
    else:
        source = Source(data.name)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(f"{folder} cannot be made: {error.strerror}") from None
    with locked(folder):
        for name in (SOURCE, CAPTIONS):
            remove_temporary(folder, name)
        _obtain(data, folder, source, progress)
        source = _describe(data, folder, source, read, progress)
        _write(folder, source)
        _remove_archives(data, folder, source)
    return Fetched(folder, source, fresh=True)


def _obtain(data: DataSet, folder: Path, source: Source, progress: Progress) -> None:
    """Download what is missing, unpack it, and write what training reads."""
    if source.downloads:
        _write(folder, source)
    for download, name, target in _list_targets(folder, source):
        if not _has_size(target, download.files[name].size):
            download_file(download, name, target, progress)
    for archive in data.archives:
        if (folder / archive.file).is_file():
            unpack(archive, folder, progress)
    if data.conversations:
        write_captions(folder, data.conversations)


def find_layout(data: DataSet, folder: Path) -> list[str] | None:
    """Return the files of data that are in a folder in a layout that is known, or None.

    Images and archives are not among them: images are counted by their readers.
    """
    packed = {archive.file for archive in data.archives}
    for layout in data.layouts:
        if all(any(folder.glob(pattern)) for pattern in layout):
            found = {file for pattern in layout for file in folder.glob(pattern) if file.is_file()}
            names = {file.relative_to(folder).as_posix() for file in found}
            return sorted(name for name in names - packed if not is_image_name(name))
    return None


def _plan(data: DataSet, source: Source | None) -> Source:
    """Return what to download: the rest of what was begun, or what the hub has now."""
    if source and _is_wanted(data, source):
        return Source(data.name, source.downloads)
    return Source(data.name, tuple(map(list_files, data.sources)))


def _is_wanted(data: DataSet, source: Source) -> bool:
    """Whether downloads are those that a record wants, which may have changed since."""
    if len(source.downloads) != len(data.sources):
        return False
    return all(map(_is_of, source.downloads, data.sources))


def _is_of(download: Download, wanted: HubFiles) -> bool:
    return (download.id, download.folder) == (wanted.id, wanted.folder) and wanted.revision in {
        None,
        download.revision,
    }


def _list_targets(folder: Path, source: Source) -> Iterator[tuple[Download, str, Path]]:
    for download in source.downloads:
        for name in download.files:
            yield download, name, folder / download.folder / name


def _has_files(folder: Path, source: Source) -> bool:
    return all(_has_size(folder / name, facts.size) for name, facts in source.files.items())


def _has_size(file: Path, size: int) -> bool:
    return file.is_file() and file.stat().st_size == size


def _need_space(data: DataSet, folder: Path, source: Source) -> None:
    """Check that the disk has room for what is to be downloaded and unpacked.

    Raises:
        DataError: it has not; says how much is needed.
    """
    needed = sum(archive.size - _measure(folder / archive.into) for archive in data.archives)
    for download, name, target in _list_targets(folder, source):
        size = download.files[name].size
        if not _has_size(target, size):
            part = part_of(target)
            needed += size - (part.stat().st_size if part.exists() else 0)
    disk = next(one for one in (folder, *folder.absolute().parents) if one.is_dir())
    free = shutil.disk_usage(disk).free
    if needed > free:
        raise DataError(
            f"{data.name} needs {needed / 1e9:,.1f} GB more in {folder}, and its disk has "
            f"{free / 1e9:,.1f} GB free; make room, or choose another disk",
            argument="data",
        )


def _measure(folder: Path) -> int:
    """Return the size of what an interrupted fetch has unpacked, in bytes."""
    unpacked = (file for file in folder.rglob("*") if file.suffix not in {".part", ".zip", ".tar"})
    return sum(file.stat().st_size for file in unpacked if file.is_file())


def _describe(
    data: DataSet, folder: Path, source: Source, read: Reader, progress: Progress
) -> Source:
    """Read what is there, compare it with what is expected, and return it.

    Raises:
        DataError: files or rows are others.
    """
    names = find_layout(data, folder)
    if not names:
        raise DataError(
            f"{folder} has none of the files of {data.name}; remove it, and fetch again"
        )
    progress(f"checking {data.name}", 0, 1)
    files = find_facts(folder, names)
    known = list_known(data, source)
    for name, facts in files.items():
        expected = known.get(name)
        if expected and facts.sha256 != expected:
            raise DataError(
                f"{folder / name} is another file: sha256 {facts.sha256}, expected {expected}; "
                "remove it, and fetch it again"
            )
    contents = read(data, folder)
    if faults := compare_rows(data.rows, contents.rows):
        what = "the hub's copy" if source.downloads else "this copy"
        raise DataError(
            f"{folder} has {', '.join(faults)}: {what} is not the published one; "
            "move the folder away to fetch it anew"
        )
    return replace(source, files=files, rows=contents.rows)


def list_known(data: DataSet, source: Source | None) -> dict[str, str]:
    """Return the checksums that are known of files, by their names in the data's folder."""
    recorded = {
        _join(one.folder, name): digest
        for one in data.sources
        for name, digest in one.sha256.items()
    }
    told = {
        _join(one.folder, name): facts.sha256
        for one in (source.downloads if source else ())
        for name, facts in one.files.items()
        if facts.sha256
    }
    return recorded | told


def _join(folder: str, name: str) -> str:
    return f"{folder}/{name}" if folder else name


def _write(folder: Path, source: Source) -> None:
    try:
        write_source(folder, source)
    except OSError as error:
        raise DataError(f"{folder} cannot be written: {error.strerror}") from None


def _remove_archives(data: DataSet, folder: Path, source: Source) -> None:
    """Remove archives that were downloaded and are unpacked; a user's own stay."""
    for archive in data.archives if source.downloads else ():
        with suppress(OSError):  # of no harm, and the data are complete
            (folder / archive.file).unlink(missing_ok=True)
