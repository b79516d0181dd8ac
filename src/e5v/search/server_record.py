"""Where a running server of an index is found: a file in the index folder, for its owner alone.

e5v serve -> .server.json, mode 0600 -> e5v search of the same user on the same machine
                                     -> nothing, if it is of somebody or somewhere else

The record names a Unix socket, which only the user who made it can open. What a record says is not
believed before it is known who wrote it: the file and the socket must be this user's alone.
"""

import json
import os
import socket
import stat
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from e5v.files import replace_file

FILE = ".server.json"
LARGEST = 1 << 16  # bytes of a record
OTHERS = stat.S_IRWXG | stat.S_IRWXO
IS_SUPPORTED = hasattr(socket, "AF_UNIX") and hasattr(os, "getuid")  # not on Windows


@dataclass(frozen=True)
class ServerRecord:
    """A server of an index, as it describes itself.

    Attributes:
        folder: the index, by its path without links.
        socket: path of the Unix socket.
        pid: its process.
        host: name of the machine or container that it runs on.
        boot: what changes when that machine is started again; empty if unknown.
        version: that of e5v.
        address: URL of its page.
        model: name of the model that it has open.
        opening: how it was opened: the fields of `e5v.model.opening.Opening`, and `engine`, the
            URL of the engine that has its weights, if any.
    """

    folder: str
    socket: str
    pid: int
    host: str
    boot: str
    version: str
    address: str
    model: str
    opening: dict[str, Any]


def boot_id() -> str:
    """Return what changes when this machine is started again; empty if the system has no such."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""


def find_server(folder: Path) -> ServerRecord | None:
    """Return the record of an index, if its server can be asked from here; None otherwise.

    It is not if others can read or write the record, if it is of another user or machine, or if it
    was copied here together with the index. That of a dead process is removed.
    """
    record = _read(folder)
    if record is None or record.host != socket.gethostname():
        return None
    if record.boot != boot_id() or not _is_alive(record.pid):
        remove_record(record, folder)
        return None
    is_here = record.folder == str(folder.resolve())
    return record if is_here and _is_own_socket(record.socket) else None


def write_record(record: ServerRecord) -> bool:
    """Write the record of an index, in place of any; return whether its folder can be written."""
    try:
        with replace_file(Path(record.folder) / FILE) as part:
            descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "w", encoding="ascii") as file:
                json.dump(asdict(record), file)
    except OSError:
        return False
    return True


def remove_record(record: ServerRecord, folder: Path) -> None:
    """Remove a record from an index unless there is another by now, and what it left of a socket.

    It may be gone already, and the folder may be read-only.
    """
    if _read(folder) == record:
        with suppress(OSError):
            (folder / FILE).unlink()
    if _is_own_socket(record.socket) and not _is_alive(record.pid):
        with suppress(OSError):
            Path(record.socket).unlink()
            Path(record.socket).parent.rmdir()


def _read(folder: Path) -> ServerRecord | None:
    """Read a record that is this user's, and that nobody else can read or write."""
    if not IS_SUPPORTED:
        return None
    try:
        descriptor = os.open(folder / FILE, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        with os.fdopen(descriptor, "rb") as file:
            _need_own(os.fstat(descriptor), stat.S_IFREG)
            record = ServerRecord(**json.loads(file.read(LARGEST)))
    except (OSError, ValueError, TypeError):
        return None
    return record if isinstance(record.pid, int) and record.pid > 0 else None


def _is_own_socket(path: str) -> bool:
    """Return whether a socket, and the folder that it is in, are this user's alone."""
    try:
        _need_own(os.lstat(path), stat.S_IFSOCK)
        _need_own(os.lstat(Path(path).parent), stat.S_IFDIR)
    except (OSError, ValueError, TypeError):
        return False
    return True


def _need_own(status: os.stat_result, kind: int) -> None:
    own = status.st_uid == os.getuid() and not status.st_mode & OTHERS
    if not own or stat.S_IFMT(status.st_mode) != kind:
        raise PermissionError("not this user's alone")


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:  # another user's
        return True
    return True
