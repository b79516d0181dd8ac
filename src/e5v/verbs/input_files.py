"""Files of many items: JSON lines, tables, tars and folders, on this machine or at a store.

file -> checked before a model is opened -> InputItem, one by one, the same at each pass
"""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Protocol, runtime_checkable

from e5v.errors import DataError, UsageError
from e5v.extras import need
from e5v.image_folders import list_images, list_stored_images
from e5v.image_formats import IMAGE_SUFFIXES, suffix_of
from e5v.item_lines import ItemLine, check_items, read_items
from e5v.item_tables import check_item_table, read_item_table
from e5v.jsonl import LineFault
from e5v.lance_datasets import is_dataset_name
from e5v.left_out import LeftOut
from e5v.places import StoreUrl
from e5v.tar_items import TarFault, TarItem, read_tar
from e5v.verbs.input_items import InputItem, find_kind, make_faulty, make_image, make_item


@runtime_checkable
class InputFile(Protocol):
    """A file of items, read anew at each pass."""

    @property
    def path(self) -> Path | StoreUrl:
        """Where it is."""

    def check(self) -> None:
        """Find what is broken before a model is opened; no image is opened.

        Raises:
            DataError: an item is broken, or names a missing image.
        """

    def __iter__(self) -> Iterator[InputItem]:
        """Read every item in order."""


@dataclass(frozen=True)
class ItemFile:
    """A .jsonl file of items."""

    path: Path | StoreUrl

    def check(self) -> None:
        """Read every line; images of this machine exist."""
        for fault in itertools.islice(check_items(self.path), 1):
            raise DataError(f"{self.path}, {fault}", argument="skip_errors")

    def __iter__(self) -> Iterator[InputItem]:
        """Read every item in order."""
        return read_lines(self.path)


@dataclass(frozen=True)
class ItemTable:
    """A .parquet file or a .lance folder of items, a row each."""

    path: Path | StoreUrl

    def check(self) -> None:
        """Look at its columns; its rows are not read."""
        check_item_table(self.path)

    def __iter__(self) -> Iterator[InputItem]:
        """Read every row in order; its number stands for one without an "id"."""
        for line in read_item_table(self.path):
            if isinstance(line, LineFault):
                yield make_faulty(f"{self.path}, row {line.number} {line.reason}")
                continue
            own = line.value.get("id") if isinstance(line.value, dict) else None
            label = {"id": f"{self.path}:{line.number}" if own is None else own}
            yield InputItem(line.raw, label, find_kind(line.raw))


@dataclass(frozen=True)
class TarFile:
    """A .tar of images, with or without captions; other members are counted in `left_out`."""

    path: Path | StoreUrl
    left_out: LeftOut = field(default_factory=LeftOut, compare=False)

    def check(self) -> None:
        """Read the headers and captions."""
        for one in self._read(LeftOut()):
            if isinstance(one, TarFault):
                raise DataError(_describe(self.path, one), argument="skip_errors")

    def __iter__(self) -> Iterator[InputItem]:
        """Read every item in order of its first member."""
        for one in self._read(self.left_out):
            if isinstance(one, TarItem):
                label = {"path": f"{self.path}/{one.name}"}
                yield InputItem(one.item, label, find_kind(one.item))
            else:
                yield make_faulty(_describe(self.path, one))

    def _read(self, left_out: LeftOut) -> Iterator[TarItem | TarFault]:
        return read_tar(self.path, left_out)


def _describe(path: Path | StoreUrl, fault: TarFault) -> str:
    return f"{fault.name} in {path} {fault.reason}"


def open_input_file(path: Path | StoreUrl, left_out: LeftOut) -> InputFile | None:
    """Return the reader of a file of items by its suffix; None for another file.

    Raises:
        MissingExtraError: the library for it is not installed.
    """
    suffix = suffix_of(path.name)
    if suffix == ".parquet":
        need("Parquet", "pyarrow")
        return ItemTable(path)
    if suffix == ".tar":
        return TarFile(path, left_out)
    return ItemFile(path) if suffix == ".jsonl" else None


def open_dataset_folder(folder: Path) -> InputFile | None:
    """Return the reader of a folder that is called as Lance datasets are; None for another.

    Raises:
        MissingExtraError: lancedb is not installed.
    """
    if not is_dataset_name(folder):
        return None
    need("Lance", "lancedb")
    return ItemTable(folder)


def list_folder(folder: Path | StoreUrl, left_out: LeftOut) -> Iterator[InputItem]:
    """List the images of a folder; there is at least one.

    Raises:
        UsageError: there is none.
        DataError: a store cannot be listed.
    """
    paths: Iterator[Path | StoreUrl] = (
        list_stored_images(folder, left_out)
        if isinstance(folder, StoreUrl)
        else list_images(folder, left_out)
    )
    first = next(paths, None)
    if first is None:
        known = ", ".join(sorted(IMAGE_SUFFIXES))
        found = f"; it has {left_out}" if left_out else ""
        raise UsageError(f"{folder} holds no images; expected files ending in {known}{found}")
    return map(make_image, itertools.chain([first], paths))


def read_lines(source: Path | StoreUrl | BinaryIO) -> Iterator[InputItem]:
    """Read JSON lines; an "id" in an object stands for it in the output."""
    named = f"{source}, " if isinstance(source, Path | StoreUrl) else ""
    for line in read_items(source, stores=True):
        if isinstance(line, LineFault):
            yield make_faulty(f"{named}{line}")
        else:
            yield _make_line(line)


def _make_line(line: ItemLine) -> InputItem:
    own = line.value
    label = {"id": own["id"]} if isinstance(own, dict) and "id" in own else make_item(own).label
    return InputItem(line.raw, label, find_kind(line.raw))
