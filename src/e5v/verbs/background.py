"""`e5v serve --background` and `--stop`: a server that stays when its terminal is closed.

Serve -> is one there already? -> its arguments -> a process of its own, which writes to a log file
      -> its record in the index -> its address, and how to end it
"""

import os
import subprocess
import sys
import time
from dataclasses import dataclass, fields, is_dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from e5v.errors import DataError, UsageError
from e5v.search.server_client import Declined, is_answering, stop_server
from e5v.search.server_record import IS_SUPPORTED, ServerRecord, find_server
from e5v.verbs.console import find_command, say
from e5v.verbs.options import flag_of
from e5v.verbs.paths import index_folder, missing_index

if TYPE_CHECKING:
    from e5v.verbs.serve import Serve

PORT = 8000
IDLE_MINUTES = 30.0
LOOK_SECONDS = 0.05
MISUSED = 2  # exit code of a process whose arguments were wrong


@dataclass(frozen=True)
class _Started:
    """A process, and the file that it writes to."""

    process: "subprocess.Popen[bytes]"
    log: Path


def start_background(verb: "Serve") -> None:
    """Start a server of an index in the background, unless one is there; return when it serves.

    Raises:
        E5VError: it cannot be started; the message is that of the server.
    """
    folder = _need_folder(verb)
    if there := _find_running(folder):
        say(f"a server of this index is there already: {_describe(there, verb)}")
        return
    started = _start(verb, folder)
    say(f"starting; the log is {started.log}")
    try:
        record = _wait(started, folder)
    except BaseException:  # Ctrl-C ends both
        started.process.terminate()
        raise
    say(_describe(record, verb))
    if verb_minutes := _read_minutes(verb):
        say(f"it ends by itself after {verb_minutes:g} minutes without a request")


def stop_background(verb: "Serve") -> None:
    """End the server of an index, in the background or not, and wait until it has ended.

    Raises:
        DataError: it does not end.
    """
    folder = index_folder(verb.index).path
    record = _find_running(folder)
    if record is None:
        say(f"no server of {folder} is running")
        return
    try:
        stop_server(record)
    except Declined as error:
        raise DataError(f"the server (process {record.pid}) does not end: {error}") from None
    say(f"stopped the server at {record.address}")


def arguments_of(record: Any) -> list[str]:
    """Return the arguments that a verb's record was read from, without those of usual values."""
    arguments: list[str] = []
    for field, usual in ((field, getattr(type(record)(), field.name)) for field in fields(record)):
        value = getattr(record, field.name)
        if is_dataclass(value):
            arguments += arguments_of(value)
        elif isinstance(value, tuple):
            arguments += [f"{flag_of(field.name)}={one}" for one in value]
        elif value is True:
            arguments.append(flag_of(field.name))
        elif value != usual:
            arguments.append(f"{flag_of(field.name)}={value}")
    return arguments


def _need_folder(verb: "Serve") -> Path:
    """Return the folder of the index: the record of a server in the background is kept there.

    Raises:
        E5VError: there is no index, or it is not in a folder that can be written.
    """
    place = index_folder(verb.index)
    if verb.store or place.url is not None or not IS_SUPPORTED:
        raise UsageError(
            "--background is for an index in a folder of this machine, on Linux or macOS; start "
            "the server without it"
        )
    if place.read_manifest() is None:
        raise missing_index(place, verb.index)
    if not os.access(place.path, os.W_OK):
        raise UsageError(
            f"--background notes the server in {place.path}, which cannot be written; start it "
            "without --background"
        )
    return place.path


def _find_running(folder: Path) -> ServerRecord | None:
    record = find_server(folder)
    return record if record is not None and is_answering(record) else None


def _read_minutes(verb: "Serve") -> float:
    return IDLE_MINUTES if verb.idle_minutes is None else verb.idle_minutes


def _start(verb: "Serve", folder: Path) -> _Started:
    """Start the process, in a session of its own: closing the terminal does not end it."""
    port = verb.port
    if port is None and _is_taken(verb.host):
        port = 0
    child = replace(verb, background=False, idle_minutes=_read_minutes(verb), port=port)
    log = _log_file(folder)
    command = [sys.executable, "-m", "e5v.cli", "serve", *arguments_of(child)]
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=file,
            start_new_session=True,
        )
    return _Started(process, log)


def _is_taken(host: str) -> bool:
    """Return whether the usual port cannot be listened on."""
    from e5v.web.serving import accept, listen

    try:
        with listen(host, PORT) as listening:
            accept(listening, 1)
    except UsageError:
        return True
    return False


def _log_file(folder: Path) -> Path:
    """Return the log of an index's server, in the user's own folder for logs."""
    from platformdirs import user_log_path

    logs = user_log_path("e5v", appauthor=False)
    logs.mkdir(mode=0o700, parents=True, exist_ok=True)
    return logs / f"serve-{sha256(bytes(folder.resolve())).hexdigest()[:12]}.log"


def _wait(started: _Started, folder: Path) -> ServerRecord:
    """Wait until the process serves, and return its record.

    Raises:
        E5VError: it has ended.
    """
    while (code := started.process.poll()) is None:
        record = find_server(folder)
        if record is not None and record.pid == started.process.pid:
            return record
        time.sleep(LOOK_SECONDS)
    lines = started.log.read_text(errors="replace").split("\n")
    last = next((line for line in reversed(lines) if line.strip()), f"exit code {code}")
    message = last.removeprefix("e5v: ")
    raise UsageError(message) if code == MISUSED else DataError(message)


def _describe(record: ServerRecord, verb: "Serve") -> str:
    """Say where a server is, and how to end it."""
    stop = f"{find_command()} serve --stop" + (f" --index {verb.index}" if verb.index else "")
    return f"{record.address} (process {record.pid}); to end it: {stop}"
