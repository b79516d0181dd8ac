"""Writing: the whole file or the one before it, and nothing else in the folder."""

import ast
import errno
import fcntl
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from e5v import files
from e5v.errors import DataError
from e5v.files import (
    LOCKS,
    locked,
    remove_temporary,
    replace_file,
    replace_folder,
    sync,
    write_file,
)

POSIX_ONLY = {"fcntl", "grp", "posix", "pty", "pwd", "resource", "syslog", "termios", "tty"}
SOURCES = sorted((Path(__file__).parents[1] / "src").rglob("*.py"))


@pytest.mark.parametrize("failure", [OSError, KeyboardInterrupt])
def test_the_old_file_stands_until_the_new_one_is_whole(
    tmp_path: Path, failure: type[BaseException]
) -> None:
    """Catches half a file in place of a whole one, and one that is left beside it."""
    target = tmp_path / "report.json"
    write_file(target, "old")
    with pytest.raises(failure), replace_file(target) as part:  # noqa: PT012
        part.write_text("ne")
        assert part.parent == target.parent
        raise failure
    assert (target.read_text(), list(tmp_path.iterdir())) == ("old", [target])
    write_file(target, "né")
    assert (target.read_bytes(), list(tmp_path.iterdir())) == ("né".encode(), [target])


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no full disk to write to")
def test_a_full_disk_is_named(tmp_path: Path) -> None:
    """Catches "No space left on device" that does not say on which of several disks."""
    target = tmp_path / "part"
    with (
        pytest.raises(OSError, match=f"No space left on device: '{target}'"),
        replace_file(target),
        Path("/dev/full").open("wb", buffering=0) as full,
    ):
        full.write(b"x")
    assert list(tmp_path.iterdir()) == []


def test_two_processes_write_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches a file with lines of two processes, or one that the other has removed."""
    target = tmp_path / "report.json"
    with replace_file(target) as ours:
        ours.write_text("ours")
        with monkeypatch.context() as elsewhere:
            elsewhere.setattr(os, "getpid", lambda: 0)
            write_file(target, "theirs")
        assert target.read_text() == "theirs"
    assert target.read_text() == "ours"


def _write_folder(target: Path, content: str, failure: BaseException | None = None) -> None:
    with replace_folder(target) as part:
        (part / "inner").mkdir()
        (part / "inner" / "file").write_text(content)
        if failure:
            raise failure


@pytest.mark.parametrize("failure", [OSError(), KeyboardInterrupt()])
def test_the_old_folder_stands_until_the_new_one_is_whole(
    tmp_path: Path, failure: BaseException
) -> None:
    """Catches half a checkpoint in place of a whole one, and one that is left beside it."""
    target = tmp_path / "adapter"
    _write_folder(target, "old")
    with pytest.raises(type(failure)):
        _write_folder(target, "ne", failure)
    assert (target / "inner" / "file").read_text() == "old"
    _write_folder(target, "new")
    assert (target / "inner" / "file").read_text() == "new"
    assert list(tmp_path.iterdir()) == [target]


def test_the_old_folder_comes_back_if_the_new_one_cannot_be_renamed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches a target that is gone because the second of two renames failed."""
    target = tmp_path / "adapter"
    _write_folder(target, "old")
    real = Path.rename

    def refuse(path: Path, new: Path) -> Path:
        if new == target and ".old." not in path.name:
            raise PermissionError(errno.EACCES, "Permission denied")
        return real(path, new)

    monkeypatch.setattr(Path, "rename", refuse)
    with pytest.raises(PermissionError):
        _write_folder(target, "new")
    assert (target / "inner" / "file").read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_a_folder_is_on_the_disk_before_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches empty weights under the name of a whole checkpoint after a power cut."""
    target = tmp_path / "adapter"
    seen: list[tuple[int, bool]] = []
    monkeypatch.setattr(
        os, "fsync", lambda number: seen.append((os.fstat(number).st_ino, target.exists()))
    )
    _write_folder(target, "new")
    inner = {(path.stat().st_ino, False) for path in (target, *target.rglob("*"))}
    assert set(seen) == {*inner, (tmp_path.stat().st_ino, True)}


WRITE = """
import sys
from pathlib import Path
from e5v.files import replace_file, replace_folder

target = Path(sys.argv[1])
with (replace_folder if target.is_dir() else replace_file)(target) as part:
    (part / "file" if part.is_dir() else part).write_text("ne")
    print("half", flush=True)
    sys.stdin.read()
"""


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_a_kill_leaves_the_old_one(tmp_path: Path, kind: str) -> None:
    """Catches a target that is changed before the new content is complete."""
    target = tmp_path / "target"
    if kind == "folder":
        target.mkdir()
    file = target / "file" if kind == "folder" else target
    file.write_text("old")
    pipe = subprocess.PIPE
    command = [sys.executable, "-c", WRITE, str(target)]
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "half\n"
        other.send_signal(signal.SIGKILL)
        other.wait()
    assert file.read_text() == "old"
    assert len(list(tmp_path.iterdir())) == 2
    remove_temporary(tmp_path, "target")
    assert list(tmp_path.iterdir()) == [target]


def test_others_may_read_what_they_may_always_read(tmp_path: Path) -> None:
    """Catches the rights of a temporary file, which its owner alone can read."""
    (tmp_path / "plain").touch()
    write_file(tmp_path / "ours", b"")
    assert (tmp_path / "ours").stat().st_mode == (tmp_path / "plain").stat().st_mode


@pytest.mark.parametrize("number", [0, errno.EINVAL])
def test_the_content_is_on_the_disk_before_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """Catches an empty file after a power cut, and a network share that cannot be written to."""
    target = tmp_path / "report.json"
    seen: list[tuple[int, bool]] = []

    def fsync(descriptor: int) -> None:
        seen.append((os.fstat(descriptor).st_ino, target.exists()))
        if number:
            raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", fsync)
    write_file(target, "new")
    assert seen == [(target.stat().st_ino, False), (tmp_path.stat().st_ino, True)]


def test_a_folder_and_a_file_are_synced_as_windows_allows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches PermissionError for every file written on Windows: it opens no folder."""
    opened: list[int] = []
    real = os.open

    def windows_open(path: Path, flags: int) -> int:
        if Path(path).is_dir():
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        opened.append(flags)
        return real(path, flags)

    monkeypatch.setattr(files, "WINDOWS", True)
    monkeypatch.setattr(os, "open", windows_open)
    write_file(tmp_path / "report.json", "new")
    sync(tmp_path)
    assert opened == [os.O_RDWR]  # a read-only descriptor cannot be synced there


def test_no_module_needs_posix_to_be_imported() -> None:
    """Catches `import fcntl` at the top of a file: train and index then fail on Windows."""
    found = [
        f"{path.name}: {alias.name}"
        for path in SOURCES
        for node in ast.parse(path.read_text("utf-8")).body
        for alias in (node.names if isinstance(node, ast.Import) else [])
        if alias.name in POSIX_ONLY
    ]
    assert SOURCES
    assert found == []


HOLD = """
import sys
from pathlib import Path
from e5v.files import locked

with locked(Path(sys.argv[1])):
    print("locked", flush=True)
    sys.stdin.read()
"""


@pytest.mark.parametrize("ended_by", ["end", "kill"])
def test_a_lock_keeps_others_out_and_ends_with_its_process(tmp_path: Path, ended_by: str) -> None:
    """Catches two writers of one folder, and a folder that stays locked after a crash."""
    command = [sys.executable, "-c", HOLD, str(tmp_path)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "locked\n"
        pattern = rf"is being written by process {other.pid} on .* since .*; wait for it, stop it"
        with pytest.raises(DataError, match=pattern), locked(tmp_path):
            pytest.fail("two processes at once")
        if ended_by == "kill":
            other.send_signal(signal.SIGKILL)
        else:
            other.communicate("")
        other.wait()
    with locked(tmp_path):
        pass
    left = {path.name for path in tmp_path.iterdir()}
    assert left <= LOCKS
    assert all(name.startswith(".") for name in left)


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP])
def test_a_disk_without_locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """Catches a run that a network share stops, and an index that two processes write there."""

    def refuse(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", refuse)
    with locked(tmp_path, required=False):
        pass
    with pytest.raises(DataError, match=r"cannot be locked: .*; choose a folder on a local"):
        locked(tmp_path).__enter__()
