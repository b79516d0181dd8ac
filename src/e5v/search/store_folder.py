"""An index on an object store, and its copy on this machine.

commit.json -> what is new -> CACHE/indexes/NAME/read, as a reader maps it into memory
writer.lease -> CACHE/indexes/NAME/write, a copy that one writer changes -> publish -> commit.json

The copy is of whole files of the table, which have vectors, texts and thumbnails. It may be deleted
when nobody uses it, and is made again. Numpy and LanceDB are imported when it is needed.
"""

import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

from e5v.errors import DataError, UsageError
from e5v.files import locked
from e5v.model.bundled import CACHE, cache_folder
from e5v.places import StoreUrl
from e5v.search.index_folder import Workspace, read_copied, write_copied
from e5v.search.lease import Lease, leased
from e5v.search.manifest import FILE as MANIFEST
from e5v.search.manifest import Manifest, parse_manifest
from e5v.search.store_head import FILE, TABLE, Commit, read_commit, write_commit
from e5v.stores.clients import open_client
from e5v.stores.objects import find_state, list_objects, read_object

READ, WRITE, LOCK = "read", "write", "pull.lock"
TRIES = 5  # while a writer changes the index
SHOWN = 12  # digits of a digest


class StoreFolder:
    """An index at a place in a store; `path` is its copy, which `pull` brings up to date."""

    def __init__(self, url: StoreUrl, cache: Path) -> None:
        self.url = url
        self._cache = cache
        self.path = cache / READ
        self._tag = ""

    @classmethod
    def at(cls, url: StoreUrl) -> "StoreFolder":
        """Return the index at a place, whether it exists or not.

        Raises:
            UsageError: the place cannot be written.
            MissingExtraError: what reads object stores is not installed.
        """
        if url.scheme == "hf":
            raise UsageError(
                f"{url} cannot be used as an index; download it and name its folder, or name a "
                "place at s3, gs or az",
                argument="index",
            )
        open_client(url)
        name = f"{url.name or url.bucket}-{sha256(str(url).encode()).hexdigest()[:SHOWN]}"
        return cls(url, cache_folder() / "indexes" / name)

    def __str__(self) -> str:
        """Return the URL."""
        return str(self.url)

    def read_manifest(self) -> Manifest | None:
        """Return the latest metadata; None if there is no index.

        Raises:
            DataError: it cannot be read.
        """
        for left in reversed(range(TRIES)):
            commit = read_commit(self.url)
            if commit is None or MANIFEST not in commit.files:
                return None
            try:
                content = read_object(self.url / commit.files[MANIFEST].key)
            except FileNotFoundError as error:  # another commit has just been made
                if not left:
                    raise DataError(str(error)) from None
                continue
            return parse_manifest(content, str(self.url))
        raise AssertionError("the last try returns or raises")

    def pull(self) -> None:
        """Bring the copy up to date; if there is no index any more, it is emptied.

        Raises:
            DataError: the store cannot be read, or the copy not be written.
        """
        from e5v.search.store_copy import Superseded

        state = find_state(self.url / FILE)
        if state is not None and state.tag == self._tag:
            return
        with self._copying():
            for left in reversed(range(TRIES)):
                try:
                    self._pull(read_commit(self.url))
                    break
                except Superseded as error:
                    if not left:
                        raise DataError(str(error)) from None

    @contextmanager
    def writing(self) -> Iterator[Workspace]:
        """Be the only writer, by a lease; the workspace is a copy of its own.

        Raises:
            DataError: another process is writing, or the store or the copy cannot be used.
        """
        from e5v.search.store_publisher import StoreWorkspace

        with leased(self.url) as lease, self._locked():
            commit = self._take_over(lease)
            work = self._cache / WRITE
            with self._copying():
                self._pull(commit)
                self._fill(work)
            space = StoreWorkspace(work, self.url, lease, commit, self._adopt)
            space.clean()
            try:
                yield space
            finally:
                shutil.rmtree(work, ignore_errors=True)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        with _cache_errors(self._cache):
            self._cache.mkdir(parents=True, exist_ok=True)
        with locked(self._cache):
            yield

    @contextmanager
    def _copying(self) -> Iterator[None]:
        """Be the only process that changes the copy; wait for another to end."""
        from filelock import FileLock

        with _cache_errors(self._cache):
            self.path.mkdir(parents=True, exist_ok=True)
            with FileLock(self._cache / LOCK):
                yield

    def _take_over(self, lease: Lease) -> Commit:
        """Mark the index as this writer's, so that what a former one commits from now is refused.

        Raises:
            DataError: other writers do the same, or the place has another table.
        """
        for _ in range(TRIES):
            there = read_commit(self.url)
            if there is None:
                self._refuse_table()
            fresh = Commit.first(lease.token) if there is None else there
            marked = write_commit(self.url, replace(fresh, writer=lease.token), there)
            if marked is not None:
                return marked
        raise lease.lost()

    def _refuse_table(self) -> None:
        """Refuse a place with a table that is not of an index on a store, before it is changed.

        Raises:
            DataError: there is one.
        """
        if any(True for _ in list_objects(self.url / f"{TABLE}_versions")):
            raise DataError(
                f"{self.url} has a table {TABLE} without {FILE}: it is no index that was made at a "
                "store; choose another place",
                argument="index",
            )

    def _pull(self, commit: Commit | None) -> None:
        """Make the copy that of a commit.

        Raises:
            Superseded: the store no longer has it.
            DataError: the store cannot be read.
        """
        from e5v.search.store_copy import copy_commit
        from e5v.search.store_signs import follow_signs, remove_signs

        tag = "" if commit is None or commit.state is None else commit.state.tag
        if commit is None:
            _empty(self.path)
        elif (copied := read_copied(self.path)) != (commit.index, commit.number):
            if copied[0] is None:  # an interrupted copy, or files that were uploaded from here
                remove_signs(self.path)
            elif copied[0] != commit.index:
                _empty(self.path)
            copy_commit(self.url, commit, self.path)
            follow_signs(self.path)
            write_copied(self.path, commit.index, commit.number)
        self._tag = tag

    def _fill(self, work: Path) -> None:
        """Make the workspace that of the copy; files that never change are shared."""
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir()
        for path in self.path.rglob("*"):
            name = path.relative_to(self.path).as_posix()
            if path.is_dir() or name.startswith("."):
                continue
            if name.startswith(TABLE):
                _link(path, work / name)
            else:
                (work / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, work / name)

    def _adopt(self, names: Iterable[str]) -> None:
        """Let readers of this machine have the files that were just uploaded."""
        with _cache_errors(self._cache):
            for name in names:
                _link(self._cache / WRITE / name, self.path / name)


@contextmanager
def _cache_errors(cache: Path) -> Iterator[None]:
    """Name the folder that the copy cannot be written to."""
    try:
        yield
    except OSError as error:
        raise DataError(
            f"the copy of the index in {cache} cannot be written: {error.strerror or error}; "
            f"free space there, or set {CACHE} to another folder"
        ) from error


def _empty(folder: Path) -> None:
    for path in folder.iterdir():
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def _link(source: Path, target: Path) -> None:
    """Give a file that never changes a second name; copy it where the disk has no hard links."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.exists():
        return
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)
