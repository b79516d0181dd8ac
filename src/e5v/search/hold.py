"""One writer at a time: a lock that dies with its holder.

writer.lock -> flock -> who holds it, for the one who comes second

The system lets go of the lock when the holder ends, however it ends, so a killed writer's lock is
free at once. What the file says is for people.
"""

import fcntl
import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from e5v.errors import DataError

FILE = "writer.lock"


@contextmanager
def hold(folder: Path) -> Iterator[None]:
    """Be the only writer of an index folder while the block runs.

    Raises:
        DataError: another process is, and which, where and since when; or its disk has no locks.
    """
    with (folder / FILE).open("a+", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise DataError(
                f"{folder} is being written by {_holder(folder)}; wait for it, or end it"
            ) from None
        except OSError as error:
            raise DataError(
                f"{folder} cannot be locked: {error.strerror}; give --index DIR on a disk of this "
                "machine"
            ) from error
        file.truncate(0)
        json.dump({"pid": os.getpid(), "host": socket.gethostname(), "since": _now()}, file)
        file.flush()
        try:
            yield
        finally:
            file.truncate(0)


def _now() -> str:
    return datetime.now().astimezone().isoformat(" ", timespec="seconds")


def _holder(folder: Path) -> str:
    try:
        told = json.loads((folder / FILE).read_text(encoding="utf-8"))
        return f"process {told['pid']} on {told['host']} since {told['since']}"
    except (OSError, ValueError, KeyError, TypeError):  # it has only just begun
        return "another process"
