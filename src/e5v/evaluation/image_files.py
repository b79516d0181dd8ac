"""Images of a data set: the files that it names, and images made on demand.

names -> possible paths of each file -> paths, or a DataError that counts the missing ones
"""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import overload

from e5v.errors import DataError
from e5v.image_formats import is_image_name
from e5v.inputs import RawItem
from e5v.left_out import LeftOut


class Lazy(Sequence[RawItem]):
    """Items that are made at each access, so that few are in memory."""

    def __init__(self, count: int, make: Callable[[int], RawItem]) -> None:
        self._places = range(count)
        self._make = make

    def __len__(self) -> int:
        """Count the items."""
        return len(self._places)

    @overload
    def __getitem__(self, place: int) -> RawItem: ...
    @overload
    def __getitem__(self, place: slice) -> list[RawItem]: ...
    def __getitem__(self, place: int | slice) -> RawItem | list[RawItem]:
        """Make the item at an index, or those of a slice."""
        if isinstance(place, slice):
            return [self._make(one) for one in self._places[place]]
        return self._make(self._places[place])


@dataclass(frozen=True)
class Captioned:
    """Images and the captions of each; an image without captions is a candidate only."""

    images: Sequence[RawItem]
    captions: Sequence[tuple[str, ...]]


def find_images(folder: Path, names: Mapping[str, Sequence[str]]) -> dict[str, Path]:
    """Find the file of every name: the first of its paths that exists in the folder.

    Raises:
        DataError: files are missing; counts them and names the first.
    """
    found = {name: find_image(folder, paths) for name, paths in names.items()}
    files = {name: path for name, path in found.items() if path is not None}
    if len(files) < len(found):
        first = next(name for name in found if name not in files)
        raise DataError(
            f"{len(found) - len(files)} of {len(found)} images are not in {folder}; "
            f"the first is {first}, expected at {' or '.join(names[first])}"
        )
    return files


def find_image(folder: Path, paths: Sequence[str]) -> Path | None:
    """Return the first of some paths under a folder that is a file."""
    for path in paths:
        if os.path.isfile(folder / path):  # noqa: PTH113  Path.is_file raises if it is too long
            return folder / path
    return None


def one_spelling(listed: Iterable[Path]) -> Callable[[Path], Path]:
    """Return a function that maps every path of a file to one path, if possible a listed one.

    A file with two paths would be two images that tie, and a tie counts as a miss.
    """
    real = cache(os.path.realpath)
    first: dict[tuple[str, str], Path] = {}

    def spell(path: Path) -> Path:
        return first.setdefault((real(path.parent), path.name), path)

    for path in listed:
        spell(path)
    return spell


def all_images(folder: Path) -> list[Path]:
    """List the images in a folder and its subfolders by path, without hidden ones."""
    return sorted(path for path in _list_files(folder) if is_image_name(path))


def other_files(folder: Path) -> LeftOut:
    """Count the files in a folder and its subfolders that `all_images` leaves out."""
    left_out = LeftOut()
    for path in _list_files(folder):
        if not is_image_name(path):
            left_out.add(path)
    return left_out


def _list_files(folder: Path) -> Iterator[Path]:
    for path in folder.rglob("*"):
        hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
        if not hidden and path.is_file():
            yield path
