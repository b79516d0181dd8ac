"""What is in a folder: every file of a kind that can be indexed, by size and time of change.

folder -> names, hidden and excluded ones left out, links to folders not followed -> Found
"""

import os
import stat
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from e5v.errors import DataError
from e5v.image_formats import IMAGE_SUFFIXES
from e5v.search.exclusion import Exclusion

Form = Literal["image", "text", "lines"]
FORMS: dict[str, Form] = {
    **dict.fromkeys(sorted(IMAGE_SUFFIXES), "image"),
    ".txt": "text",
    ".md": "text",
    ".jsonl": "lines",
}
LITTER = frozenset({"thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r"})  # of operating systems


@dataclass(frozen=True, slots=True)
class Found:
    """A file: what it holds, its bytes, and when it was changed, in nanoseconds."""

    path: str
    form: Form
    size: int
    mtime: int


@dataclass(frozen=True, slots=True)
class Unlisted:
    """A folder, or a name in one, that could not be read, and why."""

    path: str
    reason: str


@dataclass(frozen=True, slots=True)
class Other:
    """A file of a kind that cannot be indexed."""

    path: str


def absolute(roots: Iterable[Path], *, known: Collection[str] = ()) -> tuple[str, ...]:
    """Return the absolute paths of folders and files to follow.

    Those that are `known`, because they were followed before, may be missing.

    Raises:
        DataError: another one does not exist, or is a file that cannot be indexed.
    """
    paths = tuple(dict.fromkeys(os.path.abspath(root.expanduser()) for root in roots))  # noqa: PTH100
    for path in paths:
        if path in known:
            continue
        if not os.path.exists(path):  # noqa: PTH110
            raise DataError(f"{path} does not exist; check the path, and that its disk is mounted")
        if not (os.path.isdir(path) or (os.path.isfile(path) and _form(path))):  # noqa: PTH112, PTH113
            raise DataError(f"{path} cannot be indexed; expected a folder or {', '.join(FORMS)}")
    return paths


def is_missing(root: str) -> bool:
    """Return whether there is no such folder or file; False where it only cannot be read."""
    try:
        os.stat(root)  # noqa: PTH116
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:
        return False
    return False


def walk(root: str, exclusion: Exclusion | None = None) -> Iterator[Found | Unlisted | Other]:
    """Go through a folder, or a file by itself, in order of path."""
    try:
        is_folder = stat.S_ISDIR(os.stat(root).st_mode)  # noqa: PTH116
    except OSError as error:
        yield Unlisted(root, f"cannot be read: {error.strerror}")
        return
    if is_folder:
        yield from _folder(root, "", exclusion or Exclusion())
    else:
        yield from _file(root)


def _folder(folder: str, relative: str, exclusion: Exclusion) -> Iterator[Found | Unlisted | Other]:
    """List a folder; `relative` is its path below the root, empty or ending in a slash."""
    try:
        with os.scandir(folder) as entries:
            named = sorted(entries, key=lambda entry: entry.name)
    except OSError as error:
        yield Unlisted(folder, f"cannot be listed: {error.strerror}")
        return
    for entry in named:
        if entry.name.startswith("."):
            continue
        try:
            is_folder = entry.is_dir(follow_symlinks=False)
        except OSError as error:
            yield Unlisted(entry.path, f"cannot be read: {error.strerror}")
            continue
        below = relative + entry.name
        if exclusion.leaves_out(below, is_folder=is_folder):
            continue
        if is_folder:
            yield from _folder(entry.path, f"{below}/", exclusion)
        else:
            yield from _file(entry.path)


def _file(path: str) -> Iterator[Found | Unlisted | Other]:
    form = _form(path)
    try:
        path.encode()
        told = os.stat(path)  # noqa: PTH116
    except UnicodeEncodeError:
        if form:
            shown = path.encode("utf-8", "replace").decode()
            yield Unlisted(shown, "has a name that is not UTF-8; rename it")
        return
    except OSError as error:
        if form:
            yield Unlisted(path, f"cannot be read: {error.strerror}")
        return
    if not stat.S_ISREG(told.st_mode):  # a pipe, or a link to a folder, may bear such a name
        return
    if form:
        yield Found(path, form, told.st_size, told.st_mtime_ns)
    elif os.path.basename(path).lower() not in LITTER:  # noqa: PTH119
        yield Other(path)


def _form(path: str) -> Form | None:
    return FORMS.get(os.path.splitext(path)[1].lower())  # noqa: PTH122


def within(path: str, root: str) -> bool:
    """Return whether a path is a root, or in it."""
    return path == root or path.startswith(root.rstrip("/") + "/")
