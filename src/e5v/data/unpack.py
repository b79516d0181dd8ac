"""Unpack an archive of data, or the rest of it.

.zip | .tar -> members that begin with a wanted name -> files in the folder, those there left alone
"""

import shutil
import tarfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO, Protocol
from zipfile import BadZipFile, ZipFile

from e5v.data.hub_files import Progress
from e5v.data.records import Archive
from e5v.errors import DataError, first_line

CHUNK = 2**20  # bytes


class Opener(Protocol):
    """Opens a member of an archive."""

    def __call__(self) -> IO[bytes] | None:
        """Open it; None if it is not a file."""


@dataclass(frozen=True)
class _Member:
    name: str
    size: int
    open: Opener


def unpack(archive: Archive, folder: Path, progress: Progress) -> None:
    """Unpack an archive of a folder into it.

    Files of the right size are left alone, so that an interrupted call is continued.

    Raises:
        DataError: the archive is damaged, has a path that leads elsewhere, lacks what is wanted, or
            the disk is full.
    """
    path, into = folder / archive.file, folder / archive.into
    done = 0
    try:
        with _open_members(path) as members:
            for member in members:
                if _clean(member.name).startswith(archive.members):
                    _write(member, _find_target(path, member.name, into))
                    done += member.size
                    progress(f"unpacking {archive.file}", done, archive.size)
    except (tarfile.TarError, BadZipFile, EOFError, zlib.error) as error:
        raise DataError(
            f"{path} is damaged: {first_line(error)}; remove it, and fetch it again"
        ) from None
    except OSError as error:
        raise DataError(
            f"{path} cannot be unpacked in {into}: {error.strerror or first_line(error)}"
        ) from None
    if not done:
        raise DataError(f"{path} has no files that begin with {' or '.join(archive.members)}")


@contextmanager
def _open_members(path: Path) -> Iterator[Iterator[_Member]]:
    """Open an archive and give its files."""
    if path.suffix == ".zip":
        with ZipFile(path) as packed:
            yield (
                _Member(one.filename, one.file_size, partial(packed.open, one))
                for one in packed.infolist()
                if not one.is_dir()
            )
    else:
        with tarfile.open(path) as packed_tar:
            yield (
                _Member(one.name, one.size, partial(packed_tar.extractfile, one))
                for one in packed_tar
                if one.isfile()
            )


def _clean(name: str) -> str:
    """Return a member's name without ./ before it."""
    return PurePosixPath(name).as_posix()


def _find_target(path: Path, name: str, into: Path) -> Path:
    clean = PurePosixPath(_clean(name))
    if clean.is_absolute() or ".." in clean.parts or "\\" in name:
        raise DataError(
            f"{path} has the path {name!a}, which leads out of its folder; do not use it"
        )
    return into / clean


def _write(member: _Member, target: Path) -> None:
    if target.is_file() and target.stat().st_size == member.size:
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    with member.open() as inside, target.open("wb") as out:  # type: ignore[union-attr]
        shutil.copyfileobj(inside, out, CHUNK)
