"""An index as a corpus: its items and their vectors, without embedding anything again.

index folder -> entries whose files exist, equal ones once -> blocks of vectors; places -> items

It has the methods of the training wing's `Corpus`, from which hard negatives are mined.
"""

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol
from unicodedata import normalize

import numpy as np
from numpy.typing import NDArray

from e5v.errors import DataError
from e5v.inputs import Item, RawItem, Text, normalise
from e5v.media.locations import file_of
from e5v.model.image_files import read_bytes
from e5v.search.manifest import Manifest, read_manifest
from e5v.search.pieces import EXCERPT, digest_of
from e5v.search.readers import Line, read_lines
from e5v.search.scan import FORMS
from e5v.search.snapshot import Snapshot, unreadable
from e5v.search.stored_example import read_image
from e5v.vectors import unit

BLOCK = 8_192  # vectors at once
RECORDS = 10_000  # read at once
COLUMNS = ("kind", "digest", "path", "text")


class Progress(Protocol):
    """Shows how far a corpus was read."""

    def step(self, count: int = 1) -> None:
        """Count items that are done."""


class IndexCorpus:
    """The entries of an index as it was when opened; a place is the number of one, from 0.

    Attributes:
        manifest: the metadata of the index; `manifest.check` checks whether a model fits.
        missing: how many images are left out because their files are gone.
    """

    def __init__(self, folder: Path, manifest: Manifest) -> None:
        self.manifest, self._folder = manifest, folder
        self.missing = 0
        self._seen = Snapshot.take(folder)
        self._places: dict[str, int] = {}
        kept: list[int] = []
        for position, record in self._records(self._seen.online.tolist()):
            keys = _keys_of(record)
            if any(key in self._places for key in keys):
                continue
            if record["kind"] == "image" and not os.path.isfile(file_of(record["path"])):  # noqa: PTH113
                self.missing += 1
                continue
            self._places |= dict.fromkeys(keys, len(kept))
            kept.append(position)
        self._kept = np.array(kept, np.int64)

    @classmethod
    def open(cls, folder: Path) -> "IndexCorpus":
        """Open the index in a folder.

        Raises:
            DataError: there is no index, or it cannot be read.
        """
        manifest = read_manifest(folder)
        if manifest is None:
            raise DataError(f"{folder} contains no index; make one with: e5v index FOLDER")
        return cls(folder, manifest)

    def __len__(self) -> int:
        """Return the number of items."""
        return len(self._kept)

    def find(self, item: RawItem) -> int | None:
        """Return the place of the entry with equal content, or None; a string is a text.

        Raises:
            UnreadableError: an image cannot be read.
        """
        parts = (Text(item),) if isinstance(item, str) else normalise(item).parts
        if len(parts) > 1:  # an entry is a text or an image
            return None
        [part] = parts
        if isinstance(part, Text):
            text = normalize("NFC", part.text)
            keys = [digest_of(text), digest_of(text.strip())]
        else:
            content = read_bytes(part).source
            keys = [digest_of(content)] if isinstance(content, bytes) else []
        return next((self._places[key] for key in keys if key in self._places), None)

    def blocks(self, progress: Progress) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float32]]]:
        """Yield the places (m,) of all items, ascending, with their stored vectors (m, d)."""
        for start in range(0, len(self), BLOCK):
            some = self._kept[start : start + BLOCK]
            with self._reading():
                vectors = unit(self._seen.collection.vectors.take(some))
            yield np.arange(start, start + len(some)), vectors
            progress.step(len(some))

    def items(self, places: Sequence[int]) -> list[RawItem]:
        """Return the items at some places: texts, and images by their files.

        Raises:
            DataError: the file of a long text has changed since it was indexed.
        """
        records = [record for _, record in self._records(self._kept[list(places)].tolist())]
        cut = [record for record in records if _is_cut(record)]
        whole = _read_whole_texts({record["path"] for record in cut}) if cut else {}
        items: list[RawItem] = []
        for record in records:
            if record["kind"] == "image":
                items.append(Item((read_image(record["path"]),)))
            elif not _is_cut(record):
                items.append(record["text"])
            elif record["digest"] in whole:
                items.append(whole[record["digest"]])
            else:
                raise DataError(
                    f"{record['path']} has changed since it was indexed; update the index with: "
                    f"e5v index --index {self._folder}",
                    argument="corpus",
                )
        return items

    def _records(self, positions: Sequence[int]) -> Iterator[tuple[int, dict[str, Any]]]:
        """Yield entries by position, some at a time, with the columns that are needed."""
        for start in range(0, len(positions), RECORDS):
            some = positions[start : start + RECORDS]
            with self._reading():
                records = self._seen.table.take(self._seen.live.addresses[some], COLUMNS)
            yield from zip(some, records, strict=True)

    @contextmanager
    def _reading(self) -> Iterator[None]:
        try:
            yield
        except RuntimeError as error:  # its version has been removed by a writer
            raise unreadable(self._folder, error) from error


def _keys_of(record: dict[str, Any]) -> list[str]:
    """Return the digests of an entry's content, with and without outer spaces of a text."""
    keys = [record["digest"]]
    if record["kind"] == "text" and not _is_cut(record):
        keys.append(digest_of(record["text"].strip()))
    return keys


def _is_cut(record: dict[str, Any]) -> bool:
    """Return whether the index keeps only the beginning of an entry's text."""
    long = record["kind"] == "text" and len(record["text"]) >= EXCERPT
    return long and FORMS.get(Path(record["path"]).suffix.lower()) == "lines"


def _read_whole_texts(paths: Iterable[str]) -> dict[str, str]:
    """Return the long texts of some JSON lines by their digests, reading every file once."""
    texts: dict[str, str] = {}
    for path in sorted(paths):
        try:
            lines = [line for line in read_lines(path) if isinstance(line, Line)]
        except OSError:
            continue  # its texts are then reported as changed
        long = (normalize("NFC", line.text) for line in lines if line.image is None)
        texts |= {digest_of(text): text for text in long if len(text) >= EXCERPT}
    return texts
