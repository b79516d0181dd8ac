"""List the files of a folder with their size and mtime.

folder -> names; hidden, system's and excluded ones skipped, links to folders not followed
       -> FoundFile
"""

import os
import stat
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from e5v.errors import DataError
from e5v.image_formats import IMAGE_SUFFIXES
from e5v.media.kinds import KIND_OF_SUFFIX
from e5v.search.exclusion import Exclusion
from e5v.search.ignore_files import NAME as IGNORE_FILE
from e5v.search.ignore_files import IgnoreFiles
from e5v.system_folders import is_system_folder

Form = Literal["image", "text", "lines", "pages", "video", "raw", "document"]
FORMS: dict[str, Form] = {
    **dict.fromkeys(sorted(IMAGE_SUFFIXES), "image"),
    ".txt": "text",
    ".md": "text",
    ".jsonl": "lines",
    **{suffix: kind.form for suffix, kind in KIND_OF_SUFFIX.items()},
}
LITTER = frozenset({"thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r"})  # of operating systems


@dataclass(frozen=True, slots=True)
class FoundFile:
    """A file of a supported type: its form, its size in bytes, and mtime in nanoseconds."""

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
class OtherFile:
    """A file of an unsupported type."""

    path: str


@dataclass(frozen=True, slots=True)
class SystemFolder:
    """A hidden folder, or one that a system keeps for itself: it is not looked into."""

    path: str


Listed = FoundFile | Unlisted | OtherFile | SystemFolder


def absolute(roots: Iterable[Path], *, known: Collection[str] = ()) -> tuple[str, ...]:
    """Return the absolute paths of folders and files to follow.

    Those in `known`, which were followed before, may be missing.

    Raises:
        DataError: another one does not exist, or is a file of an unsupported type.
    """
    paths = tuple(dict.fromkeys(os.path.abspath(root.expanduser()) for root in roots))  # noqa: PTH100
    for path in paths:
        if path in known:
            continue
        if not os.path.exists(path):  # noqa: PTH110
            raise DataError(f"{path} does not exist; check the path, and that its disk is mounted")
        if not (os.path.isdir(path) or (os.path.isfile(path) and _form_of(path))):  # noqa: PTH112, PTH113
            raise DataError(f"{path} cannot be indexed; expected a folder or {', '.join(FORMS)}")
    return paths


def is_missing(root: str) -> bool:
    """Return whether a folder or file does not exist; False if it exists but cannot be read."""
    try:
        os.stat(root)  # noqa: PTH116
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:
        return False
    return False


def walk(
    root: str, exclusion: Exclusion | None = None, ignores: IgnoreFiles | None = None
) -> Iterator[Listed]:
    """List a folder or a single file, ordered by path."""
    try:
        is_folder = stat.S_ISDIR(os.stat(root).st_mode)  # noqa: PTH116
    except OSError as error:
        yield Unlisted(root, f"cannot be read: {error.strerror}")
        return
    if is_folder:
        rules = _Rules(exclusion or Exclusion(), ignores or IgnoreFiles())
        yield from _walk_folder(root, "", rules)
    else:
        yield from _stat_file(root)


@dataclass(frozen=True, slots=True)
class _Rules:
    """What excludes files: patterns, ignore files, and the folders above that have some."""

    exclusion: Exclusion
    ignores: IgnoreFiles
    above: tuple[tuple[str, Exclusion], ...] = ()

    def enter(self, folder: str, names: Sequence[os.DirEntry[str]]) -> "_Rules":
        """Return the rules for what is in a folder, whose names are given."""
        if not any(one.name == IGNORE_FILE for one in names):
            return self
        own = self.ignores.of(folder)
        return self if own is None else replace(self, above=(*self.above, (folder, own)))

    def leave_out(self, path: str, below: str, *, is_folder: bool) -> bool:
        """Return whether a path is excluded, which is `below` in the followed folder."""
        return self.exclusion.leaves_out(below, is_folder=is_folder) or any(
            one.leaves_out(path[len(folder.rstrip("/")) + 1 :], is_folder=is_folder)
            for folder, one in self.above
        )


def _walk_folder(folder: str, relative: str, rules: _Rules) -> Iterator[Listed]:
    """List a folder; `relative` is its path below the root, empty or ending in a slash."""
    try:
        with os.scandir(folder) as entries:
            named = sorted(entries, key=lambda entry: entry.name)
    except OSError as error:
        yield Unlisted(folder, f"cannot be listed: {error.strerror}")
        return
    rules = rules.enter(folder, named)
    for entry in named:
        try:
            is_folder = entry.is_dir(follow_symlinks=False)
        except OSError as error:
            if not entry.name.startswith("."):
                yield Unlisted(entry.path, f"cannot be read: {error.strerror}")
            continue
        if is_folder and is_system_folder(entry.name):
            yield SystemFolder(entry.path)
            continue
        below = relative + entry.name
        if entry.name.startswith(".") or rules.leave_out(entry.path, below, is_folder=is_folder):
            continue
        if is_folder:
            yield from _walk_folder(entry.path, f"{below}/", rules)
        else:
            yield from _stat_file(entry.path)


def _stat_file(path: str) -> Iterator[Listed]:
    form = _form_of(path)
    try:
        path.encode()
        status = os.stat(path)  # noqa: PTH116
    except UnicodeEncodeError:
        if form:
            shown = path.encode("utf-8", "replace").decode()
            yield Unlisted(shown, "has a name that is not UTF-8; rename it")
        return
    except OSError as error:
        if form:
            yield Unlisted(path, f"cannot be read: {error.strerror}")
        return
    if not stat.S_ISREG(status.st_mode):  # a pipe, or a link to a folder
        return
    if form:
        yield FoundFile(path, form, status.st_size, status.st_mtime_ns)
    elif os.path.basename(path).lower() not in LITTER:  # noqa: PTH119
        yield OtherFile(path)


def _form_of(path: str) -> Form | None:
    return FORMS.get(os.path.splitext(path)[1].lower())  # noqa: PTH122


def within(path: str, root: str) -> bool:
    """Return whether a path is a root, or in it."""
    return path == root or path.startswith(root.rstrip("/") + "/")
