"""A folder of this machine that is the copy of a commit of an index on an object store.

Commit -> what is not there -> downloaded, its digest compared, renamed -> others are removed

Files come in an order that leaves the index readable at any moment: data before the manifests of
the table that name them, and removed ones last.
"""

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

from e5v.errors import DataError
from e5v.files import replace_file
from e5v.places import StoreUrl
from e5v.search.signs import PREFIX
from e5v.search.store_head import TABLE, Commit, StoredFile, is_named_once, stored_file
from e5v.stores.objects import read_object

AT_ONCE = 4  # files
PIECE = 8 * 2**20  # bytes of one request
VERSIONS = f"{TABLE}_versions/"


class Superseded(Exception):
    """The store no longer has what a commit names, as another commit has been made."""


@dataclass(frozen=True)
class _Missing:
    name: str
    file: StoredFile


def copy_commit(url: StoreUrl, commit: Commit, folder: Path) -> None:
    """Make the files of a folder those of a commit, apart from hidden ones and the cache of signs.

    Raises:
        Superseded: the store no longer has it.
        DataError: the store cannot be read, or has other content than the commit says.
    """
    for part in folder.rglob(".*.part"):  # left by a killed process
        part.unlink(missing_ok=True)
    missing = [
        _Missing(name, one)
        for name, one in commit.files.items()
        if not _is_there(folder / name, name, one)
    ]
    for some in (
        [one for one in missing if is_named_once(one.name)],
        [one for one in missing if not one.name.startswith(TABLE)],
        [one for one in missing if one.name.startswith(TABLE) and not is_named_once(one.name)],
    ):
        _download(url, some, folder)
    _remove_others(folder, commit)


def _is_there(path: Path, name: str, file: StoredFile) -> bool:
    """Return whether a file is there; one whose name is not given twice is compared by its size."""
    if not path.is_file() or path.stat().st_size != file.size:
        return False
    return is_named_once(name) or stored_file(name, path) == file


def _download(url: StoreUrl, files: Iterable[_Missing], folder: Path) -> None:
    def download(one: _Missing) -> None:
        _download_one(url, one.file, folder / one.name)

    with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="e5v-download") as pool:
        for _ in pool.map(download, files):
            pass


def _download_one(url: StoreUrl, file: StoredFile, target: Path) -> None:
    """Download a file in pieces, each of which is tried again, and compare its digest."""
    digest = blake2b(digest_size=16)
    target.parent.mkdir(parents=True, exist_ok=True)
    with replace_file(target) as part, part.open("wb") as written:
        for start in range(0, file.size, PIECE):
            try:
                piece = read_object(url / file.key, start, min(start + PIECE, file.size))
            except FileNotFoundError as error:
                raise Superseded(str(error)) from None
            digest.update(piece)
            written.write(piece)
        written.flush()
        if digest.hexdigest() != file.digest:
            raise DataError(f"{url / file.key} is damaged: it has not the content that was written")


def _remove_others(folder: Path, commit: Commit) -> None:
    """Remove what the commit does not name: manifests of the table first, then what they name."""
    every = (path for path in folder.rglob("*") if path.is_file())
    others = {path.relative_to(folder).as_posix(): path for path in every}
    gone = [name for name in others if name not in commit.files and not _is_kept(name)]
    for name in sorted(gone, key=lambda name: not name.startswith(VERSIONS)):
        others[name].unlink(missing_ok=True)


def _is_kept(name: str) -> bool:
    """Return whether a file is the machine's own: a lock, a temporary file, or a cache of signs."""
    return name.startswith((".", PREFIX)) or "/." in name
