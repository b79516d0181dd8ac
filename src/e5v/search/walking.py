"""What is in a folder: every file of a kind that can be indexed, by size and time of change.

folder -> names, hidden ones left out, links to folders not followed -> Found, in order of path
"""

import os
import stat
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from e5v.errors import DataError
from e5v.image_formats import IMAGE_SUFFIXES

Form = Literal["image", "text", "lines"]
FORMS: dict[str, Form] = {
    **dict.fromkeys(sorted(IMAGE_SUFFIXES), "image"),
    ".txt": "text",
    ".md": "text",
    ".jsonl": "lines",
}


@dataclass(frozen=True, slots=True)
class Found:
    """A file: what it holds, its bytes, and when it was changed, in nanoseconds."""

    path: str
    form: Form
    size: int
    mtime: int


@dataclass(frozen=True, slots=True)
class Unlisted:
    """A folder, or a name in one, that could not be looked at, and why."""

    path: str
    reason: str


def absolute(
    roots: Iterable[Path], *, known: Collection[str] = (), emptied: bool = False
) -> tuple[str, ...]:
    """Return the whole paths of folders and files to follow.

    Of those that are `known` from before, one may be gone if `emptied`.

    Raises:
        DataError: one does not exist, or is a file that cannot be indexed.
    """
    paths = tuple(dict.fromkeys(os.path.abspath(root.expanduser()) for root in roots))  # noqa: PTH100
    for path in paths:
        if emptied and path in known and is_gone(path):
            continue
        if not os.path.exists(path):  # noqa: PTH110
            hint = "; give --emptied if it is gone for good" if path in known else ""
            raise DataError(
                f"{path} does not exist; check the path, and that its disk is there{hint}"
            )
        if not (os.path.isdir(path) or (os.path.isfile(path) and _form(path))):  # noqa: PTH112, PTH113
            raise DataError(f"{path} cannot be indexed; expected a folder or {', '.join(FORMS)}")
    return paths


def is_gone(root: str) -> bool:
    """Tell whether a folder or file is there no more, and not only out of reach."""
    try:
        os.stat(root)  # noqa: PTH116
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:
        return False
    return False


def walk(root: str) -> Iterator[Found | Unlisted]:
    """Go through a folder, or a file by itself, in order of path."""
    if os.path.isdir(root):  # noqa: PTH112
        yield from _folder(root)
    else:
        yield from _file(root)


def _folder(folder: str) -> Iterator[Found | Unlisted]:
    try:
        with os.scandir(folder) as entries:
            named = sorted(entries, key=lambda entry: entry.name)
    except OSError as error:
        yield Unlisted(folder, f"cannot be listed: {error.strerror}")
        return
    for entry in named:
        if entry.name.startswith("."):
            continue
        if entry.is_dir(follow_symlinks=False):
            yield from _folder(entry.path)
        else:
            yield from _file(entry.path)


def _file(path: str) -> Iterator[Found | Unlisted]:
    form = _form(path)
    if form is None:
        return
    try:
        path.encode()
        told = os.stat(path)  # noqa: PTH116
    except UnicodeEncodeError:
        shown = path.encode("utf-8", "replace").decode()
        yield Unlisted(shown, "has a name that is not UTF-8; rename it")
        return
    except OSError as error:
        yield Unlisted(path, f"cannot be looked at: {error.strerror}")
        return
    if stat.S_ISREG(told.st_mode):  # a pipe, or a link to a folder, may bear such a name
        yield Found(path, form, told.st_size, told.st_mtime_ns)


def _form(path: str) -> Form | None:
    return FORMS.get(os.path.splitext(path)[1].lower())  # noqa: PTH122


def within(path: str, root: str) -> bool:
    """Tell whether a path is a root, or in it."""
    return path == root or path.startswith(root.rstrip("/") + "/")
