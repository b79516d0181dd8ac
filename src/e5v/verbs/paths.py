"""Paths that a verb is given, checked before anything slow is imported."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

from e5v.errors import DataError, E5VError, UsageError
from e5v.image_formats import OTHER_IMAGE_SUFFIXES, suffix_of
from e5v.places import refuse_url

if TYPE_CHECKING:
    from e5v.search.index_folder import IndexFolder


def need_file(path: Path | None, name: str) -> None:
    """Check that a file exists and can be read.

    Raises:
        UsageError: it is missing, something else, or not readable.
    """
    if path is None:
        return
    _check_exists(path, name)
    if path.is_dir():
        raise UsageError(f"{name} {path} is a folder; expected a file")
    if not os.access(path, os.R_OK):
        raise UsageError(f"{name} {path} cannot be read: permission denied")


def need_image(path: Path | None, name: str) -> None:
    """Check that a file exists, can be read, and has no suffix of an unsupported image format.

    Raises:
        UsageError: it is missing, something else, not readable, or in such a format.
    """
    need_file(path, name)
    if path is not None and (suffix := suffix_of(path)) in OTHER_IMAGE_SUFFIXES:
        raise UsageError(f"{name} {path} cannot be read as an image: {suffix} is not supported")


def need_folder(path: Path | None, name: str) -> None:
    """Check that a folder exists and can be listed.

    Raises:
        UsageError: it is missing, something else, or cannot be listed.
    """
    if path is None:
        return
    _check_exists(path, name)
    if not path.is_dir():
        raise UsageError(f"{name} {path} is not a folder; expected a folder")
    if not os.access(path, os.R_OK | os.X_OK):
        raise UsageError(f"{name} {path} cannot be listed: permission denied")


def _check_exists(path: Path, name: str) -> None:
    try:
        there = path.exists()
    except OSError as error:
        raise UsageError(f"{name} {path} cannot be used: {error.strerror}") from None
    if not there:
        raise UsageError(f"{name} {path} does not exist; check the path")


def need_new_file(path: Path | None, name: str) -> None:
    """Check that a file can be written; one of that name may exist and is replaced.

    Raises:
        UsageError: the path is a folder, or the folder that it is in is missing or read-only.
    """
    if path is None:
        return
    if path.exists() and not path.is_file():
        raise UsageError(f"{name} {path} is not a plain file; name a file to write")
    _check_parent(path, name)


def need_new_folder(path: Path, name: str, *, parents: bool = False) -> None:
    """Check that a folder can be made: nothing of that name exists, or an empty folder.

    With `parents`, the folders that it would be in are made too.

    Raises:
        UsageError: there is something, or the folder that it would be in is missing or read-only.
    """
    if path.is_dir():
        if any(path.iterdir()):
            raise UsageError(f"{name} {path} exists already and is not empty; name a new folder")
    elif path.exists():
        raise UsageError(f"{name} {path} is a file; name a new folder")
    if parents:
        need_possible_folder(path, name)
    else:
        _check_parent(path, name)


def index_folder(named: Path | None) -> "IndexFolder":
    """Return the index that is named, or the default: a folder, or a place in an object store.

    Raises:
        UsageError: it is a URL of something else.
        MissingExtraError: what reads object stores is not installed.
    """
    from e5v.search.locating import open_folder
    from e5v.search.manifest import default_folder

    return open_folder(named or default_folder())


def local_index_folder() -> Path:
    """Return the default folder of an index.

    Raises:
        UsageError: $E5V_INDEX is a URL.
    """
    from e5v.search.manifest import VARIABLE, default_folder

    folder = default_folder()
    refuse_url(folder, f"${VARIABLE}")
    return folder


def missing_index(folder: "IndexFolder", named: Path | None) -> E5VError:
    """Return the error for a folder without an index: of usage if the user named the folder."""
    message = f"{folder} holds no index; make one with: e5v index FOLDER"
    return UsageError(f"{message} --index {folder}") if named else DataError(message)


def need_possible_folder(path: Path | None, name: str) -> None:
    """Check that a folder is there or can be made, with the folders that it is in.

    Raises:
        UsageError: it, or what it would be in, is a file or read-only.
    """
    if path is None:
        return
    nearest = next((one for one in (path, *path.absolute().parents) if one.exists()), path)
    if not nearest.is_dir():
        what = "is a file" if nearest == path else f"cannot be made: {nearest} is a file"
        raise UsageError(f"{name} {path} {what}; name a folder")
    if not os.access(nearest, os.W_OK | os.X_OK):
        raise UsageError(f"{name} {path} cannot be written: permission denied")


def _check_parent(path: Path, name: str) -> None:
    parent = path.resolve().parent  # a link is written through
    if not parent.is_dir():
        raise UsageError(f"{name} {path}: the folder {path.parent} does not exist; make it first")
    if not os.access(parent, os.W_OK | os.X_OK):
        raise UsageError(f"{name} {path} cannot be written: permission denied")
