"""Images of a data set: the files that it names, and those that are made only when asked for.

names -> places where a data set may have put a file -> paths, or a DataError that counts the rest
"""

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import overload

from e5v.errors import DataError
from e5v.image_formats import IMAGE_SUFFIXES
from e5v.items import RawItem


class Lazy(Sequence[RawItem]):
    """Items that are made each time they are asked for, so that few are in memory."""

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
        """Make the item of a place, or those of a slice."""
        if isinstance(place, slice):
            return [self._make(one) for one in self._places[place]]
        return self._make(self._places[place])


@dataclass(frozen=True)
class Captioned:
    """Images and the captions of each: at least one, or the image is only there to be found."""

    images: Sequence[RawItem]
    captions: Sequence[tuple[str, ...]]


def find_images(folder: Path, names: Mapping[str, Sequence[str]]) -> dict[str, Path]:
    """Find the file of every name: the first of its paths under the folder that is one.

    Raises:
        DataError: files are missing: counts them and names the first.
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
        if os.path.isfile(folder / path):  # noqa: PTH113  Path.is_file raises where it is too long
            return folder / path
    return None


def one_spelling(listed: Iterable[Path]) -> Callable[[Path], Path]:
    """Give what spells a path as it was spelled first, at best as listed.

    A file that is named in two ways would be two images that tie, and a tie counts as a miss.
    """
    real = cache(os.path.realpath)
    first: dict[tuple[str, str], Path] = {}

    def spell(path: Path) -> Path:
        return first.setdefault((real(path.parent), path.name), path)

    for path in listed:
        spell(path)
    return spell


def all_images(folder: Path) -> list[Path]:
    """List the images in a folder and its subfolders by path, hidden ones left out."""
    return sorted(
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in IMAGE_SUFFIXES
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
        and path.is_file()
    )
