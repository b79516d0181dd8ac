"""Write files and folders atomically and durably, and lock a folder for one writer.

content -> temporary file or folder beside the target -> fsync -> rename -> fsync of the parent
"""

import errno
import json
import os
import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from secrets import token_hex
from typing import NamedTuple

from e5v.errors import DataError

WINDOWS = os.name == "nt"
LOCK = ".lock"  # the locked file: Windows lets no other process read it,
HOLDER = ".lock.json"  # so its owner is written to a second file
LOCKS = frozenset({LOCK, HOLDER})
FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


class FileState(NamedTuple):
    """Size of a file in bytes, and mtime in nanoseconds since 1970."""

    size: int
    mtime: int


NO_FILE = FileState(-1, -1)


def read_state(path: str | Path) -> FileState:
    """Return size and mtime of a file, or `NO_FILE` if there is none."""
    try:
        status = os.stat(path)  # noqa: PTH116
    except (OSError, ValueError):
        return NO_FILE
    return FileState(status.st_size, status.st_mtime_ns)


def temporary_path(target: Path) -> Path:
    """Return a new temporary path of `target`: hidden, beside it, with the process id.

    Containers on several machines have the same process ids, so there is a random number, too.
    """
    return target.with_name(f".{target.name}.{os.getpid()}-{token_hex(4)}.part")


def remove_temporary(folder: Path, name: str) -> None:
    """Remove temporary paths that killed processes left for targets whose names begin with `name`.

    Call it only while the folder is locked: it does not ask whether their process still runs.
    """
    for part in folder.glob(f".{name}*.part"):
        _remove(part)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


@contextmanager
def replace_file(target: Path) -> Iterator[Path]:
    """Yield a temporary path that replaces `target` if the block succeeds; otherwise it is removed.

    On any failure `target` is unchanged. The error of a full disk names it.
    """
    part = temporary_path(target)
    try:
        with _named(target):
            yield part
            sync(part)
            part.replace(target)
    finally:
        part.unlink(missing_ok=True)
    sync(target.parent)


@contextmanager
def _named(target: Path) -> Iterator[None]:
    """Give the error of a disk that is full the path; a system names none where it writes."""
    try:
        yield
    except OSError as error:
        if error.errno in FULL and error.filename is None:
            error.filename = str(target)
        raise


@contextmanager
def replace_folder(target: Path) -> Iterator[Path]:
    """Yield a new folder that replaces `target` if the block succeeds; otherwise it is removed.

    On any failure `target` is unchanged. The parent of `target` must exist.
    """
    part = temporary_path(target)
    old = part.with_suffix(".old.part")
    part.mkdir()
    try:
        yield part
        for path in (*part.rglob("*"), part):
            if not path.is_symlink():
                sync(path)
        if target.exists():  # a folder with files in it cannot be renamed over
            target.rename(old)
        part.rename(target)
    finally:
        if old.exists() and not target.exists():
            old.rename(target)
        _remove(part)
        _remove(old)
    sync(target.parent)


def write_file(target: Path, content: str | bytes) -> None:
    """Write a file atomically, text as UTF-8."""
    with replace_file(target) as part:
        part.write_bytes(content.encode() if isinstance(content, str) else content)


def create_file(target: Path, content: str | bytes) -> bool:
    """Write a file atomically unless it exists; return whether it is this call that wrote it.

    Of several processes, also on several machines that share the folder, the first one writes.

    Raises:
        DataError: the disk has no hard links.
    """
    part = temporary_path(target)
    try:
        with _named(target):
            part.write_bytes(content.encode() if isinstance(content, str) else content)
            sync(part)
        target.hardlink_to(part)
    except FileExistsError:
        return False
    except OSError as error:
        if error.errno not in {errno.EPERM, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK}:
            raise
        raise DataError(
            f"{target.parent} is on a disk without hard links; choose a folder on another disk"
        ) from error
    finally:
        part.unlink(missing_ok=True)
    sync(target.parent)
    return True


def sync(path: Path) -> None:
    """Flush a file's content, or a folder's entries, to disk.

    On Windows folders are skipped, and files must be open for writing.
    """
    if WINDOWS and path.is_dir():
        return
    descriptor = os.open(path, os.O_RDWR if WINDOWS else os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno != errno.EINVAL:  # some network shares cannot sync a folder
            raise
    finally:
        os.close(descriptor)


@contextmanager
def locked(folder: Path, *, required: bool = True) -> Iterator[None]:
    """Lock a folder against other writing processes while the block runs; never waits.

    The system releases the lock when the process ends, even in a crash. It uses two
    hidden files, `LOCKS`. On a disk without file locks the block runs unlocked, unless `required`.

    Raises:
        DataError: another process has the lock (the message names it), or, if `required`, the disk
            does not support locks.
    """
    from filelock import FileLock, Timeout

    lock = FileLock(folder / LOCK, timeout=0, fallback_to_soft=False)
    try:
        lock.acquire()
    except Timeout:
        raise DataError(
            f"{folder} is being written by {_describe_holder(folder)}; wait for it, stop it, "
            "or choose another folder"
        ) from None
    except OSError as error:
        if required:
            raise DataError(
                f"{folder} cannot be locked: {error.strerror or error}; choose a folder on a local "
                "disk"
            ) from error
    try:
        if lock.is_locked:
            _write_holder(folder)
        yield
    finally:
        if lock.is_locked:
            (folder / HOLDER).unlink(missing_ok=True)
            lock.release()


def _write_holder(folder: Path) -> None:
    since = datetime.now().astimezone().isoformat(" ", timespec="seconds")
    holder = {"pid": os.getpid(), "host": socket.gethostname(), "since": since}
    with suppress(OSError):  # a full disk: the lock still works
        (folder / HOLDER).write_text(json.dumps(holder), encoding="utf-8")


def _describe_holder(folder: Path) -> str:
    """Describe the process that has the lock."""
    try:
        holder = json.loads((folder / HOLDER).read_text(encoding="utf-8"))
        return f"process {holder['pid']} on {holder['host']} since {holder['since']}"
    except (OSError, ValueError, KeyError, TypeError):  # not written yet
        return "another process"
