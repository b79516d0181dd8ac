"""Files that appear when they are whole, and are there after a power cut; one writer per folder.

content -> a file beside the target -> onto the disk -> its name -> the folder onto the disk
"""

import errno
import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path

from e5v.errors import DataError

WINDOWS = os.name == "nt"
LOCK = ".lock"  # the locked file: Windows lets no other process read it,
HOLDER = ".lock.json"  # so who has the lock is written beside it
LOCKS = frozenset({LOCK, HOLDER})


def beside(target: Path) -> Path:
    """Name what is written in place of `target`: hidden, and by no other process."""
    return target.with_name(f".{target.name}.{os.getpid()}.part")


@contextmanager
def replacing(target: Path) -> Iterator[Path]:
    """Give a path to write to, which becomes `target` if the block ends well; else it is removed.

    Whatever fails, what stood there before stands.
    """
    part = beside(target)
    try:
        yield part
        sync(part)
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)
    sync(target.parent)


def write_file(target: Path, content: str | bytes) -> None:
    """Write a file, text in UTF-8."""
    with replacing(target) as part:
        part.write_bytes(content.encode() if isinstance(content, str) else content)


def sync(path: Path) -> None:
    """Make sure that a file's content, or the names in a folder, are on the disk.

    Windows writes names itself, opens no folder, and syncs only what is open for writing.
    """
    if WINDOWS and path.is_dir():
        return
    descriptor = os.open(path, os.O_RDWR if WINDOWS else os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno != errno.EINVAL:  # of folders on some network shares, which have no sync
            raise
    finally:
        os.close(descriptor)


@contextmanager
def locked(folder: Path, *, required: bool = True) -> Iterator[None]:
    """Keep all other processes from writing to a folder while the block runs; never waits.

    The system ends the lock when its process ends, however it ends. Two hidden files, `LOCKS`, stay
    in the folder. On a disk without locks the block runs unprotected, unless a lock is `required`.

    Raises:
        DataError: another process has the lock (the message names it), or the disk has no locks.
    """
    from filelock import FileLock, Timeout

    lock = FileLock(folder / LOCK, timeout=0, fallback_to_soft=False)
    try:
        lock.acquire()
    except Timeout:
        raise DataError(
            f"{folder} is being written by {_holder(folder)}; wait for it, end it, or choose "
            "another folder"
        ) from None
    except OSError as error:
        if required:
            raise DataError(
                f"{folder} cannot be locked: {error.strerror or error}; choose a folder on a disk "
                "of this machine"
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
    with suppress(OSError):  # a full disk: the lock itself is there
        (folder / HOLDER).write_text(json.dumps(holder), encoding="utf-8")


def _holder(folder: Path) -> str:
    """Describe the process that has the lock."""
    try:
        holder = json.loads((folder / HOLDER).read_text(encoding="utf-8"))
        return f"process {holder['pid']} on {holder['host']} since {holder['since']}"
    except (OSError, ValueError, KeyError, TypeError):  # it has only just begun
        return "another process"
