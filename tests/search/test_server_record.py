"""The record of a running server: believed only if this user wrote it, here."""

import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from e5v.search import server_record
from e5v.search.server_client import Declined, ask_server, is_answering
from e5v.search.server_messages import SearchMessage
from e5v.search.server_record import (
    FILE,
    ServerRecord,
    boot_id,
    find_server,
    remove_record,
    write_record,
)


@pytest.fixture
def listening(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Give a Unix socket that listens, in a folder of this user alone."""
    folder = tmp_path_factory.mktemp("s")
    folder.chmod(0o700)
    path = folder / "s"
    with socket.socket(socket.AF_UNIX) as one:
        one.bind(str(path))
        path.chmod(0o600)
        one.listen()
        yield path


@pytest.fixture
def record(tmp_path: Path, listening: Path) -> ServerRecord:
    """Give the record of this process, written."""
    made = ServerRecord(
        folder=str(tmp_path.resolve()),
        socket=str(listening),
        pid=os.getpid(),
        host=socket.gethostname(),
        boot=boot_id(),
        version="1",
        address="http://127.0.0.1:1",
        model="m",
        opening={},
    )
    assert write_record(made)
    return made


def test_it_is_found_as_written_and_is_private(tmp_path: Path, record: ServerRecord) -> None:
    """Catches a record that other users may read, and a temporary file that stays."""
    assert find_server(tmp_path) == record
    assert (tmp_path / FILE).stat().st_mode & 0o777 == 0o600
    assert [path.name for path in tmp_path.iterdir()] == [FILE]
    remove_record(replace(record, pid=1), tmp_path)  # of another server: not ours to remove
    assert find_server(tmp_path) == record
    remove_record(record, tmp_path)
    assert find_server(tmp_path) is None


def test_what_others_could_have_written_is_not_believed(
    tmp_path: Path, record: ServerRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches a query that is sent to whoever can write into a shared folder."""
    path, private = tmp_path / FILE, Path(record.socket)
    for place in (path, private, private.parent):
        before = place.stat().st_mode
        place.chmod(before | 0o022)
        assert find_server(tmp_path) is None
        place.chmod(before)
    assert find_server(tmp_path) == record
    with monkeypatch.context() as other:
        other.setattr(os, "getuid", lambda: os.geteuid() + 1)
        assert find_server(tmp_path) is None
    moved = path.rename(tmp_path / "moved")
    path.symlink_to(moved)
    assert find_server(tmp_path) is None


@pytest.mark.parametrize("content", ["", "{", "[]", '{"pid": 1}', '"stop"', "null"])
def test_a_broken_record_is_none(tmp_path: Path, content: str) -> None:
    """Catches a traceback because of a file that is not ours, or was cut off."""
    (tmp_path / FILE).write_text(content)
    (tmp_path / FILE).chmod(0o600)
    assert find_server(tmp_path) is None


def test_fields_of_other_types_are_none(tmp_path: Path, record: ServerRecord) -> None:
    """Catches a traceback because of a record whose numbers are words."""
    for changed in ({"pid": "one"}, {"pid": -1}, {"socket": 3}, {"socket": "a\0b"}):
        (tmp_path / FILE).write_text(json.dumps(asdict(record) | changed))
        assert find_server(tmp_path) is None


def test_a_copied_index_has_no_server(tmp_path: Path, record: ServerRecord) -> None:
    """Catches the answers of another index, from which this one was copied."""
    index = Path(record.folder)
    copied = tmp_path / "copied"
    copied.mkdir()
    shutil.copy(index / FILE, copied)
    assert find_server(index) == record
    assert find_server(copied) is None


def test_the_record_of_a_dead_process_is_removed(tmp_path: Path, record: ServerRecord) -> None:
    """Catches a killed server that is asked for ever, and the socket that it left."""
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    write_record(replace(record, pid=dead.pid))
    assert find_server(tmp_path) is None
    assert not (tmp_path / FILE).exists()
    assert not Path(record.socket).parent.exists()


def test_another_machines_record_is_left_alone(tmp_path: Path, record: ServerRecord) -> None:
    """Catches a folder on the network where each machine removes the record of the other."""
    write_record(replace(record, host="elsewhere", pid=2**22 + 1))
    assert find_server(tmp_path) is None
    assert (tmp_path / FILE).exists()
    write_record(replace(record, boot="before"))
    assert find_server(tmp_path) is None
    assert not (tmp_path / FILE).exists()


def test_a_folder_that_cannot_be_written_is_no_error(
    tmp_path: Path, record: ServerRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches a server that cannot start, or a search that fails, because of its record."""

    def refuse(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr(server_record, "replace_file", refuse)
    assert not write_record(record)
    monkeypatch.setattr(Path, "unlink", refuse)
    remove_record(record, tmp_path)
    monkeypatch.setattr(server_record, "IS_SUPPORTED", False)
    assert find_server(tmp_path) is None


def test_a_server_that_hangs_or_is_gone(
    record: ServerRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches a search that waits for a server which is stopped, and an exception at one gone."""
    monkeypatch.setattr("e5v.search.server_client.ACCEPT_SECONDS", 0.05)
    message = SearchMessage(record.folder, "f", "1", 1)
    assert is_answering(record)  # the system accepts the connection
    with pytest.raises(Declined):
        ask_server(record, message)
    Path(record.socket).unlink()
    assert not is_answering(record)
    with pytest.raises(Declined):
        ask_server(record, message)
