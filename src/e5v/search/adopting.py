"""Make an index of vectors that are there: the committed parts of `e5v.encode_parts`.

parts -> PartVectors, found by content -> FolderSync, in place of a model -> the index

Everything else of an entry is read from the files as always, thumbnails and captions with it. So
the index is the one that `e5v index` makes, and the next run of that finds nothing changed.
"""

from collections import OrderedDict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from e5v.errors import DataError, ItemError
from e5v.inputs import Image, Item, RawItem, Side, normalise
from e5v.model.encoded import Encoded, OnError, Skipped
from e5v.model.images import digest
from e5v.model.opening import kept_options
from e5v.model.prompts import Prompt
from e5v.parts.check import PartManifest, read_committed
from e5v.parts.folders import open_folder
from e5v.parts.part_file import read_vectors
from e5v.parts.part_folder import PartFolder
from e5v.parts.plan import make_plan, read_plan
from e5v.parts.settings import PartOptions, Settings, adapt, read_settings
from e5v.search.manifest import PROMPT, Manifest
from e5v.search.part_sources import open_sources

KEPT_GROUPS = 8  # row groups in memory, of at most 16 MiB
SHOWN = 60  # characters of a text in a message
ADOPTED = ("float32", "float16")  # an index has float16


@dataclass(frozen=True)
class PartVectors:
    """The vectors of committed parts, found by the content that was embedded.

    Per row, 28 bytes are in memory; the vectors are read as they are asked for, a row group at a
    time, which are in the order of the files.
    """

    folder: PartFolder
    manifest: PartManifest

    def encode_iter(
        self,
        items: Iterable[RawItem],
        *,
        prompt: str | Prompt = PROMPT,
        side: Side = "document",
        on_error: OnError = "skip",
    ) -> Iterator[Encoded | Skipped]:
        """Yield the stored vector, or the stored error, of each item, in order.

        Raises:
            DataError: there is none, or a part is damaged.
        """
        del prompt, side, on_error  # those of the parts
        for position, raw in enumerate(items):
            item = normalise(raw, position)
            row = self._find(digest(item))
            if row is None:
                raise DataError(
                    f"{self.folder} has no vector of {_describe(item)}; encode these folders in "
                    "parts for an index"
                )
            if row in self._rows.errors:
                yield Skipped(position, ItemError(position, self._rows.errors[row]))
            else:
                cut = bool(self._rows.cut[row])
                yield Encoded(position, self._read(row), cut, is_text=not item.images)

    @cached_property
    def _rows(self) -> "_Rows":
        return _read_rows(self.folder, self.manifest)

    @cached_property
    def _groups(self) -> OrderedDict[int, NDArray[np.float32]]:
        return OrderedDict()

    def _find(self, content: bytes) -> int | None:
        first, second = np.frombuffer(content, np.uint64)
        rows = self._rows
        low, high = (int(np.searchsorted(rows.first, first, side)) for side in ("left", "right"))
        for place in range(low, high):
            if rows.second[place] == second:
                return int(rows.numbers[place])
        return None

    def _read(self, row: int) -> NDArray[np.float32]:
        number = int(np.searchsorted(self._rows.starts, row, "right")) - 1
        if number not in self._groups:
            while len(self._groups) >= KEPT_GROUPS:
                self._groups.popitem(last=False)
            name, group = self._rows.groups[number]
            with self.folder.open_part(name) as file:
                table = file.read_row_group(group, columns=["vector"])
                self._groups[number] = read_vectors(table).astype(np.float32)
        self._groups.move_to_end(number)
        vector: NDArray[np.float32] = self._groups[number][row - int(self._rows.starts[number])]
        return vector


@dataclass(frozen=True)
class _Rows:
    """All rows of the parts, in the order of their content, and the row groups that they are in.

    `first` and `second` are halves of the digest, `numbers` the rows; `cut` and `errors` are by
    row, `groups` by number, `starts` are their first rows.
    """

    first: NDArray[np.uint64]
    second: NDArray[np.uint64]
    numbers: NDArray[np.int64]
    cut: NDArray[np.bool_]
    errors: dict[int, str]
    groups: list[tuple[str, int]]
    starts: NDArray[np.int64]


def _read_rows(folder: PartFolder, manifest: PartManifest) -> _Rows:
    """Read all columns but the vectors."""
    halves, cut, errors = [], [], dict[int, str]()
    groups, starts, count = list[tuple[str, int]](), [], 0
    for part in manifest.parts:
        with folder.open_part(part.file) as file:
            for group in range(file.num_row_groups):
                table = file.read_row_group(group, columns=["content", "cut", "error"])
                groups.append((part.file, group))
                starts.append(count)
                content = b"".join(table["content"].to_pylist())
                halves.append(np.frombuffer(content, np.uint64).reshape(-1, 2))
                cut.append(table["cut"].to_numpy())
                told = enumerate(table["error"].to_pylist(), count)
                errors |= {row: error for row, error in told if error is not None}
                count += len(table)
    every = np.concatenate(halves)
    order = np.lexsort((every[:, 1], every[:, 0]))
    order = order[every[order].any(axis=1)]  # what could not even be read has no content
    first, second = every[order].T.copy()
    return _Rows(
        first, second, order, np.concatenate(cut), errors, groups, np.array(starts, np.int64)
    )


def _describe(item: Item) -> str:
    [part] = item.parts
    if isinstance(part, Image):
        return str(part)
    return repr(part.text if len(part.text) <= SHOWN else f"{part.text[:SHOWN]}...")


class AdoptedModel:
    """Committed parts in place of the model of an index.

    Raises:
        DataError: they are not committed or are damaged, their inputs have changed, or an index
            cannot have such vectors.
    """

    def __init__(self, path: str | Path, there: Manifest | None) -> None:
        self._folder = open_folder(path)
        self._parts = read_committed(self._folder)
        settings, plan = read_settings(self._folder), read_plan(self._folder)
        assert settings is not None  # it is committed
        _check_settings(self._folder, settings)
        self._settings, self.name = settings, settings.model
        if there is not None:
            there.check(self.manifest())
        sources = open_sources(plan.sources)
        self.roots = tuple(one.name for one in sources)
        if make_plan(sources, settings).digest != plan.digest:
            raise DataError(
                f"the inputs of {self._folder} have changed since it was committed; encode it "
                "again: only parts that changed are encoded"
            )

    def open(self) -> PartVectors:
        """Return the vectors."""
        return self._vectors

    @cached_property
    def _vectors(self) -> PartVectors:
        return PartVectors(self._folder, self._parts)

    def manifest(self) -> Manifest:
        """Return the manifest of a new index of these vectors."""
        one = self._settings
        fingerprint = f"{one.fingerprint}-{PROMPT}"
        return Manifest(fingerprint, one.model, dim=one.width, **kept_options(one))


def _check_settings(folder: PartFolder, settings: Settings) -> None:
    """Raise `DataError` unless an index would have embedded in the same way."""
    if settings.precision not in ADOPTED:
        raise DataError(
            f"{folder} has vectors in {settings.precision}, of which an index cannot be made; "
            f"expected {' or '.join(ADOPTED)}"
        )
    usual = PartOptions(settings.part_rows, PROMPT, precision=settings.precision)
    if other := settings.find_difference(adapt(settings, usual)):
        raise DataError(
            f"{folder} has vectors made with {other.noun} {other.there}, but an index needs "
            f"{other.here}; encode the parts again, in another folder"
        )
