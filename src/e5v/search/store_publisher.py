"""Hand over what the writer of an index wrote in its workspace to an object store.

workspace -> new files uploaded -> commit.json replaced, if nobody else did -> old objects deleted

Until commit.json is replaced nothing has changed for a reader, and afterwards everything has. What
a killed or a refused writer uploaded is named by no commit, and the next writer removes it.
"""

from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from e5v.errors import DataError
from e5v.places import StoreUrl
from e5v.search.catalog import FAULTS, STATES
from e5v.search.lease import Lease
from e5v.search.manifest import FILE as MANIFEST
from e5v.search.marks import FILE as MARKS
from e5v.search.store_copy import AT_ONCE, VERSIONS
from e5v.search.store_head import (
    OTHERS,
    TABLE,
    Commit,
    StoredFile,
    is_named_once,
    stored_file,
    write_commit,
)
from e5v.search.store_signs import QUANTIZER, find_quantizer
from e5v.stores.objects import delete_object, list_objects, write_object

SMALL = (MANIFEST, MARKS, FAULTS, STATES)


@dataclass
class StoreWorkspace:
    """The workspace of the one writer of an index on a store, begun as a copy of `commit`.

    `adopt` is called with the files that a commit has added, by their path in the workspace.
    """

    path: Path
    url: StoreUrl
    lease: Lease
    commit: Commit
    adopt: Callable[[Iterable[str]], None]
    _known: dict[str, StoredFile] = field(default_factory=dict)  # files that never change

    @property
    def next_row(self) -> int:
        """The least number that a new record may get."""
        return self.commit.next_row

    def publish(self, next_row: int) -> None:
        """Upload what is new and commit it; do nothing if nothing is.

        Raises:
            DataError: the store cannot be written, or another writer has taken over.
        """
        paths = dict(self._find())
        files = {name: self._describe(name, path) for name, path in paths.items()}
        before = self.commit.files
        if (files, next_row) == (before, self.next_row):
            return
        self.lease.check()
        stored = {one.key for one in before.values()}
        fresh = [name for name, one in files.items() if one.key not in stored]
        self._upload(paths, {name: files[name] for name in fresh})
        self.lease.check()
        self.commit = self._write(files, next_row)
        self.adopt([name for name in fresh if is_named_once(name)])
        with suppress(DataError):  # all is there; the next commit or writer does the rest
            self._copy_manifests({name: paths[name] for name in fresh})
            self._delete(_stored_as(before) - _stored_as(files))

    def clean(self) -> None:
        """Delete what killed writers left: objects of an index that the commit does not name.

        Raises:
            DataError: the store cannot be listed.
        """
        kept = _stored_as(self.commit.files)
        for folder in (TABLE, OTHERS):
            every = list_objects(self.url / folder)
            there = {one.key.removeprefix(f"{self.url.key}/") for one in every}
            with suppress(DataError):
                self._delete(there - kept)

    def _find(self) -> Iterable[tuple[str, Path]]:
        """Yield the files of the index: their name and path."""
        for path in (self.path / TABLE).rglob("*"):
            if path.is_file() and not path.name.startswith("."):
                yield path.relative_to(self.path).as_posix(), path
        for name in SMALL:
            if (self.path / name).is_file():
                yield name, self.path / name
        quantizer = find_quantizer(self.path)
        if quantizer is not None:
            yield QUANTIZER, quantizer

    def _describe(self, name: str, path: Path) -> StoredFile:
        if not is_named_once(name):
            return stored_file(name, path)
        if name not in self._known:
            there = self.commit.files.get(name)
            self._known[name] = stored_file(name, path) if there is None else there
        return self._known[name]

    def _upload(self, paths: Mapping[str, Path], files: Mapping[str, StoredFile]) -> None:
        def upload(name: str) -> None:
            with paths[name].open("rb") as file:
                write_object(self.url / files[name].key, file)

        with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="e5v-upload") as pool:
            for _ in pool.map(upload, files):
                pass

    def _write(self, files: Mapping[str, StoredFile], next_row: int) -> Commit:
        before = self.commit
        commit = Commit(before.index, before.number + 1, self.lease.token, next_row, files)
        written = write_commit(self.url, commit, before)
        if written is None:
            raise self.lease.lost()
        return written

    def _copy_manifests(self, paths: Mapping[str, Path]) -> None:
        """Store manifests of the table under their own names, too, so that LanceDB can open it.

        These names come again in a version that was not committed, so it is done after a commit.
        """
        for name in sorted(paths):
            if name.startswith(VERSIONS):
                write_object(self.url / name, paths[name].read_bytes())

    def _delete(self, keys: Iterable[str]) -> None:
        with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="e5v-delete") as pool:
            for _ in pool.map(lambda key: delete_object(self.url / key), keys):
                pass


def _stored_as(files: Mapping[str, StoredFile]) -> set[str]:
    """Return the names of the objects that files are stored as."""
    return {one.key for one in files.values()} | {one for one in files if one.startswith(VERSIONS)}
